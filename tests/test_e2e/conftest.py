"""A tiny detector on a few drawn images, built from the configs that people use."""

import chip_recorder  # noqa: F401, which registers the hook of the config
import numpy as np
import pytest
from coco_files import write_coco
from mmengine.config import Config

from mmsniper import config_path

LEVELS = [1.0, 0.5]
RANGES = [(-1, 40), (30, -1)]


@pytest.fixture
def tiny_config(tmp_path):
    """The demo's config on seven images of 96 to 200 px, with a model of a few channels."""
    rng = np.random.default_rng(0)
    sizes = [(150, 200), (128, 96), (100, 100), (96, 160), (200, 150), (120, 110), (140, 130)]
    boxes = []
    for height, width in sizes:
        corners = (rng.random((6, 2)) * [width - 20, height - 20]).astype(int).tolist()
        sides = rng.integers(8, 90, (6, 2)).tolist()
        boxes.append(
            [
                (x, y, min(w, width - x), min(h, height - y))
                for (x, y), (w, h) in zip(corners, sides)
            ]
        )
    data = write_coco(tmp_path, sizes, boxes)
    data = {key: data[key] for key in ('data_root', 'ann_file', 'data_prefix', 'metainfo')}

    config = Config.fromfile(config_path('demo/atss_r18-tiny_fpn_sniper-8e_shapes.py'))
    config.work_dir = str(tmp_path / 'work')
    config.model.backbone.base_channels = 4
    config.model.neck.update(in_channels=[4, 8, 16, 32], out_channels=8, num_outs=3)
    config.model.bbox_head.update(in_channels=8, feat_channels=8, num_classes=2)
    config.model.bbox_head.anchor_generator.strides = [8, 16, 32]
    config.model.test_cfg.update(score_thr=0.0, max_per_img=30)
    config.train_cfg.update(max_epochs=3, val_interval=10)
    config.param_scheduler = None
    config.default_hooks.logger.interval = 1
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.dataset.update(data)
        loader.dataset.update(levels=LEVELS, valid_ranges=RANGES)
    config.train_dataloader.update(batch_size=2, num_workers=1, persistent_workers=True)
    config.train_dataloader.dataset.update(chip_size=64, stride=16)
    config.train_dataloader.dataset.pipeline[-1].meta_keys = (
        *('img_id', 'img_shape', 'scale_factor'),
        *('chip', 'chip_level'),
    )
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(tmp_path / 'annotations.json')
    config.custom_hooks.append(dict(type='Recorder'))
    config.custom_imports.imports.append('chip_recorder')
    config.randomness = dict(seed=0)
    return config
