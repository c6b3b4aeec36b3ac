_base_ = [
    '../_base_/models/faster-rcnn_r50_fpn_sniper.py',
    '../_base_/datasets/visdrone_sniper.py',
    '../_base_/schedules/sniper_12e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    # Batches of 16 chips are large enough to train batch normalisation.
    backbone=dict(norm_eval=False),
    roi_head=dict(bbox_head=dict(num_classes=10)),
    # What is in a region full of unmarked objects is no background.
    train_cfg=dict(rcnn=dict(assigner=dict(ignore_iof_thr=0.5))),
    # Of each view; the hook keeps as many of an image.
    test_cfg=dict(rcnn=dict(max_per_img=500)),
)
