# FCOS with a ResNet-18 from scratch.
_base_ = './fcos_r18_fpn_tiny.py'

model = dict(
    backbone=dict(base_channels=64),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=256),
    bbox_head=dict(
        in_channels=256, stacked_convs=4, feat_channels=256, norm_cfg=dict(num_groups=32)
    ),
)
