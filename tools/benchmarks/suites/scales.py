_base_ = '_base_/suite.py'

title = 'Scales'
question = (
    'At equal trained pixels, what do chips bring against whole images at one scale, at several, '
    'and with valid ranges?'
)

recipes = dict(
    single_scale=dict(title='single scale', method='single-scale'),
    # What users of MMDetection do most often: sizes within a factor of two. Their mean area is
    # not above that of the single scale, so that a step has room for it.
    narrow_scales=dict(title='multi-scale, narrow', method='multi-scale', factors=(1.2, 1.0, 0.7)),
    multi_scale=dict(title='multi-scale', method='multi-scale'),
    snip=dict(title='SNIP', method='snip'),
    sniper_positive=dict(title='SNIPER without negatives', method='sniper'),
    sniper=dict(title='SNIPER', method='sniper', negatives='rpn'),
)
