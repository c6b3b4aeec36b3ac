# COCO with masks, on chips and on the pyramid like coco_sniper.py.
_base_ = './coco_sniper.py'

# Polygons stay polygons where a cut leaves their pixels as they are, which is light to pass on.
train_pipeline = [
    dict(type='LoadChipAnnotations', with_bbox=True, with_mask=True, poly2mask=False)
    if step['type'] == 'LoadAnnotations'
    else step
    for step in _base_.train_pipeline
]

# The test pipeline stays without masks: the metric reads those of the annotation file.
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
