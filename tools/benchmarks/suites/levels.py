_base_ = '_base_/suite.py'

title = 'Levels'
question = 'What does it cost to leave out the finest level, or all but the middle one?'

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

# For photographs, which have finer detail at finer levels (--data licence_plates --budget 300).
_yolox = dict(method='sniper', model='yolox', rate=0.25, weights={'tiny': 'yolox_nano_coco.pth'})

recipes = dict(
    three=dict(title='SNIPER, 3 levels', method='sniper'),
    two=dict(title='SNIPER, 2 levels (without the finest)', method='sniper', levels=(1, 2)),
    one=dict(title='SNIPER, 1 level (the middle one)', method='sniper', levels=(1,)),
    yolox_three=dict(title='YOLOX, SNIPER, 3 levels', **_yolox),
    yolox_two=dict(title='YOLOX, SNIPER, 2 levels (without the finest)', levels=(1, 2), **_yolox),
    yolox_one=dict(title='YOLOX, SNIPER, 1 level (the middle one)', levels=(1,), **_yolox),
)

# Each is tested at the levels of the others as well.
tests = dict(
    _delete_=True,
    three=dict(title='3 levels'),
    two=dict(title='2 levels (without the finest)', levels=(1, 2)),
    one=dict(title='1 level (the middle one)', levels=(1,)),
)
curve_test = 'three'
