_base_ = '_base_/suite.py'

title = 'Negative chips'
question = 'Do negative chips raise AP, from an RPN or from the detector itself?'

# Fewer pixels and tests than in the suite of scales, whose curves show what more would bring.
sizes = dict(tiny=dict(budget_mpx=150.0, proposal_mpx=43.0, curve_points=2))

recipes = dict(
    none=dict(title='positive chips only', method='sniper'),
    rpn=dict(title='negative chips, RPN', method='sniper', negatives='rpn'),
    online=dict(title='negative chips, online', method='sniper', negatives='online'),
)

tests = dict(_delete_=True, pyramid=dict(title='pyramid, valid ranges'))
