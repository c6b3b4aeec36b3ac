# COCO, trained on whole images at a random level of the pyramid and tested on all levels.
_base_ = './coco_sniper.py'

train_pipeline = [
    dict(type='LoadIntactImage', backend_args=_base_.backend_args),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='ScaleNormalize',
        levels=_base_.train_dataloader.dataset.levels,
        valid_ranges=_base_.train_dataloader.dataset.valid_ranges,
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackChipInputs'),
]

train_dataloader = dict(
    # Images of different levels in a batch would be padded to the largest of them.
    batch_size=1,
    dataset=dict(
        _delete_=True,
        type=_base_.dataset_type,
        data_root=_base_.data_root,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
        backend_args=_base_.backend_args,
    ),
)

custom_hooks = [dict(type='ChipMergeHook'), dict(type='NumClassCheckHook')]
