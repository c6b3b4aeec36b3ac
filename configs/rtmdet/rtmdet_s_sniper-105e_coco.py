_base_ = [
    '../_base_/models/rtmdet_s.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    # Views have any size; MMDetection's pipelines pad all images to 640x640.
    data_preprocessor=dict(pad_size_divisor=32),
    train_cfg=dict(
        assigner=dict(
            _delete_=True,
            type='IgnoreAwareAssigner',
            assigner=_base_.model.train_cfg.assigner,
        )
    ),
)

train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type='YOLOXHSVRandomAug'),
    *_base_.train_pipeline[-2:],
]
# As many pixels as the 32 images of 640x640 that MMDetection has on a GPU.
train_dataloader = dict(batch_size=50, num_workers=10, dataset=dict(pipeline=train_pipeline))

# As many pixels as the 300 epochs of MMDetection, and its rate at the same share of them.
max_epochs = 105
base_lr = 0.004
train_cfg = dict(max_epochs=max_epochs, val_interval=10)

param_scheduler = [
    dict(type='LinearLR', start_factor=1.0e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type='CosineAnnealingLR',
        eta_min=base_lr * 0.05,
        begin=max_epochs - max_epochs // 2,
        end=max_epochs,
        T_max=max_epochs // 2,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=base_lr, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
)

# base_batch_size = (8 GPUs) x (50 chips per GPU)
auto_scale_lr = dict(base_batch_size=400)

default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))
# Levels are merged the way that the detector suppresses within an image.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=_base_.model.test_cfg.nms, max_per_image=300),
    dict(type='NumClassCheckHook'),
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.0002,
        update_buffers=True,
        priority=49,
    ),
]
