# Faster R-CNN that leaves objects and proposals outside the valid range out of its losses.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                _delete_=True,
                type='IgnoreAwareAssigner',
                assigner=_base_.model.train_cfg.rpn.assigner,
            )
        ),
        rcnn=dict(
            assigner=dict(
                _delete_=True,
                type='ValidRangeAssigner',
                assigner=_base_.model.train_cfg.rcnn.assigner,
            )
        ),
    )
)
