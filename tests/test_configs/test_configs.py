"""The configs: models build, ignore what is out of range, and follow the paper's schedule."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from mmsniper import config_path
from mmsniper.models import IgnoreAwareAssigner

CONFIGS = Path(config_path('sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py')).parents[1]
NAMES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)


@pytest.mark.parametrize('name', NAMES)
def test_every_assigner_ignores_what_is_out_of_range(name):
    model = MODELS.build(Config.fromfile(CONFIGS / name).model)
    heads = [m for m in model.modules() if hasattr(m, 'assigner') or hasattr(m, 'bbox_assigner')]
    assert heads
    for head in heads:
        assigner = getattr(head, 'assigner', None) or head.bbox_assigner
        assert isinstance(assigner, IgnoreAwareAssigner)


@pytest.mark.parametrize('name', NAMES)
def test_chips_in_training_and_views_in_testing(name):
    config = Config.fromfile(CONFIGS / name)
    train, test = config.train_dataloader.dataset, config.test_dataloader.dataset
    assert train.type == test.type == 'ChipDataset'
    assert test.test_mode and not train.get('test_mode')
    assert config.val_dataloader == config.test_dataloader
    assert config.val_evaluator == config.test_evaluator
    assert config.test_dataloader.sampler.type == 'ViewSampler'
    hooks = [hook.type for hook in config.custom_hooks]
    assert hooks == ['ChipEpochHook', 'ChipMergeHook', 'NumClassCheckHook']
    # Sizes of objects that are learnt are detected as well.
    for (low, high), (test_low, test_high) in zip(train.valid_ranges, test.valid_ranges):
        assert test_low <= low
        assert test_high == -1 or test_high >= high


def test_the_rate_falls_at_epoch_5_33_of_7():
    config = Config.fromfile(CONFIGS / 'sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py')
    rate = config.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    epoch_length, schedulers = 1000, []
    for settings in config.param_scheduler:
        kind = PARAM_SCHEDULERS.get(settings.pop('type'))
        if settings.pop('convert_to_iter_based', False):
            schedulers.append(
                kind.build_iter_from_epoch(optimizer, **settings, epoch_length=epoch_length)
            )
        else:
            schedulers.append(kind(optimizer, **settings))
    rates = []
    for _ in range(config.train_cfg.max_epochs * epoch_length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[0] == pytest.approx(rate / 30)
    assert rates[999:5330] == pytest.approx([rate] * 4331)
    assert rates[5330:] == pytest.approx([rate / 10] * 1670)
