_base_ = '_base_/suite.py'

title = 'Negative chips'
question = 'Do negative chips raise AP, from an RPN or from the detector itself?'

# Fewer pixels and tests than in the suite of scales, whose curves show what more would bring.
sizes = dict(
    tiny=dict(
        budget_mpx=150.0,
        proposal_mpx=43.0,
        curve_points=2,
        models=dict(yolox='_base_/models/yolox_nano.py'),
    ),
    full=dict(models=dict(yolox='_base_/models/yolox_s.py')),
)

# For photographs, which a tiny detector from scratch learns little of (--data photographs).
_yolox = dict(method='sniper', model='yolox', rate=0.25, weights={'tiny': 'yolox_nano_coco.pth'})

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
    yolox_none=dict(title='YOLOX, positive chips only', **_yolox),
    yolox_online=dict(title='YOLOX, negative chips, online', negatives='online', **_yolox),
    yolox_online_extra=dict(
        title='YOLOX, negative chips on top, online',
        negatives='online',
        extra_negatives=True,
        **_yolox,
    ),
)

false_positives = 0.3

tests = dict(_delete_=True, pyramid=dict(title='pyramid, valid ranges'))
