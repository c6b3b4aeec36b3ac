_base_ = [
    '../_base_/models/faster-rcnn_r50_fpn_sniper.py',
    '../_base_/datasets/dota_sniper.py',
    '../_base_/schedules/sniper_24e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    # Batches of 16 chips are large enough to train batch normalisation.
    backbone=dict(norm_eval=False),
    roi_head=dict(bbox_head=dict(num_classes=15)),
    # Of each view.
    test_cfg=dict(rcnn=dict(max_per_img=500)),
)
