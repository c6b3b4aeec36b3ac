# ATSS on the backbone of YOLOX-s.
_base_ = 'atss_cspdarknet_nano.py'

model = dict(
    backbone=dict(widen_factor=0.5, use_depthwise=False),
    neck=dict(in_channels=[128, 256, 512], out_channels=128),
    bbox_head=dict(in_channels=128, feat_channels=128),
)
