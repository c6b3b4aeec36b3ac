_base_ = [
    '../_base_/models/condinst_r50_fpn.py',
    '../_base_/datasets/coco_instance_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# Batches of 16 chips are large enough to train batch normalisation.
model = dict(backbone=dict(norm_eval=False))

# The points of this head have no assigner that could leave them out: what is not to be learnt is
# erased from the image.
train_pipeline = [
    dict(step, mode='erase') if step['type'] == 'ScaleNormalize' else step
    for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# Half the rate of Mask R-CNN, as in MMDetection.
optim_wrapper = dict(optimizer=dict(lr=0.0075))

# A batch without any positive point gives the mask branch no gradient.
find_unused_parameters = True
