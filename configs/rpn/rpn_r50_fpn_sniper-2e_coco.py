_base_ = [
    'mmdet::_base_/models/rpn_r50_fpn.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_2e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    backbone=dict(norm_eval=False),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                _delete_=True,
                type='IgnoreAwareAssigner',
                assigner=_base_.model.train_cfg.rpn.assigner,
            )
        )
    ),
    test_cfg=dict(rpn=dict(max_per_img=300)),
)

# Not 'proposal_fast', which fails with NumPy 1.24 and later in MMDetection 3.3.
val_evaluator = dict(metric='proposal')
test_evaluator = val_evaluator

# NumClassCheckHook is not for an RPN, which knows of one class only.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=dict(type='nms', iou_threshold=0.7), max_per_image=300),
]
