# CenterNet with a ResNet-18 from scratch, without deformable convolutions.
_base_ = 'mmdet::centernet/centernet_r18_8xb16-crop512-140e_coco.py'

model = dict(
    data_preprocessor=dict(pad_size_divisor=32),
    backbone=dict(norm_cfg=dict(type='BN', requires_grad=True), init_cfg=None),
    bbox_head=dict(type='IgnoreAwareHead', head='CenterNetHead'),
)
