"""The chips of every epoch of a training."""

from __future__ import annotations

import numpy as np

from mmsniper.chips import ChipTable, Pyramid, positive_chips

from .box_table import BoxTable

MAX_TABLES = 3


class EpochChips:
    """Chips as a pure function of the seed and the epoch, in tables of one length.

    Schedules and loops read the length of a dataset once, so it is that of epoch 0 for good. Of an
    epoch with more chips, some are left out at random; of one with fewer, some come twice.

    Args:
        boxes (BoxTable): Boxes and sizes of all images.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Largest side of a chip in pixels of its level.
        stride (int): Distance of candidate chips in pixels of their level.
        seed (int): Seed of all epochs.
    """

    def __init__(
        self, boxes: BoxTable, pyramid: Pyramid, chip_size: int, stride: int, seed: int
    ) -> None:
        self.boxes = boxes
        self.pyramid = pyramid
        self.chip_size = chip_size
        self.stride = stride
        self.seed = seed
        first = self.generate(0)
        self._length = len(first)
        self._tables = {0: first}
        self._num_generated = {0: len(first)}

    def __len__(self) -> int:
        """Number of chips of every epoch."""
        return self._length

    def generate(self, epoch: int) -> ChipTable:
        """All chips of an epoch, as many as there are."""
        seed = np.random.SeedSequence((self.seed, epoch)).generate_state(1, np.uint64)[0]
        return positive_chips(
            self.boxes.boxes,
            self.boxes.image_starts,
            self.boxes.heights,
            self.boxes.widths,
            self.pyramid,
            self.chip_size,
            self.stride,
            int(seed),
        )

    def num_generated(self, epoch: int) -> int:
        """How many chips an epoch had before some were left out or repeated."""
        self.table(epoch)
        return self._num_generated[epoch]

    def table(self, epoch: int) -> ChipTable:
        """The chips of an epoch, exactly ``len(self)`` of them, ordered by image and level."""
        if epoch not in self._tables:
            # Workers that fetch ahead across an epoch's end go back and forth between two epochs,
            # and augmentations that mix images also ask for the first one.
            while len(self._tables) >= MAX_TABLES:
                self._tables.pop(next(iter(self._tables)))
            chips = self.generate(epoch)
            self._num_generated[epoch] = len(chips)
            self._tables[epoch] = self._fit_to_length(chips, epoch)
        else:  # the one used last is the last to go
            self._tables[epoch] = self._tables.pop(epoch)
        return self._tables[epoch]

    def _fit_to_length(self, chips: ChipTable, epoch: int) -> ChipTable:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(chips))
        rows = np.sort(np.resize(order, self._length))
        return ChipTable(image=chips.image[rows], level=chips.level[rows], boxes=chips.boxes[rows])
