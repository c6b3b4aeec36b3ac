_base_ = '../rtmdet/rtmdet_s_sniper-105e_coco.py'

# The same data, levels and ranges as in ../_base_/datasets/visdrone_sniper.py.
data_root = 'data/visdrone/'
metainfo = dict(
    classes=(
        *('pedestrian', 'people', 'bicycle', 'car', 'van', 'truck', 'tricycle'),
        *('awning-tricycle', 'bus', 'motor'),
    )
)
levels = [(2160, 2800), (1180, 1530), (640, 830)]

model = dict(bbox_head=dict(num_classes=10), test_cfg=dict(max_per_img=500))

train_dataloader = dict(
    dataset=dict(
        levels=levels,
        valid_ranges=[(-1, 120), (69, 220), (130, -1)],
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/train.json',
            data_prefix=dict(img='VisDrone2019-DET-train/images/'),
            metainfo=metainfo,
        ),
    )
)
val_dataloader = dict(
    dataset=dict(
        levels=levels,
        valid_ranges=[(-1, 138), (60, 253), (113, -1)],
        tile_size=2048,
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/val.json',
            data_prefix=dict(img='VisDrone2019-DET-val/images/'),
            metainfo=metainfo,
        ),
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator

max_epochs = 60
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type='CosineAnnealingLR',
        eta_min=_base_.base_lr * 0.05,
        begin=max_epochs // 2,
        end=max_epochs,
        T_max=max_epochs // 2,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

# As many detections of an image as the benchmark allows.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=_base_.model.test_cfg.nms, max_per_image=500),
    *_base_.custom_hooks[2:],
]
