_base_ = [
    'mmdet::_base_/models/retinanet_r50_fpn.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
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
