_base_ = [
    '../_base_/models/faster-rcnn_r18_fpn_tiny.py',
    '../_base_/datasets/bccd_sniper.py',
    '../_base_/schedules/sniper_tiny.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=3)))

# The proposal stage of tools/train_sniper.py.
rpn_config = 'mmsniper::bccd/rpn_r18-tiny_fpn_sniper-2e_bccd.py'

randomness = dict(seed=0)
