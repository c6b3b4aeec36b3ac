# DOTA-v1.0 on chips and on the pyramid, with upright boxes.
_base_ = './coco_sniper.py'

data_root = 'data/dota/'
metainfo = dict(
    classes=(
        *('plane', 'baseball-diamond', 'bridge', 'ground-track-field', 'small-vehicle'),
        *('large-vehicle', 'ship', 'tennis-court', 'basketball-court', 'storage-tank'),
        *('soccer-ball-field', 'roundabout', 'harbor', 'swimming-pool', 'helicopter'),
    )
)

# Reckoned: objects are seen as they are, and those of 240 px and more reduced.
train_dataloader = dict(
    dataset=dict(
        levels=[1.0, 0.5, 0.128],
        valid_ranges=[(-1, 240), (140, 480), (270, -1)],
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/train.json',
            data_prefix=dict(img='train/images/'),
            metainfo=metainfo,
        ),
    )
)
val_dataloader = dict(
    dataset=dict(
        levels=[1.0, 0.5, 0.128],
        valid_ranges=[(-1, 276), (121, 552), (234, -1)],
        # At the finest level images are too large to be seen at once.
        tile_size=2048,
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/val.json',
            data_prefix=dict(img='val/images/'),
            metainfo=metainfo,
        ),
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator

# Pictures of harbours and car parks have hundreds of objects.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', max_per_image=1000),
    dict(type='NumClassCheckHook'),
]
