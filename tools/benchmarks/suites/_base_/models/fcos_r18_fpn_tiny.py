# FCOS with a ResNet-18 of a quarter of its channels, trained from scratch: for two CPU cores.
_base_ = __import__('mmsniper').config_path('_base_/models/atss_r18_fpn_tiny.py')

model = dict(
    type='FCOS',
    bbox_head=dict(
        _delete_=True,
        type='IgnoreAwareHead',
        head='FCOSHead',
        num_classes=80,
        in_channels=32,
        stacked_convs=2,
        feat_channels=32,
        strides=[8, 16, 32, 64],
        # Sizes that suit the strides as those of the usual FCOS suit its five.
        regress_ranges=((-1, 32), (32, 64), (64, 128), (128, 100000000.0)),
        # As in MMDetection's FCOS. One batch normalisation for all levels of the head, which the
        # tiny ATSS stands, spoils the boxes here: its running statistics may suit none of them.
        norm_cfg=dict(type='GN', num_groups=8, requires_grad=True),
        norm_on_bbox=True,
        centerness_on_reg=True,
        center_sampling=True,
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=1.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
    train_cfg=None,
)
