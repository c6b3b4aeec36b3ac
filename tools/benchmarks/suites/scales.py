_base_ = '_base_/suite.py'

title = 'Scales'
question = (
    'At equal trained pixels, what do chips bring against whole images at one scale, at several, '
    'and with valid ranges?'
)

recipes = dict(
    single_scale=dict(title='single scale', method='single-scale'),
    multi_scale=dict(title='multi-scale', method='multi-scale'),
    snip=dict(title='SNIP', method='snip'),
    sniper_positive=dict(title='SNIPER without negatives', method='sniper'),
    sniper=dict(title='SNIPER', method='sniper', negatives='rpn'),
)
