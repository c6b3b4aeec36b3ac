_base_ = '_base_/drawn_and_photographed.py'

title = 'Levels'
question = 'What does it cost to leave out the finest level, or all but the middle one?'

recipes = dict(
    three=dict(title='SNIPER, 3 levels', method='sniper'),
    two=dict(title='SNIPER, 2 levels (without the finest)', method='sniper', levels=(1, 2)),
    one=dict(title='SNIPER, 1 level (the middle one)', method='sniper', levels=(1,)),
    # Photographs have finer detail at finer levels, drawn shapes have not.
    yolox_three=dict(title='YOLOX, SNIPER, 3 levels', **_base_._yolox),
    yolox_two=dict(
        title='YOLOX, SNIPER, 2 levels (without the finest)', levels=(1, 2), **_base_._yolox
    ),
    yolox_one=dict(title='YOLOX, SNIPER, 1 level (the middle one)', levels=(1,), **_base_._yolox),
)

# Each is tested at the levels of the others as well.
tests = dict(
    _delete_=True,
    three=dict(title='3 levels'),
    two=dict(title='2 levels (without the finest)', levels=(1, 2)),
    one=dict(title='1 level (the middle one)', levels=(1,)),
)
curve_test = 'three'
