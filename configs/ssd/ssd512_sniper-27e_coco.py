_base_ = [
    '../_base_/models/ssd512.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# The extra layers take the last map apart down to a cell.
model = dict(data_preprocessor=dict(type='ChipDataPreprocessor', least_size=257))

train_pipeline = _base_.train_pipeline
train_pipeline[-1:-1] = [
    dict(
        type='PhotoMetricDistortion',
        brightness_delta=32,
        contrast_range=(0.5, 1.5),
        saturation_range=(0.5, 1.5),
        hue_delta=18,
    )
]
# As many pixels as the 8 images that MMDetection has on a GPU.
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))

# As many pixels as the 24 epochs of MMDetection, each of which has every image five times, and a
# tenth of the rate at the same shares of them.
train_cfg = dict(max_epochs=27)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', begin=0, end=27, by_epoch=True, milestones=[18, 25], gamma=0.1),
]

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.002, momentum=0.9, weight_decay=0.0005),
)

# base_batch_size = (8 GPUs) x (8 chips per GPU)
auto_scale_lr = dict(base_batch_size=64)

# Levels are merged the way that the detector suppresses within an image.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=_base_.model.test_cfg.nms, max_per_image=200),
    dict(type='NumClassCheckHook'),
    dict(type='CheckInvalidLossHook', interval=50, priority='VERY_LOW'),
]
