"""A few steps of training and a test of a small detector, on a CPU."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

NUM_ITERATIONS = 2


@contextmanager
def small_runner(config: Config) -> Iterator[Runner]:
    """A runner of a small config that needs no GPU, no download and no other process."""
    config = copy.deepcopy(config)
    config.load_from, config.resume = None, False
    config.launcher, config.log_level = 'none', 'ERROR'
    config.randomness = dict(seed=0)
    config.visualizer = dict(type='DetLocalVisualizer', vis_backends=[])
    if config.optim_wrapper.type == 'AmpOptimWrapper':
        config.optim_wrapper.type = 'OptimWrapper'  # mixed precision needs a GPU
        for key in ('loss_scale', 'dtype', 'use_fp16'):
            config.optim_wrapper.pop(key, None)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(batch_size=min(loader.batch_size, 2), num_workers=0)
        loader.update(persistent_workers=False)
        loader.pop('prefetch_factor', None)
    with tempfile.TemporaryDirectory(prefix='zoo-') as folder:
        config.work_dir = folder
        config.experiment_name = Path(folder).name
        yield Runner.from_cfg(config)


class _Enough(Exception):
    """Ends a training after a few steps."""


class _LossRecorder(Hook):
    """Keeps the losses, and ends the training after some steps."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.losses.append({key: float(value.detach()) for key, value in outputs.items()})
        if len(self.losses) == NUM_ITERATIONS:
            raise _Enough


def train(runner: Runner) -> list[float]:
    """Train some steps; the loss of each.

    Raises:
        FloatingPointError: A loss or a weight is not finite.
        RuntimeError: The training ended early or changed no weight.
    """
    recorder = _LossRecorder()
    runner.register_hook(recorder)
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    try:
        runner.train()
    except _Enough:
        pass
    if len(recorder.losses) < NUM_ITERATIONS:
        raise RuntimeError(f'the training ended after {len(recorder.losses)} steps')
    for losses in recorder.losses:
        for name, value in losses.items():
            if not math.isfinite(value):
                raise FloatingPointError(f'{name} is {value}')
    after = runner.model.state_dict()
    if not all(value.isfinite().all() for value in after.values()):
        raise FloatingPointError('weights are not finite after the training')
    if all(torch.equal(after[name], before[name]) for name, _ in runner.model.named_parameters()):
        raise RuntimeError('the training changed no weight')
    return [losses['loss'] for losses in recorder.losses]


class _ImageCounter(Hook):
    """Counts the images that come to the metric, after the views are merged."""

    priority = 'LOWEST'  # after ChipMergeHook

    def __init__(self) -> None:
        self.num_images = 0

    def before_test_epoch(self, runner) -> None:
        inner = runner.test_loop.evaluator.evaluator
        process = inner.process

        def count(data_samples, data_batch=None):
            self.num_images += len(data_samples)
            return process(data_samples=data_samples, data_batch=data_batch)

        inner.process = count


def test(runner: Runner, num_images: int, num_levels: int) -> dict[str, float]:
    """Test on the pyramid; the metrics, of which there are none where nothing is detected.

    Args:
        runner: After the training.
        num_images: Of the data set.
        num_levels: Of the pyramid.

    Raises:
        RuntimeError: Not all images come to the metric.
    """
    counter = _ImageCounter()
    runner.register_hook(counter)
    metrics = runner.test()
    if len(runner.test_loop.dataloader.dataset) != num_images * num_levels:
        raise RuntimeError('the test did not see each image at each level')
    if counter.num_images != num_images:
        raise RuntimeError(f'{counter.num_images} images came to the metric, not {num_images}')
    return {key: float(value) for key, value in metrics.items()}
