_base_ = '_base_/drawn_and_photographed.py'

title = 'Negative chips'
question = 'Do negative chips raise AP, from an RPN or from the detector itself?'

recipes = dict(
    none=dict(title='positive chips only', method='sniper'),
    rpn=dict(title='negative chips, RPN', method='sniper', negatives='rpn'),
    online=dict(title='negative chips, online', method='sniper', negatives='online'),
    # As the paper compares them: as many positive chips, and negative ones on top.
    rpn_extra=dict(
        title='negative chips on top, RPN',
        method='sniper',
        negatives='rpn',
        extra_negatives=True,
    ),
    online_extra=dict(
        title='negative chips on top, online',
        method='sniper',
        negatives='online',
        extra_negatives=True,
    ),
    yolox_none=dict(title='YOLOX, positive chips only', **_base_._yolox),
    yolox_online=dict(title='YOLOX, negative chips, online', negatives='online', **_base_._yolox),
    yolox_online_extra=dict(
        title='YOLOX, negative chips on top, online',
        negatives='online',
        extra_negatives=True,
        **_base_._yolox,
    ),
)

false_positives = 0.3

tests = dict(_delete_=True, pyramid=dict(title='pyramid, valid ranges'))
