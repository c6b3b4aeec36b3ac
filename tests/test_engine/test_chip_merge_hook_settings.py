"""What would make a validation wrong or stop it is said before the training."""

import logging
from types import SimpleNamespace

import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from mmdet.registry import DATASETS

from mmsniper import InputError
from mmsniper.datasets import ViewSampler
from mmsniper.datasets.samplers import view_sampler
from mmsniper.engine import ChipMergeHook
from mmsniper.evaluation.merging_evaluator import REQUIRED_KEYS

VIEWS = dict(type='ChipDataset', levels=LEVELS['levels'], valid_ranges=LEVELS['valid_ranges'])
COMPLETE = [*PIPELINE[:-1], dict(type='PackDetInputs', meta_keys=REQUIRED_KEYS)]


@pytest.fixture
def inner(tmp_path):
    return write_coco(tmp_path, [(100, 120), (80, 90)], [[(10, 10, 30, 30)], [(5, 5, 50, 50)]])


def before_train(config):
    dataset = DATASETS.build(config)
    loader = SimpleNamespace(dataset=dataset, sampler=None)
    hook = ChipMergeHook()
    hook.before_train(SimpleNamespace(val_loop=SimpleNamespace(dataloader=loader)))
    return dataset


def test_a_complete_validation_passes(inner):
    before_train(dict(VIEWS, dataset=inner, pipeline=COMPLETE, test_mode=True))


def test_a_training_without_validation_passes():
    ChipMergeHook().before_train(SimpleNamespace(val_loop=None))


def test_missing_meta_keys(inner):
    with pytest.raises(InputError, match='lack the meta keys image_shape, num_views, valid_range'):
        before_train(dict(VIEWS, dataset=inner, pipeline=PIPELINE, test_mode=True))


def test_wrappers_around_views(inner):
    views = dict(VIEWS, dataset=inner, pipeline=COMPLETE, test_mode=True)
    with pytest.raises(InputError, match='put wrappers inside of ChipDataset'):
        before_train(dict(type='ConcatDataset', datasets=[views, views]))


def test_chips_instead_of_views(inner):
    with pytest.raises(InputError, match='set test_mode=True'):
        before_train(dict(VIEWS, dataset=inner, pipeline=COMPLETE))


@pytest.mark.parametrize('merged', [False, True])
def test_views_that_nothing_merges_are_warned_of(inner, monkeypatch, merged):
    warnings = []
    monkeypatch.setattr(
        view_sampler, 'print_log', lambda text, logger, level: warnings.append((level, text))
    )
    dataset = before_train(dict(VIEWS, dataset=inner, pipeline=COMPLETE, test_mode=True))
    dataset.views_are_merged = merged
    assert list(ViewSampler(dataset)) == [0, 1, 2, 3]
    assert [level for level, _ in warnings] == ([] if merged else [logging.WARNING])
