_base_ = [
    '../_base_/models/faster-rcnn_r50_fpn_sniper.py',
    '../_base_/datasets/xview_sniper.py',
    '../_base_/schedules/sniper_12e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    # Batches of 16 chips are large enough to train batch normalisation.
    backbone=dict(norm_eval=False),
    roi_head=dict(bbox_head=dict(num_classes=60)),
    # Of each view; proposals, of which there are as many as possible objects, likewise.
    test_cfg=dict(rpn=dict(nms_pre=2000, max_per_img=2000), rcnn=dict(max_per_img=1000)),
)
