"""The configs with a focus head: their detectors are the others', and they train and test."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_checkpoint
from small_detectors import CHANNELS, FEW, FPN, RESNET, SMALL, TEST, small_config

from mmsniper import config_path
from mmsniper.chips import Pyramid
from mmsniper.conversion.focus import focus_sizes, head_settings
from mmsniper.focus import read_focus
from mmsniper.focus.labels import SIZES

ATSS = 'atss_r50_fpn_autofocus-7e_coco'
FOCUS_ONLY = 'faster-rcnn_r50_fpn_autofocus-focus-only_coco'
FOLDER = Path(config_path(f'autofocus/{ATSS}.py')).parent
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
HEAD = dict(focus_head=dict(in_channels=CHANNELS, feat_channels=CHANNELS))
FASTER_RCNN = dict(
    backbone=RESNET,
    neck=FPN,
    rpn_head=FEW,
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=CHANNELS),
        bbox_head=dict(in_channels=CHANNELS, fc_out_channels=16, num_classes=2),
    ),
    test_cfg=dict(rcnn=TEST),
)


def load(name):
    return Config.fromfile(FOLDER / f'{name}.py')


def without_focus(config):
    """Test a config on the whole pyramid; how it is tested from coarse to fine."""
    return [hook.pop('focus') for hook in config.custom_hooks if 'focus' in hook]


@pytest.mark.parametrize('name', NAMES)
def test_they_are_configs_on_chips_with_a_head_that_fits(name):
    config = load(name)
    detector, data = name.split('_autofocus')[0], name.split('_')[-1]
    (base,) = (
        path
        for path in FOLDER.parent.glob(f'*/{detector}_sniper-*_{data}.py')
        if '2level' not in path.stem
    )
    base = Config.fromfile(base)
    model = copy.deepcopy(config.model)
    head, model.type = model.pop('focus_head'), model.pop('detector')
    if name == FOCUS_ONLY:
        assert model.pop('freeze_detector') and config.load_from
        model.backbone.init_cfg = base.model.backbone.init_cfg
    else:
        config.model = base.model
        (focus,) = without_focus(config)
        assert read_focus(focus).step(0, 2) != read_focus(True).step(0, 2)
        assert {key: value for key, value in config.items()} == dict(base.items())
    assert model == base.model
    head.setdefault('feat_channels', 256)
    sizes = head.pop('sizes')
    assert head == dict(type='FocusHead', **head_settings(model))
    if 'coco' in name:
        assert sizes == SIZES
    else:
        test = config.test_dataloader.dataset
        expected = focus_sizes(Pyramid(test.levels, test.valid_ranges))
        assert sizes == pytest.approx(expected, rel=0.06)


def test_joint_training_and_testing(tmp_path):
    """In testing the head changes nothing."""
    settings = {**SMALL['atss_r50_fpn_sniper-7e_coco'], **HEAD}
    config = small_config(load(ATSS), settings, tmp_path, num_images=2)
    assert without_focus(config)
    config.val_evaluator.update(outfile_prefix=str(tmp_path / 'focus'))
    runner = Runner.from_cfg(config)
    runner.model.init_weights()
    before = copy.deepcopy(runner.model.state_dict())
    runner.train()
    assert runner.message_hub.get_scalar('train/loss_focus').current() > 0
    changed = {
        key.split('.')[0]
        for key, value in runner.model.named_parameters()
        if not torch.equal(before[key], value)
    }
    assert changed == {'backbone', 'neck', 'bbox_head', 'focus_head'}

    config.experiment_name = 'plain'
    config.model.type = config.model.pop('detector')
    del config.model.focus_head
    config.val_evaluator.update(outfile_prefix=str(tmp_path / 'plain'))
    runner = Runner.from_cfg(config)
    load_checkpoint(runner.model, str(tmp_path / 'work' / 'epoch_1.pth'), strict=False)
    runner.val()
    plain, focus = ((tmp_path / f'{name}.bbox.json').read_text() for name in ('plain', 'focus'))
    assert len(plain) > 100 and plain == focus


def test_the_head_alone(tmp_path):
    config = small_config(load(FOCUS_ONLY), {**FASTER_RCNN, **HEAD}, tmp_path, num_images=2)
    for hook in config.custom_hooks:
        if 'focus' in hook:  # the small config has two levels
            hook.focus = dict(threshold=0.001, source='head', min_cells=2)
    config.load_from = None
    runner = Runner.from_cfg(config)
    runner.model.init_weights()
    before = copy.deepcopy(runner.model.state_dict())
    runner.train()
    assert runner.iter == 1
    for key, value in runner.model.state_dict().items():
        assert torch.equal(value, before[key]) != key.startswith('focus_head'), key
