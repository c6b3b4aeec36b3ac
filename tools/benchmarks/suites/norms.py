_base_ = '_base_/suite.py'

title = 'Normalisation'
question = (
    'A batch of chips comes from many images, a batch of whole images from one or a few: is that '
    'what chips bring, by better statistics for batch normalisation?'
)

sizes = dict(
    tiny=dict(
        # Fewer pixels and tests than in the suite of scales.
        budget_mpx=150.0,
        proposal_mpx=43.0,
        curve_points=2,
        models=dict(group_norm='_base_/models/atss_r18_fpn_gn_tiny.py'),
    ),
    full=dict(models=dict(group_norm='_base_/models/atss_r18_fpn_gn.py')),
)

recipes = dict(
    single_scale=dict(title='single scale, batch norm', method='single-scale'),
    multi_scale=dict(title='multi-scale, batch norm', method='multi-scale'),
    sniper=dict(title='SNIPER, batch norm', method='sniper'),
    single_scale_group=dict(
        title='single scale, group norm', method='single-scale', model='group_norm'
    ),
    multi_scale_group=dict(
        title='multi-scale, group norm', method='multi-scale', model='group_norm'
    ),
    sniper_group=dict(title='SNIPER, group norm', method='sniper', model='group_norm'),
)

tests = dict(
    _delete_=True,
    single=dict(title='single level', levels='single'),
    pyramid=dict(title='pyramid, valid ranges'),
)
