_base_ = [
    '../_base_/models/atss_r18_fpn_tiny.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_tiny.py',
    'mmdet::_base_/default_runtime.py',
]

data_root = 'work_dirs/demo/data/'
metainfo = dict(classes=('disc', 'ring', 'triangle', 'square', 'cross'))
levels = [1.4, 0.6, 0.25]

model = dict(bbox_head=dict(num_classes=5))

optim_wrapper = dict(optimizer=dict(lr=0.004))

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        levels=levels,
        valid_ranges=[(-1, 56), (40, 150), (110, -1)],
        chip_size=160,
        stride=16,
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/train.json',
            data_prefix=dict(img='train/'),
            metainfo=metainfo,
        ),
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        levels=levels,
        valid_ranges=[(-1, 64), (34, 170), (95, -1)],
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/val.json',
            data_prefix=dict(img='val/'),
            metainfo=metainfo,
        ),
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator

randomness = dict(seed=0)
