_base_ = [
    '../_base_/models/faster-rcnn_r50_fpn_sniper.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# Batches of 16 chips are large enough to train batch normalisation.
model = dict(backbone=dict(norm_eval=False))
