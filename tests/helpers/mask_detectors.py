"""Configs of mask detectors of a few channels, on a few drawn images with polygons."""

import json

import cv2
import numpy as np
from coco_files import scattered_boxes, write_coco
from mmengine.config import Config

from mmsniper import config_path

CHANNELS = 8
FEW = dict(in_channels=CHANNELS, feat_channels=CHANNELS)
BACKBONE = dict(
    depth=18, base_channels=4, frozen_stages=-1, norm_eval=False, init_cfg=None, style='pytorch'
)
NECK = dict(in_channels=[4, 8, 16, 32], out_channels=CHANNELS)
MODELS = {
    'mask-rcnn': dict(
        backbone=BACKBONE,
        neck=NECK,
        rpn_head=FEW,
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=CHANNELS),
            bbox_head=dict(in_channels=CHANNELS, fc_out_channels=16, num_classes=2),
            mask_roi_extractor=dict(out_channels=CHANNELS),
            mask_head=dict(
                in_channels=CHANNELS, conv_out_channels=CHANNELS, num_convs=1, num_classes=2
            ),
        ),
        train_cfg=dict(rpn_proposal=dict(max_per_img=100)),
        test_cfg=dict(
            rpn=dict(nms_pre=100, max_per_img=50), rcnn=dict(score_thr=0.0, max_per_img=20)
        ),
    ),
    'condinst': dict(
        backbone=BACKBONE,
        neck=NECK,
        bbox_head=dict(FEW, stacked_convs=1, num_classes=2, norm_cfg=dict(type='GN', num_groups=4)),
        mask_head=dict(mask_feature_head=FEW),
        test_cfg=dict(score_thr=0.0, max_per_img=20),
    ),
}


def polygon(x, y, w, h, number):
    """Corners in a box: of a triangle, or of the letter U, which cuts may take apart."""
    if number % 3 == 0:
        return [x, y, x + w, y + h / 2, x, y + h]
    a, b = w / 4, h / 4
    return [
        *(x, y, x + a, y, x + a, y + h - b, x + w - a, y + h - b),
        *(x + w - a, y, x + w, y, x + w, y + h, x, y + h),
    ]


def write_polygons(folder, sizes, boxes):
    """Like ``write_coco``, with a polygon in each box, and the last object of all a crowd."""
    data = write_coco(folder, sizes, boxes, draw=False)
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    rng = np.random.default_rng(0)
    images = {
        image['id']: rng.integers(0, 60, (image['height'], image['width'], 3), np.uint8)
        for image in content['images']
    }
    for number, entry in enumerate(content['annotations']):
        corners = polygon(*entry['bbox'], number)
        entry['segmentation'] = [corners]
        points = np.array(corners).reshape(-1, 2).astype(np.int32)
        cv2.fillPoly(images[entry['image_id']], [points], (200, 100 * entry['category_id'], 90))
    image = content['images'][-1]
    size = [image['height'], image['width']]
    entry.update(iscrowd=1, segmentation=dict(size=size, counts=[5, 90, size[0] * size[1] - 95]))
    path.write_text(json.dumps(content))
    for image in content['images']:
        cv2.imwrite(str(folder / image['file_name']), images[image['id']])
    return {key: data[key] for key in ('data_root', 'ann_file', 'data_prefix', 'metainfo')}


def mask_detector(name, folder, num_images=5):
    """The config ``sniper/NAME_r50_fpn_sniper-7e_coco.py``, made small, on drawn images.

    Args:
        name: 'mask-rcnn' or 'condinst'.
        folder: Where to write the images and the annotations, and the folder ``work``.
        num_images: How many images, of 96 to 200 pixels.
    """
    sizes, boxes = scattered_boxes(num_images, objects=7, smallest=12)
    data = write_polygons(folder, sizes, boxes)
    config = Config.fromfile(config_path(f'sniper/{name}_r50_fpn_sniper-7e_coco.py'))
    config.merge_from_dict(dict(model=MODELS[name]))
    config.work_dir = str(folder / 'work')
    config.optim_wrapper = dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=0.003),
        clip_grad=dict(max_norm=10),
    )
    config.param_scheduler = None
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.default_hooks.logger.interval = 1
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.dataset.update(data)
        loader.dataset.update(levels=[1.0, 0.5], valid_ranges=[(-1, 50), (30, -1)])
        loader.update(num_workers=0, persistent_workers=False)
    config.train_dataloader.update(batch_size=2)
    config.train_dataloader.dataset.update(chip_size=64, stride=16)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(folder / 'annotations.json')
    # A loss that is not finite ends the training.
    config.custom_hooks.append(dict(type='CheckInvalidLossHook', interval=1))
    config.randomness = dict(seed=0)
    return config
