# RPN with a ResNet-18 of a quarter of its channels, from scratch: for two CPU cores.
_base_ = 'mmdet::_base_/models/rpn_r50_fpn.py'

model = dict(
    backbone=dict(
        depth=18,
        base_channels=16,
        frozen_stages=-1,
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(
        in_channels=[16, 32, 64, 128],
        out_channels=32,
        norm_cfg=dict(type='BN', requires_grad=True),
    ),
    rpn_head=dict(
        in_channels=32, feat_channels=32, anchor_generator=dict(scales=[4], ratios=[0.5, 1.0, 2.0])
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                _delete_=True,
                type='IgnoreAwareAssigner',
                assigner=_base_.model.train_cfg.rpn.assigner,
            ),
            sampler=dict(num=128),
        )
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=300)),
)
