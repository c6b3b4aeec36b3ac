_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    'mmdet::_base_/datasets/coco_detection.py',
    '../_base_/schedules/sniper_7e.py',
    'mmdet::_base_/default_runtime.py',
]

# Two images per GPU are too few to train batch normalisation without the other GPUs.
model = dict(backbone=dict(norm_cfg=dict(type='SyncBN', requires_grad=True), norm_eval=False))

# As many pixels in 9 epochs as SNIPER has in 7; the rate falls at the same share of them.
max_epochs = 9
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 30, by_epoch=False, begin=0, end=1000),
    dict(
        type='ConstantLR',
        factor=0.1,
        by_epoch=True,
        begin=5.33 / 7 * max_epochs,
        end=max_epochs + 1,
        convert_to_iter_based=True,
    ),
]

# MMDetection's rate for this detector: 8 GPUs with two images each.
optim_wrapper = dict(optimizer=dict(lr=0.02))
auto_scale_lr = dict(base_batch_size=16)
