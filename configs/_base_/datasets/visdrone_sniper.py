# VisDrone-DET on chips and on the pyramid.
_base_ = './coco_sniper.py'

data_root = 'data/visdrone/'
metainfo = dict(
    classes=(
        *('pedestrian', 'people', 'bicycle', 'car', 'van', 'truck', 'tricycle'),
        *('awning-tricycle', 'bus', 'motor'),
    )
)

# Reckoned: half of the objects are smaller than 27 px, so they are seen at twice their size.
train_dataloader = dict(
    dataset=dict(
        levels=[(2160, 2800), (1180, 1530), (640, 830)],
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
        levels=[(2160, 2800), (1180, 1530), (640, 830)],
        valid_ranges=[(-1, 138), (60, 253), (113, -1)],
        # At the finest level images are too large to be seen at once.
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

# As many as the benchmark allows.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', max_per_image=500),
    dict(type='NumClassCheckHook'),
]
