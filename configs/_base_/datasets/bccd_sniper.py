# BCCD, trained on 160x160 chips and tested on the pyramid.
_base_ = './coco_sniper.py'

data_root = 'data/bccd/'
metainfo = dict(classes=('RBC', 'WBC', 'Platelets'))

# Cells of 30 to 260 px in images of 640x480: platelets at full resolution, the rest further away.
train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        levels=[1.0, 0.5, 0.25],
        valid_ranges=[(-1, 64), (48, 144), (120, -1)],
        chip_size=160,
        stride=16,
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/train.json',
            data_prefix=dict(img='images/'),
            metainfo=metainfo,
        ),
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        levels=[1.0, 0.5, 0.25],
        valid_ranges=[(-1, 72), (40, 160), (100, -1)],
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/val.json',
            data_prefix=dict(img='images/'),
            metainfo=metainfo,
        ),
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator
