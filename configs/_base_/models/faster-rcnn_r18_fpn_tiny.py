# Faster R-CNN with a ResNet-18 of a quarter of its channels, from scratch: for two CPU cores.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

norm_cfg = dict(type='BN', requires_grad=True)

model = dict(
    backbone=dict(
        depth=18,
        base_channels=16,
        frozen_stages=-1,
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32, norm_cfg=norm_cfg),
    rpn_head=dict(
        in_channels=32, feat_channels=32, anchor_generator=dict(scales=[4], ratios=[0.5, 1.0, 2.0])
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=32),
        bbox_head=dict(in_channels=32, fc_out_channels=128),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                _delete_=True,
                type='IgnoreAwareAssigner',
                assigner=_base_.model.train_cfg.rpn.assigner,
            ),
            sampler=dict(num=128),
        ),
        rpn_proposal=dict(nms_pre=300, max_per_img=100),
        rcnn=dict(
            assigner=dict(
                _delete_=True,
                type='ValidRangeAssigner',
                assigner=_base_.model.train_cfg.rcnn.assigner,
            ),
            sampler=dict(num=64),
        ),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=200)),
)
