"""A config small enough to be trained by the scripts themselves."""

import pytest
from coco_files import write_coco
from mmengine.config import Config

from mmsniper import config_path

SIZES = [(160, 200), (150, 150), (128, 180), (140, 140)]
BOXES = [[(10, 10, 30, 30), (80, 60, 70, 70)], [(20, 60, 25, 20)], [], [(5, 5, 120, 120)]]


@pytest.fixture
def tiny_faster_rcnn(tmp_path):
    """The config of BCCD on four drawn images, one of them empty, with a model of few channels."""
    data = write_coco(tmp_path, SIZES, BOXES)
    config = Config.fromfile(config_path('bccd/faster-rcnn_r18-tiny_fpn_sniper-8e_bccd.py'))
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
        loader.dataset.dataset.update({key: data[key] for key in data if key != 'type'})
        loader.dataset.update(levels=[1.0, 0.5], valid_ranges=[(-1, 60), (40, -1)])
    config.train_dataloader.batch_size = 2
    config.train_dataloader.dataset.update(chip_size=96, min_proposals=3)
    config.val_evaluator.ann_file = str(tmp_path / 'annotations.json')
    config.test_evaluator = config.val_evaluator
    config.model.roi_head.bbox_head.num_classes = 2
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.default_hooks.logger.interval = 1
    config.dump(tmp_path / 'tiny.py')
    return tmp_path / 'tiny.py'
