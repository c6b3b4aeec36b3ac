# COCO, trained on whole images resized at random to a level of the pyramid, tested on all levels.
_base_ = './coco_snip.py'

train_pipeline = [
    dict(type='LoadIntactImage', backend_args=_base_.backend_args),
    dict(type='LoadAnnotations', with_bbox=True),
    # The levels (1400, 2000), (800, 1280) and (-1, 512) in MMCV's way of writing them.
    dict(
        type='RandomChoiceResize',
        scales=[(2000, 1400), (1280, 800), (512, 512)],
        keep_ratio=True,
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# Trained on objects of every size at every level, so none of its detections is left out.
val_dataloader = dict(dataset=dict(valid_ranges=[(-1, -1), (-1, -1), (-1, -1)]))
test_dataloader = val_dataloader
