"""Counting the pixels that a network really gets, and the time that they take."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsniper.utils.json_file import write_json

RECORD = 'benchmark_record'


@HOOKS.register_module()
class PixelCounterHook(Hook):
    """Counts pixels of training and test, and writes them with what the validations found.

    Counted is ``img_shape`` of every sample, that is without padding, and apart from it the pixels
    of the padded batches. The record goes on where it was after a resume, and a validation that an
    interruption left out is made up for.

    Args:
        out_file (str): The JSON file that is written after each training epoch, each validation and
            each test. Of a training it has ``trained_mpx``, ``positive_mpx`` (but for negative
            chips), ``padded_mpx``, ``seconds`` and ``cpu_seconds`` (in training
            steps and data loading only, the second of the main process), ``round_seconds``
            (``seconds`` of each epoch), ``iterations``, ``initial_weights`` (a digest, to see that
            recipes begin with the same) and ``points``, one for each validation; of a test
            ``test_mpx``, ``test_seconds``, ``test_cpu_seconds``, ``test_images`` and ``metrics``,
            which a point has as well.
    """

    # Before the hooks that look at images between epochs, whose time is no training time.
    priority = 'HIGH'

    def __init__(self, out_file: str) -> None:
        self.out_file = Path(out_file)
        self.record: dict = {}
        self._start = self._cpu_start = 0.0
        self._test_start = self._test_cpu_start = 0.0
        self._test_pixels, self._test_images = 0, set()

    def before_train(self, runner: Runner) -> None:
        """Begin a record, or go on with that of the checkpoint."""
        hub = runner.message_hub
        if runner.epoch and RECORD in hub.runtime_info:
            # Older checkpoints do not have all of it.
            self.record = dict(positive_pixels=0) | dict(hub.get_info(RECORD))
            self.record['points'] = self._points_until(runner.epoch)
        else:
            self.record = dict(
                trained_pixels=0,
                positive_pixels=0,
                padded_pixels=0,
                cpu_seconds=0.0,
                round_seconds=[],
                points=[],
            )
            self.record['initial_weights'] = digest(runner.model)
        self._catch_up(runner)

    def _points_until(self, epoch: int) -> list[dict]:
        """The points of this training, the last of which came after the checkpoint."""
        if not self.out_file.is_file():
            return self.record['points']
        points = json.loads(self.out_file.read_text())['points']
        return [point for point in points if point['epoch'] <= epoch]

    def _catch_up(self, runner: Runner) -> None:
        """Validate if the training was interrupted between a checkpoint and its validation."""
        loop = runner.train_loop
        if runner.val_loop is None or not runner.epoch:
            return
        tested = any(point['epoch'] == runner.epoch for point in self.record['points'])
        if not tested and runner.epoch % loop.val_interval == 0:
            runner.val_loop.run()

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._start, self._cpu_start = time.perf_counter(), time.process_time()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Count a batch."""
        plain, padded = batch_pixels(data_batch)
        self.record['trained_pixels'] += plain
        self.record['positive_pixels'] += positive_pixels(data_batch)
        self.record['padded_pixels'] += padded

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop the clock, and put the record where the checkpoint takes it from."""
        self.record['round_seconds'] = [
            *self.record['round_seconds'],
            time.perf_counter() - self._start,
        ]
        self.record['cpu_seconds'] += time.process_time() - self._cpu_start
        self.record['iterations'] = runner.iter
        self._keep(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin to count a validation."""
        self.before_test_epoch(runner)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs: Sequence | None = None
    ) -> None:
        """Count a batch of a validation."""
        self.after_test_iter(runner, batch_idx, data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add a point of the learning curve."""
        if not self.record:  # a validation without a training
            return
        point = dict(epoch=runner.epoch, **self._costs(), **self._tested(metrics))
        self.record['points'] = [
            *(old for old in self.record['points'] if old['epoch'] != point['epoch']),
            point,
        ]
        self._keep(runner)

    def before_test_epoch(self, runner: Runner) -> None:
        """Begin to count a test."""
        self._test_start, self._test_cpu_start = time.perf_counter(), time.process_time()
        self._test_pixels, self._test_images = 0, set()

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs: Sequence | None = None
    ) -> None:
        """Count a batch of a test."""
        self._test_pixels += batch_pixels(data_batch)[0]
        self._test_images.update(sample.metainfo['img_id'] for sample in data_batch['data_samples'])

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the record of a test."""
        write_json(self.out_file, self._tested(metrics))

    def _tested(self, metrics: dict[str, float] | None) -> dict:
        return dict(
            test_mpx=self._test_pixels / 1e6,
            test_images=len(self._test_images),
            test_seconds=time.perf_counter() - self._test_start,
            test_cpu_seconds=time.process_time() - self._test_cpu_start,
            metrics=metrics or {},
        )

    def _costs(self) -> dict:
        return dict(
            trained_mpx=self.record['trained_pixels'] / 1e6,
            positive_mpx=self.record['positive_pixels'] / 1e6,
            padded_mpx=self.record['padded_pixels'] / 1e6,
            seconds=sum(self.record['round_seconds']),
            cpu_seconds=self.record['cpu_seconds'],
            iterations=self.record['iterations'],
        )

    def _keep(self, runner: Runner) -> None:
        runner.message_hub.update_info(RECORD, dict(self.record))
        write_json(
            self.out_file,
            dict(
                **self._costs(),
                round_seconds=self.record['round_seconds'],
                initial_weights=self.record['initial_weights'],
                points=self.record['points'],
            ),
        )


def batch_pixels(data_batch: dict) -> tuple[int, int]:
    """The pixels of a batch as it comes from the data loader, without and with padding.

    Padding to the divisor of the data preprocessor does not count as such.
    """
    shapes = [sample.metainfo['img_shape'][:2] for sample in data_batch['data_samples']]
    largest = max(h for h, _ in shapes) * max(w for _, w in shapes)
    return int(sum(h * w for h, w in shapes)), int(largest * len(shapes))


def positive_pixels(data_batch: dict) -> int:
    """The pixels of those samples of a batch that are no negative chips."""
    infos = [sample.metainfo for sample in data_batch['data_samples']]
    infos = [info for info in infos if not info.get('is_negative', False)]
    return int(sum(math.prod(info['img_shape'][:2]) for info in infos))


def digest(model) -> str:
    """A short digest of all parameters of a model."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().numpy().tobytes())
    return found.hexdigest()[:16]
