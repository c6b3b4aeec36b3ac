# CenterNet with a ResNet-18 of a quarter of its channels: for two CPU cores.
_base_ = './centernet_r18.py'

model = dict(
    backbone=dict(base_channels=16),
    neck=dict(in_channels=128, num_deconv_filters=(64, 32, 32)),
    bbox_head=dict(in_channels=32, feat_channels=32),
)
