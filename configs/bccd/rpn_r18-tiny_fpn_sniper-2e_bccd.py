_base_ = [
    '../_base_/models/rpn_r18_fpn_tiny.py',
    '../_base_/datasets/bccd_sniper.py',
    '../_base_/schedules/sniper_tiny.py',
    'mmdet::_base_/default_runtime.py',
]

train_cfg = dict(max_epochs=2, val_interval=2)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
]

# Not 'proposal_fast', which fails with NumPy 1.24 and later in MMDetection 3.3.
val_evaluator = dict(metric='proposal')
test_evaluator = val_evaluator

# NumClassCheckHook is not for an RPN, which knows of one class only.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=dict(type='nms', iou_threshold=0.7), max_per_image=300),
]

randomness = dict(seed=0)
