_base_ = [
    '../_base_/models/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# Half the rate of Faster R-CNN and other biases, as in MMDetection.
optim_wrapper = dict(
    optimizer=dict(lr=0.0075), paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0)
)

# Levels are merged the way that the detector suppresses within an image.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=_base_.model.test_cfg.nms),
    dict(type='NumClassCheckHook'),
]
