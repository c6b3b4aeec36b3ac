# Faster R-CNN with a ResNet-18.
_base_ = __import__('mmsniper').config_path('_base_/models/faster-rcnn_r18_fpn_tiny.py')

model = dict(
    backbone=dict(base_channels=64),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=256),
    rpn_head=dict(in_channels=256, feat_channels=256),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=256),
        bbox_head=dict(in_channels=256, fc_out_channels=1024),
    ),
)
