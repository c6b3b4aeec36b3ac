"""SNIP and its rivals, made small: what they train on, and that they train and test."""

import math

import numpy as np
import pytest
from coco_files import write_coco
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import Runner

from mmsniper import config_path
from mmsniper.models import ValidRangeAssigner

SNIP = 'snip/faster-rcnn_r50_fpn_snip_coco.py'
MULTI_SCALE = 'multiscale/faster-rcnn_r50_fpn_multiscale-7e_coco.py'
SINGLE_SCALE = 'multiscale/faster-rcnn_r50_fpn_singlescale-9e_coco.py'
TWO_LEVELS = 'sniper/faster-rcnn_r50_fpn_sniper-2level-7e_coco.py'

LEVELS, RANGES = [1.0, 0.5], [(-1, 40), (30, -1)]
SIZES = [(150, 200), (128, 96), (100, 160)]
# Sizes of 10 to 80 px: below, in and above what both levels are for.
BOXES = [
    [(10, 10, 10, 10), (60, 20, 80, 80), (100, 100, 35, 35)],
    [(5, 40, 30, 30), (30, 30, 40, 40), (60, 80, 12, 20)],
    [(20, 20, 70, 60), (100, 10, 25, 30)],
]


@pytest.fixture
def small_config(tmp_path):
    """Makes one of the configs small enough for three drawn images and a CPU."""

    def build(name):
        config = Config.fromfile(config_path(name))
        make_model_small(config.model)
        data = write_coco(tmp_path, SIZES, BOXES)
        data.pop('type')
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            loader = config[loader]
            loader.update(num_workers=0, persistent_workers=False)
            dataset = loader.dataset
            if dataset.type == 'ChipDataset':
                ranges = [(-1, -1)] * 2 if name == MULTI_SCALE else RANGES
                dataset.update(levels=LEVELS, valid_ranges=ranges, chip_size=64, stride=16)
                dataset = dataset.dataset
            dataset.update(data)
            make_images_small(loader.dataset.pipeline)
        config.val_evaluator.ann_file = config.test_evaluator.ann_file = str(
            tmp_path / 'annotations.json'
        )
        config.optim_wrapper.type = 'OptimWrapper'  # mixed precision needs a GPU
        config.param_scheduler = None
        config.train_cfg.max_epochs = 1
        config.work_dir = str(tmp_path / 'work')
        return config

    return build


def make_model_small(model):
    model.backbone.update(depth=18, base_channels=4, frozen_stages=-1, init_cfg=None)
    model.neck.update(in_channels=[4, 8, 16, 32], out_channels=8)
    model.rpn_head.update(in_channels=8, feat_channels=8)
    model.rpn_head.anchor_generator.scales = [4]
    model.roi_head.bbox_roi_extractor.out_channels = 8
    model.roi_head.bbox_head.update(in_channels=8, fc_out_channels=16, num_classes=2)
    model.test_cfg.rcnn.score_thr = 0.0


def make_images_small(pipeline):
    for step in pipeline:
        if step.type == 'ScaleNormalize' and 'levels' in step:
            step.update(levels=LEVELS, valid_ranges=RANGES)
        elif step.type == 'RandomChoiceResize':
            step.scales = [(200, 200), (100, 100)]
        elif step.type == 'Resize':
            step.scale = (160, 120)


@pytest.mark.parametrize('name', [SNIP, MULTI_SCALE, SINGLE_SCALE, TWO_LEVELS])
def test_training_and_testing(small_config, name):
    config = small_config(name)
    runner = Runner.from_cfg(config)
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.train()
    after = runner.model.state_dict()
    changed = {key.split('.')[0] for key in before if not before[key].equal(after[key])}
    assert changed == {'backbone', 'neck', 'rpn_head', 'roi_head'}
    assert math.isfinite(runner.message_hub.get_scalar('train/loss').current())
    assert 'running_var' in ' '.join(key for key in before if not before[key].equal(after[key]))
    assert runner.message_hub.get_scalar('val/coco/bbox_mAP').current() >= 0, 'not -1: it was run'


def test_snip_learns_each_object_at_the_levels_of_its_size(small_config):
    dataset = DATASETS.build(small_config(SNIP).train_dataloader.dataset)
    seen = {}
    for turn in range(24):
        np.random.seed(turn)
        for index, boxes in enumerate(BOXES):
            sample = dataset[index]['data_samples']
            level = sample.chip_level
            scale, (low, high) = LEVELS[level], RANGES[level]
            assert sample.img_shape == tuple(int(side * scale + 0.5) for side in SIZES[index])
            expected = {
                instances: sorted(
                    (w * scale, h * scale)
                    for _, _, w, h in boxes
                    if (low <= math.sqrt(w * h) and (high == -1 or math.sqrt(w * h) < high))
                    == valid
                )
                for instances, valid in (('gt_instances', True), ('ignored_instances', False))
            }
            for key, sizes in expected.items():
                found = sample.get(key).bboxes
                found = sorted(zip(found.widths.tolist(), found.heights.tolist()))
                assert np.array(found) == pytest.approx(np.array(sizes), abs=1e-3)
            assert sample.gt_instances.input_valid_range == pytest.approx(
                tuple(bound * scale if bound >= 0 else -1 for bound in (low, high)), rel=0.01
            )
            seen.setdefault(index, set()).add((level, sample.flip))
    assert all(len(kinds) == 4 for kinds in seen.values()), 'both levels, flipped and not'


def test_snip_tells_the_second_stage_the_range(small_config, monkeypatch):
    ranges, assign = [], ValidRangeAssigner.assign

    def spy(self, proposals, valid, *args, **kwargs):
        ranges.append(valid.input_valid_range)
        return assign(self, proposals, valid, *args, **kwargs)

    monkeypatch.setattr(ValidRangeAssigner, 'assign', spy)
    config = small_config(SNIP)
    config.train_cfg.val_interval = 10
    runner = Runner.from_cfg(config)
    runner.train()
    assert len(ranges) == len(SIZES)
    for low, high in ranges:
        assert (low, high) in [(-1, pytest.approx(40)), (pytest.approx(15), -1)]
