# Suites of drawn shapes that can be asked of photographs too (--data licence_plates), which a tiny
# detector from scratch learns little of.
_base_ = 'suite.py'

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

_yolox = dict(method='sniper', model='yolox', rate=0.25, weights={'tiny': 'yolox_nano_coco.pth'})
