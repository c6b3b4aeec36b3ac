_base_ = '_base_/suite.py'

title = 'Negative chips'
question = 'Do negative chips raise AP, from an RPN or from the detector itself?'

recipes = dict(
    none=dict(title='positive chips only', method='sniper'),
    rpn=dict(title='negative chips, RPN', method='sniper', negatives='rpn'),
    online=dict(title='negative chips, online', method='sniper', negatives='online'),
)
