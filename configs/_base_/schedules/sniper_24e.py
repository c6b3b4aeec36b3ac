# 24 epochs, for data sets with about 6 Gpx of chips in an epoch.
_base_ = './sniper_7e.py'

train_cfg = dict(max_epochs=24)

param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 30, by_epoch=False, begin=0, end=500),
    # A tenth of the rate after the same share of the epochs.
    dict(
        type='ConstantLR',
        factor=0.1,
        by_epoch=True,
        begin=18.3,
        end=25,
        convert_to_iter_based=True,
    ),
]
