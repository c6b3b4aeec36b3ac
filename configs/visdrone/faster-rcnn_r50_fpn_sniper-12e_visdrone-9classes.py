# The classes that PaddleDetection's SNIPER was measured on: pedestrians and people are one.
_base_ = './faster-rcnn_r50_fpn_sniper-12e_visdrone.py'

metainfo = dict(
    classes=(
        *('person', 'bicycle', 'car', 'van', 'truck', 'tricycle', 'awning-tricycle', 'bus'),
        'motor',
    )
)

model = dict(roi_head=dict(bbox_head=dict(num_classes=9)))
train_dataloader = dict(
    dataset=dict(dataset=dict(ann_file='annotations/train_9classes.json', metainfo=metainfo))
)
val_dataloader = dict(
    dataset=dict(dataset=dict(ann_file='annotations/val_9classes.json', metainfo=metainfo))
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=_base_.data_root + 'annotations/val_9classes.json')
test_evaluator = val_evaluator
