_base_ = [
    '../_base_/models/condinst_r50_fpn.py',
    '../_base_/datasets/coco_instance_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# Batches of 16 chips are large enough to train batch normalisation.
model = dict(backbone=dict(norm_eval=False))

# Half the rate of Mask R-CNN, as in MMDetection.
optim_wrapper = dict(optimizer=dict(lr=0.0075))

# A batch without any positive point gives the mask branch no gradient.
find_unused_parameters = True
