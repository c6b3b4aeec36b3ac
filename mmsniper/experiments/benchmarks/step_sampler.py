"""Batches of the same number of pixels in the mean, whatever the items are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_world_size

from mmsniper.errors import InputError

from .budget import item_pixels


@DATA_SAMPLERS.register_module()
class EqualPixelBatchSampler:
    """Batches that hold ``step_pixels`` pixels in the mean, so that recipes share one schedule.

    The dataset is a :class:`mmsniper.datasets.ChipDataset`:

    - in training, its items are chips. They come in passes, each with the chips of a new epoch, and
      a batch is closed when the pixels so far come nearest to what they should be.
    - in test mode, its items are whole images at each level. A batch has images of one level only,
      so that nothing is padded to a much larger size, and levels take turns in random order, so
      that every level has as many images as any other. How many images a batch has varies by one,
      to be right in the mean.

    An epoch has a fixed number of batches, which need not be a pass through the data. The batches
    are a pure function of ``seed`` and the epoch, so a resumed training has those of an
    uninterrupted one. For one process only.

    Args:
        sampler (Sampler): Any with a ``dataset`` and an ``epoch``, such as ``DefaultSampler``,
            whose order is not used.
        batch_size (int): Not used.
        step_pixels (float): Pixels of a batch in the mean.
        steps_per_epoch (int): Batches of an epoch.
        seed (int): Seed of the order.
        count_negatives (bool): Whether negative chips are among the pixels, or come on top of them.
            Defaults to True.

    Raises:
        InputError: A batch would have less than one image in the mean, or there are several
            processes.
    """

    def __init__(
        self,
        sampler,
        batch_size: int,
        step_pixels: float,
        steps_per_epoch: int,
        seed: int = 0,
        count_negatives: bool = True,
    ) -> None:
        if get_world_size() > 1:
            raise InputError(
                'EqualPixelBatchSampler is for one process: run several runs at once instead'
            )
        self.sampler = sampler
        self.dataset = sampler.dataset
        self.dataset.sampler_chooses_epochs = True
        self.step_pixels = step_pixels
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.count_negatives = count_negatives
        if self.dataset.test_mode:
            mean = float(np.mean(item_pixels(self.dataset)))
            self.images_per_step = step_pixels / mean
            if self.images_per_step < 0.999:
                raise InputError(
                    f'a whole image has {mean / 1e6:.3f} Mpx in the mean over its levels, but a '
                    f'step {step_pixels / 1e6:.3f}: give step_mpx of {mean / 1e6:.3f} or more'
                )

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[list[int]]:
        epoch = int(getattr(self.sampler, 'epoch', 0))
        batches = self._image_batches() if self.dataset.test_mode else self._chip_batches()
        start = epoch * self.steps_per_epoch
        return islice(batches, start, start + self.steps_per_epoch)

    def _chip_batches(self) -> Iterator[list[int]]:
        """Batches of chips without end, from the first on."""
        length = len(self.dataset)
        batch: list[int] = []
        pixels, goal, done = 0.0, self.step_pixels, 0
        while True:
            order = np.random.default_rng((self.seed, done)).permutation(length) + done * length
            areas = item_pixels(self.dataset, order, self.count_negatives)
            if not areas.any():
                raise InputError(
                    'negative chips are to come on top of positive ones, but all chips are '
                    'negative: leave out extra_negatives, or see that images have objects'
                )
            for index, area in zip(order.tolist(), areas.tolist()):
                if batch and pixels + area / 2 > goal:
                    yield batch
                    batch, goal = [], goal + self.step_pixels
                batch.append(index)
                pixels += area
            done += 1

    def _image_batches(self) -> Iterator[list[int]]:
        """Batches of whole images without end, from the first on."""
        rng = np.random.default_rng(self.seed)
        levels = self.dataset.table.level
        present = np.unique(levels)
        streams = {level: _shuffled(np.flatnonzero(levels == level), rng) for level in present}
        owed = dict.fromkeys(present.tolist(), 0.0)
        while True:
            for level in rng.permutation(present).tolist():
                owed[level] += self.images_per_step
                # At least one: a mean of 1 must not become an empty batch by rounding.
                count = max(1, int(owed[level] + 1e-6))
                owed[level] -= count
                yield list(islice(streams[level], count))


def _shuffled(items: np.ndarray, rng: np.random.Generator) -> Iterator[int]:
    """The items again and again, each time in another order."""
    while True:
        yield from rng.permutation(items).tolist()
