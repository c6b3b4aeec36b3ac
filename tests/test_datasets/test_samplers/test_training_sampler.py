"""Samplers with which a training would not get all chips of every epoch."""

import copy

import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from mmsniper import InputError
from mmsniper.engine import ChipEpochHook

ITERATIONS, EPOCHS = IterBasedTrainLoop, EpochBasedTrainLoop


class Logger:
    def warning(self, line):
        raise AssertionError(line)


def before_train(loop_type, sampler, folder, batch_sampler=None, chips=True):
    boxes = [[(10, 10, 20, 20), (120, 90, 30, 30), (30, 30, 100, 100)]]
    inner = dict(write_coco(folder, [(150, 200)], boxes), serialize_data=False)
    dataset = dict(type='ChipDataset', dataset=inner, pipeline=PIPELINE, **LEVELS)
    loader = dict(batch_size=2, num_workers=0, sampler=sampler, dataset=dataset if chips else inner)
    if batch_sampler:
        loader['batch_sampler'] = dict(type=batch_sampler)
    loop = loop_type.__new__(loop_type)
    loop.dataloader = Runner.build_dataloader(copy.deepcopy(loader), seed=0)
    runner = type('Run', (), dict(train_loop=loop, epoch=0, logger=Logger()))
    ChipEpochHook().before_train(runner)


@pytest.mark.parametrize('batch_sampler', [None, 'AspectRatioBatchSampler'])
@pytest.mark.parametrize('sampler', ['InfiniteSampler', 'DefaultSampler'])
def test_the_first_epoch_for_ever(tmp_path, sampler, batch_sampler):
    with pytest.raises(InputError, match=f"with {sampler} .*type='InfiniteChipSampler'"):
        before_train(ITERATIONS, dict(type=sampler, shuffle=True), tmp_path, batch_sampler)
    with_infinite = dict(type='InfiniteChipSampler', shuffle=True)
    before_train(ITERATIONS, with_infinite, tmp_path, batch_sampler)


@pytest.mark.parametrize('sampler', ['InfiniteSampler', 'InfiniteChipSampler'])
def test_an_epoch_that_never_ends(tmp_path, sampler):
    with pytest.raises(InputError, match=f'with {sampler} an epoch of EpochBased.* never ends'):
        before_train(EPOCHS, dict(type=sampler), tmp_path)
    before_train(EPOCHS, dict(type='DefaultSampler', shuffle=True), tmp_path)


def test_classes_of_the_first_epoch(tmp_path):
    with pytest.raises(InputError, match='ClassAwareSampler chooses items by what'):
        before_train(EPOCHS, dict(type='ClassAwareSampler'), tmp_path)


@pytest.mark.parametrize('loop', [ITERATIONS, EPOCHS])
def test_other_datasets_are_left_alone(tmp_path, loop):
    before_train(loop, dict(type='InfiniteSampler'), tmp_path, chips=False)
