_base_ = [
    '../_base_/models/yolox_s.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# Chips have the scale of their level: no resizing of batches to random sizes. Padding is grey, as
# that of MMDetection's pipelines.
model = dict(data_preprocessor=dict(pad_value=114, batch_augments=None))

train_pipeline = _base_.train_pipeline
train_pipeline[-2:-2] = [dict(type='YOLOXHSVRandomAug')]
# As many pixels as the 8 images that MMDetection has on a GPU.
train_dataloader = dict(batch_size=13, dataset=dict(pipeline=train_pipeline))

# As many pixels as the 300 epochs of MMDetection, and its rate at the same share of them.
max_epochs = 105
num_warmup_epochs = 2
num_last_epochs = 5
base_lr = 0.01
train_cfg = dict(max_epochs=max_epochs, val_interval=10)

param_scheduler = [
    dict(
        type='mmdet.QuadraticWarmupLR',
        by_epoch=True,
        begin=0,
        end=num_warmup_epochs,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=base_lr * 0.05,
        begin=num_warmup_epochs,
        T_max=max_epochs - num_last_epochs,
        end=max_epochs - num_last_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='ConstantLR',
        by_epoch=True,
        factor=1,
        begin=max_epochs - num_last_epochs,
        end=max_epochs,
    ),
]

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=base_lr, momentum=0.9, weight_decay=5e-4, nesterov=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)

# base_batch_size = (8 GPUs) x (13 chips per GPU)
auto_scale_lr = dict(base_batch_size=104)

default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))
# Levels are merged the way that the detector suppresses within an image.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=_base_.model.test_cfg.nms),
    dict(type='NumClassCheckHook'),
    dict(type='SyncNormHook', priority=48),
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.0001,
        update_buffers=True,
        priority=49,
    ),
]
