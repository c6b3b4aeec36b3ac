_base_ = '_base_/suite.py'

title = 'Objects out of range'
question = 'What should become of objects that are too small or too large for the level of a chip?'

# Real texture: on drawn shapes the differences are small.
data = 'cells'

sizes = dict(tiny=dict(budget_mpx=120.0, proposal_mpx=34.0, curve_points=2))

recipes = dict(
    ignore=dict(title='ignored, as SNIPER does', method='sniper'),
    erase=dict(title='erased from the picture', method='sniper', out_of_range='erase'),
    background=dict(title='background', method='sniper', out_of_range='drop'),
    keep=dict(title='objects like all others', method='sniper', out_of_range='keep'),
)
