# The paper's schedule: 7 epochs, 8 GPUs with 16 chips each, a tenth of the rate from epoch 5.33.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=7, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 30, by_epoch=False, begin=0, end=1000),
    # MultiStepLR cannot step inside an epoch: a constant factor from there on, to beyond the end.
    dict(
        type='ConstantLR',
        factor=0.1,
        by_epoch=True,
        begin=5.33,
        end=8,
        convert_to_iter_based=True,
    ),
]

optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(type='SGD', lr=0.015, momentum=0.9, weight_decay=0.0001),
)

# `enable` is off as in MMDetection: switch it on with --auto-scale-lr.
auto_scale_lr = dict(enable=False, base_batch_size=128)
