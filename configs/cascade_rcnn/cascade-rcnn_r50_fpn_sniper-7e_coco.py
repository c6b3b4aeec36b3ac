_base_ = [
    'mmdet::_base_/models/cascade-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_sniper.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    # So that an anchor of the RPN, which learns none over the border, lies inside of every chip.
    data_preprocessor=dict(type='ChipDataPreprocessor', least_size=33),
    # Batches of 16 chips are large enough to train batch normalisation.
    backbone=dict(norm_eval=False),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                _delete_=True,
                type='IgnoreAwareAssigner',
                assigner=_base_.model.train_cfg.rpn.assigner,
            )
        ),
        rcnn=[
            dict(stage, assigner=dict(type='ValidRangeAssigner', assigner=stage.assigner))
            for stage in _base_.model.train_cfg.rcnn
        ],
    ),
)
