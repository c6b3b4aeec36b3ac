"""A tiny detector, and images with one square each for it to learn from."""

import json
from pathlib import Path

import cv2
import numpy as np

CONFIG = """
default_scope = 'mmdet'
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(
        type='ResNet', depth=18, base_channels=4, num_stages=4, out_indices=(1, 2, 3),
        norm_eval=False, style='pytorch'),
    neck=dict(type='FPN', in_channels=[8, 16, 32], out_channels=8, num_outs=3),
    bbox_head=dict(
        type='RetinaHead', num_classes=1, in_channels=8, stacked_convs=1, feat_channels=8,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1, ratios=[1.0],
            strides=[8, 16, 32]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss')),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
        sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(
        nms_pre=50, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=10))
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs'),
]
dataset = dict(
    type='CocoDataset', data_root='.', ann_file='boxes.json', data_prefix=dict(img=''),
    metainfo=dict(classes=('square',)), pipeline=pipeline)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dataset)
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(test_mode=True, **dataset))
test_evaluator = dict(type='CocoMetric', ann_file='boxes.json', metric='bbox')
test_cfg = dict(type='TestLoop')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
optim_wrapper = dict(
    type='AmpOptimWrapper', loss_scale='dynamic',
    optimizer=dict(type='SGD', lr=0.001), clip_grad=dict(max_norm=10))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
"""


def draw_squares(folder: Path) -> None:
    """Write the config, ``tiny.py``, beside four drawn images of 64 x 64 px with one square each.

    Args:
        folder: Where to, an existing folder.
    """
    random = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(4):
        x, y, side = (int(v) for v in random.integers([4, 4, 20], [24, 24, 36]))
        image = np.full((64, 64, 3), 40, np.uint8)
        image[y : y + side, x : x + side] = 220
        cv2.imwrite(str(folder / f'{i}.png'), image)
        images.append({'id': i, 'file_name': f'{i}.png', 'height': 64, 'width': 64})
        box = {'id': i, 'image_id': i, 'category_id': 1, 'iscrowd': 0}
        annotations.append({**box, 'bbox': [x, y, side, side], 'area': side * side})
    boxes = {'images': images, 'annotations': annotations}
    boxes['categories'] = [{'id': 1, 'name': 'square'}]
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    (folder / 'tiny.py').write_text(CONFIG)
