# ATSS on the backbone of YOLOX-nano, whose weights it can begin with.
_base_ = __import__('mmsniper').config_path('_base_/models/atss_r18_fpn_tiny.py')

model = dict(
    # As YOLOX is trained: pixels as they are.
    data_preprocessor=dict(mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(
        _delete_=True,
        type='CSPDarknet',
        deepen_factor=0.33,
        widen_factor=0.25,
        use_depthwise=True,
        out_indices=(2, 3, 4),
        norm_cfg=dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg=dict(type='Swish'),
    ),
    neck=dict(in_channels=[64, 128, 256], out_channels=64, start_level=0),
    bbox_head=dict(
        in_channels=64, feat_channels=64, norm_cfg=dict(_delete_=True, type='GN', num_groups=8)
    ),
)
