_base_ = [
    '../_base_/models/dino-4scale_r50.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# So that all maps together have the 900 cells that the queries are chosen from.
model = dict(data_preprocessor=dict(type='ChipDataPreprocessor', least_size=201))

# As many pixels as the 2 images that MMDetection has on a GPU.
train_dataloader = dict(batch_size=4)

# As many pixels as the 12 epochs of MMDetection, and a tenth of the rate at the same share of
# them, 11 / 12.
train_cfg = dict(max_epochs=5)
param_scheduler = [
    dict(
        type='ConstantLR',
        factor=0.1,
        by_epoch=True,
        begin=4.58,
        end=6,
        convert_to_iter_based=True,
    ),
]

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.0001, weight_decay=0.0001),
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}),
)

# base_batch_size = (8 GPUs) x (4 chips per GPU)
auto_scale_lr = dict(base_batch_size=32)

# As many detections as the detector has on an image.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', max_per_image=300),
    dict(type='NumClassCheckHook'),
]
