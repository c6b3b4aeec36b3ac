# COCO, trained on 512x512 chips and tested on the pyramid, with the paper's levels and ranges.
custom_imports = dict(imports=['mmsniper'], allow_failed_imports=False)

dataset_type = 'CocoDataset'
data_root = 'data/coco/'
backend_args = None

train_pipeline = [
    dict(type='LoadChip', backend_args=backend_args),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='ChipSample'),
    dict(type='ScaleNormalize'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackChipInputs'),
]
test_pipeline = [
    dict(type='LoadChip', backend_args=backend_args),
    dict(type='ChipSample'),
    dict(type='ScaleNormalize'),
    # If you don't have a gt annotation, delete this transform.
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackChipInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ChipDataset',
        levels=[(1400, 2000), (800, 1280), (-1, 512)],
        valid_ranges=[(-1, 80), (32, 150), (120, -1)],
        chip_size=512,
        stride=32,
        dataset=dict(
            type=dataset_type,
            data_root=data_root,
            ann_file='annotations/instances_train2017.json',
            data_prefix=dict(img='train2017/'),
            # ChipDataset leaves out images without chips and counts them; with proposals, images
            # without objects give negative chips.
            filter_cfg=dict(filter_empty_gt=False, min_size=32),
            backend_args=backend_args,
        ),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='ViewSampler', shuffle=False),
    dataset=dict(
        type='ChipDataset',
        test_mode=True,
        levels=[(1400, 2000), (800, 1280), (480, 512)],
        valid_ranges=[(-1, 90), (32, 180), (75, -1)],
        dataset=dict(
            type=dataset_type,
            data_root=data_root,
            ann_file='annotations/instances_val2017.json',
            data_prefix=dict(img='val2017/'),
            test_mode=True,
            backend_args=backend_args,
        ),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type='CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
    metric='bbox',
    format_only=False,
    backend_args=backend_args,
)
test_evaluator = val_evaluator

custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook'),
    dict(type='NumClassCheckHook'),
]
