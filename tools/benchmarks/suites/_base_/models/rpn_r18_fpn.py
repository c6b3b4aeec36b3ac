# RPN with a ResNet-18 from scratch.
_base_ = __import__('mmsniper').config_path('_base_/models/rpn_r18_fpn_tiny.py')

model = dict(
    backbone=dict(base_channels=64),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=256),
    rpn_head=dict(in_channels=256, feat_channels=256),
)
