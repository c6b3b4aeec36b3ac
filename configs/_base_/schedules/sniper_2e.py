# The paper's schedule of the proposal stage: 2 epochs of positive chips.
_base_ = './sniper_7e.py'

train_cfg = dict(max_epochs=2)

param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 30, by_epoch=False, begin=0, end=1000),
]
