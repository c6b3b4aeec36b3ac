_base_ = '_base_/suite.py'

title = 'Negative chips'
question = 'Do negative chips raise AP, from an RPN or from the detector itself?'

# Not its question how it learns: half as many tests on the way.
sizes = dict(tiny=dict(curve_points=2))

recipes = dict(
    none=dict(title='positive chips only', method='sniper'),
    rpn=dict(title='negative chips, RPN', method='sniper', negatives='rpn'),
    online=dict(title='negative chips, online', method='sniper', negatives='online'),
)

tests = dict(_delete_=True, pyramid=dict(title='pyramid, valid ranges'))
