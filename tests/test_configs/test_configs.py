"""The configs: models build, ignore what is out of range, and follow their schedules."""

from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import RandomChoiceResize
from mmdet.registry import MODELS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from mmsniper import config_path
from mmsniper.chips import Pyramid
from mmsniper.datasets import ScaleNormalize
from mmsniper.models import IgnoreAwareAssigner, ValidRangeAssigner
from mmsniper.models.ignoring import Aware

CONFIGS = Path(config_path('sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py')).parents[1]
NAMES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
# Trained the ordinary way, on all objects, as what SNIPER is measured against.
RIVALS = [name for name in NAMES if name.startswith('multiscale/')]
WHOLE_IMAGES = [*RIVALS, *(name for name in NAMES if name.startswith('snip/'))]
CHIPS = [name for name in NAMES if name not in WHOLE_IMAGES]
MULTI_SCALE = 'multiscale/faster-rcnn_r50_fpn_multiscale-7e_coco.py'
SINGLE_SCALE = 'multiscale/faster-rcnn_r50_fpn_singlescale-9e_coco.py'
SNIPER = 'sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py'
TWO_LEVELS = 'sniper/faster-rcnn_r50_fpn_sniper-2level-7e_coco.py'
SNIP = 'snip/faster-rcnn_r50_fpn_snip_coco.py'


@cache
def read(name):
    return Config.fromfile(CONFIGS / name)


def load(name):
    return deepcopy(read(name))


def step(pipeline, kind):
    (found,) = [transform for transform in pipeline if transform['type'] == kind]
    return found


def test_every_folder_is_known():
    assert len(RIVALS) == 2
    assert len(WHOLE_IMAGES) == 3
    assert {SNIPER, TWO_LEVELS} <= set(CHIPS)


@pytest.mark.parametrize('name', [name for name in NAMES if name not in RIVALS])
def test_what_is_out_of_range_is_ignored(name):
    config = load(name)
    pipeline = config.train_dataloader.dataset.pipeline
    model = MODELS.build(config.model)
    first = [m.assigner for m in model.modules() if getattr(m, 'assigner', None) is not None]
    second = [m.bbox_assigner for m in model.modules() if hasattr(m, 'bbox_assigner')]
    # A cascade has a list of them.
    second = [each for found in second for each in (found if isinstance(found, list) else [found])]
    assert step(pipeline, 'ScaleNormalize').get('mode', 'ignore') == 'ignore'
    if any(isinstance(module, Aware) for module in model.modules()):
        first = []  # whatever they say, it is the head that ignores
    else:
        assert first
    assert len(second) == getattr(getattr(model, 'roi_head', None), 'num_stages', len(second))
    for assigner in first:
        assert isinstance(assigner, IgnoreAwareAssigner)
    for assigner in second:
        assert isinstance(assigner, ValidRangeAssigner)
        assert pipeline[-1]['type'] == 'PackChipInputs', 'which tells it the range'


@pytest.mark.parametrize('name', CHIPS)
def test_chips_in_training(name):
    config = load(name)
    train, test = config.train_dataloader.dataset, config.test_dataloader.dataset
    assert train.type == 'ChipDataset'
    assert not train.get('test_mode')
    assert 'ChipEpochHook' in [hook.type for hook in config.custom_hooks]
    assert not train.dataset.filter_cfg.filter_empty_gt, 'negative chips need images without boxes'
    # Sizes of objects that are learnt are detected as well.
    for (low, high), (test_low, test_high) in zip(train.valid_ranges, test.valid_ranges):
        assert test_low <= low
        assert test_high == -1 or test_high >= high


@pytest.mark.parametrize('name', [name for name in NAMES if name != SINGLE_SCALE])
def test_views_in_testing(name):
    config = load(name)
    assert config.test_dataloader.dataset.type == 'ChipDataset'
    assert config.test_dataloader.dataset.test_mode
    assert config.val_dataloader == config.test_dataloader
    assert config.val_evaluator == config.test_evaluator
    assert config.test_dataloader.sampler.type == 'ViewSampler'
    assert 'ChipMergeHook' in [hook.type for hook in config.custom_hooks]
    pipeline = [transform.type for transform in config.test_dataloader.dataset.pipeline]
    assert pipeline[-1] == 'PackChipInputs'


@pytest.mark.parametrize('name', NAMES)
def test_classes_are_checked_where_there_are_classes(name):
    hooks = [hook.type for hook in load(name).get('custom_hooks', [])]
    assert ('NumClassCheckHook' in hooks) == ('rpn' not in name and name != SINGLE_SCALE)


@pytest.mark.parametrize('name', [name for name in CHIPS if 'tiny' not in name])
def test_levels_of_training_cover_all_sizes(name):
    dataset = load(name).train_dataloader.dataset
    pyramid = Pyramid(dataset.levels, dataset.valid_ranges)
    assert pyramid.in_range(np.arange(0, 3000, 0.5)).any(axis=1).all()


def test_two_levels_leave_out_the_finest():
    three, two = load(SNIPER), load(TWO_LEVELS)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        fewer, more = two[loader].dataset, three[loader].dataset
        assert fewer.levels == more.levels[1:]
        assert fewer.valid_ranges[0] == (-1, more.valid_ranges[1][1])
        assert fewer.valid_ranges[1:] == more.valid_ranges[2:]
        fewer.update(levels=more.levels, valid_ranges=more.valid_ranges)
    assert {key: value for key, value in two.items() if key != 'filename'} == dict(three.items())


def test_rivals_differ_from_sniper_in_the_data_and_batches_alone():
    sniper, snip, multi, single = (load(n) for n in (SNIPER, SNIP, MULTI_SCALE, SINGLE_SCALE))
    for rival in (snip, multi, single):
        assert rival.model.backbone.norm_cfg.type == 'SyncBN'
        rival.model.backbone.norm_cfg.type = 'BN'
        assert rival.optim_wrapper.type == sniper.optim_wrapper.type
        batch = rival.auto_scale_lr.base_batch_size
        assert batch == 8 * rival.train_dataloader.batch_size
        assert rival.optim_wrapper.optimizer.lr == pytest.approx(0.02 * batch / 16)
    assert snip.model == sniper.model
    assert multi.model == single.model
    for model in (sniper.model, multi.model):
        del model.train_cfg.rpn.assigner
        del model.train_cfg.rcnn.assigner
    assert multi.model == sniper.model
    assert snip.test_dataloader == sniper.test_dataloader
    multi.test_dataloader.dataset.valid_ranges = sniper.test_dataloader.dataset.valid_ranges
    assert multi.test_dataloader == sniper.test_dataloader
    normalize = step(snip.train_dataloader.dataset.pipeline, 'ScaleNormalize')
    chips = sniper.train_dataloader.dataset
    assert (normalize.levels, normalize.valid_ranges) == (chips.levels, chips.valid_ranges)


def test_multi_scale_training_has_an_open_range_at_every_level():
    dataset = load(MULTI_SCALE).test_dataloader.dataset
    assert dataset.valid_ranges == [(-1, -1)] * len(dataset.levels)


@pytest.mark.parametrize('size', [(480, 640), (640, 480), (427, 640), (500, 500), (100, 640)])
def test_multi_scale_training_is_on_the_levels_of_sniper(size):
    """What RandomChoiceResize makes of an image is what ScaleNormalize makes of it."""
    resize = step(load(MULTI_SCALE).train_dataloader.dataset.pipeline, 'RandomChoiceResize')
    normalize = step(load(SNIP).train_dataloader.dataset.pipeline, 'ScaleNormalize')
    assert len(resize.scales) == len(normalize.levels)
    for scale, level in zip(resize.scales, normalize.levels):
        theirs = RandomChoiceResize(
            scales=[scale], **{k: v for k, v in resize.items() if k not in ('type', 'scales')}
        )
        ours = ScaleNormalize(levels=[level], valid_ranges=[(-1, -1)])
        shapes = [
            transform(
                dict(
                    img=np.zeros((*size, 3), np.uint8),
                    gt_bboxes=HorizontalBoxes(np.zeros((0, 4), np.float32)),
                )
            )['img_shape']
            for transform in (theirs, ours)
        ]
        assert shapes[0] == shapes[1]


# Mpx per image of COCO train2017 in an epoch: chips, a random level of three, (800, 1333).
@pytest.mark.parametrize(
    ('name', 'pixels'), [(SNIP, 3.656 / 3), (MULTI_SCALE, 3.656 / 3), (SINGLE_SCALE, 0.894)]
)
def test_rivals_see_as_many_pixels_as_sniper(name, pixels):
    wanted = load(SNIPER).train_cfg.max_epochs * 1.174
    epochs = load(name).train_cfg.max_epochs
    assert epochs == round(wanted / pixels)
    assert epochs * pixels == pytest.approx(wanted, rel=0.04)


@pytest.mark.parametrize('name', [SNIPER, TWO_LEVELS, SNIP, MULTI_SCALE, SINGLE_SCALE])
def test_the_rate_falls_at_the_same_share_of_the_schedule(name):
    config = load(name)
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
    fall = int(5.33 / 7 * len(rates) + 1e-6)
    assert fall == {7000: 5330, 9000: 6852}[len(rates)]
    assert rates[0] == pytest.approx(rate / 30)
    assert rates[999:fall] == pytest.approx([rate] * (fall - 999))
    assert rates[fall:] == pytest.approx([rate / 10] * (len(rates) - fall))
