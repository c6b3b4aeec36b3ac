_base_ = './faster-rcnn_r50_fpn_autofocus-7e_coco.py'

# Of any detector that is trained, on chips or on whole images, the head alone.
load_from = 'work_dirs/faster-rcnn_r50_fpn_sniper-7e_coco/epoch_7.pth'
model = dict(freeze_detector=True, backbone=dict(init_cfg=None))

# A quarter of an epoch of COCO's chips in batches of 128.
max_iters = 1000
train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters
)
train_dataloader = dict(sampler=dict(type='InfiniteChipSampler'))

param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 30, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, eta_min=0),
]

default_hooks = dict(checkpoint=dict(by_epoch=False, interval=max_iters))
log_processor = dict(by_epoch=False)
