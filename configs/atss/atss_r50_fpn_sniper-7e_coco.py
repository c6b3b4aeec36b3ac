_base_ = [
    '../_base_/models/atss_r50_fpn.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    # Batches of 16 chips are large enough to train batch normalisation.
    backbone=dict(norm_eval=False),
    train_cfg=dict(
        assigner=dict(
            _delete_=True,
            type='IgnoreAwareAssigner',
            assigner=_base_.model.train_cfg.assigner,
        )
    ),
)

# Half the rate of Faster R-CNN, as in MMDetection.
optim_wrapper = dict(optimizer=dict(lr=0.0075))

# Levels are merged the way that the detector suppresses within an image.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', nms=_base_.model.test_cfg.nms),
    dict(type='NumClassCheckHook'),
]
