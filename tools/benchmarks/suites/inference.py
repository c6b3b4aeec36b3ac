_base_ = '_base_/suite.py'

title = 'Inference'
question = 'What do the pyramid and its valid ranges bring in testing, and what do they cost?'

# Fewer pixels and tests than in the suite of scales, whose curves show what more would bring.
sizes = dict(tiny=dict(budget_mpx=150.0, proposal_mpx=43.0, curve_points=2))

recipes = dict(
    multi_scale=dict(title='multi-scale', method='multi-scale'),
    sniper=dict(title='SNIPER without negatives', method='sniper'),
)

tests = dict(
    coarse=dict(title='the coarsest level', levels=(2,)),
    middle=dict(title='the middle level', levels=(1,)),
    finest=dict(title='the finest level', levels=(0,)),
    two=dict(title='2 levels, valid ranges', levels=(1, 2)),
)
