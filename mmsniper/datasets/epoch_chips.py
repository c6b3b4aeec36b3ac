"""The chips of every epoch of a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mmsniper.chips import ChipTable, Pyramid, negative_chips, positive_chips
from mmsniper.chips.negative import check_max_negatives, read_min_proposals

from .box_table import BoxTable
from .proposal_file import read_proposals
from .proposal_matching import match_proposals
from .shared_path import SharedPath

MAX_TABLES = 3


class EpochChips:
    """Chips as a pure function of the seed, the epoch and the proposals, in tables of one length.

    Schedules and loops read the length of a dataset once, so it is that of epoch 0 for good. Of an
    epoch with more chips, some are left out at random; of one with fewer, some come twice.

    Args:
        boxes (BoxTable): Boxes and sizes of all images.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Largest side of a chip in pixels of its level.
        stride (int): Distance of candidate chips in pixels of their level.
        seed (int): Seed of all epochs.
        proposal_file (str, optional): Proposals for negative chips. Defaults to None, without.
        min_proposals (int | Sequence[int], optional): The fewest of a negative chip, see
            :func:`mmsniper.chips.negative_chips`.
        max_negatives (int): The most negative chips of an image. Defaults to 2.

    Raises:
        InputError: A setting or the proposal file is unusable.
    """

    def __init__(
        self,
        boxes: BoxTable,
        pyramid: Pyramid,
        chip_size: int,
        stride: int,
        seed: int,
        proposal_file: str | None = None,
        min_proposals: int | Sequence[int] | None = None,
        max_negatives: int = 2,
    ) -> None:
        check_max_negatives(max_negatives)
        self.boxes = boxes
        self.pyramid = pyramid
        self.chip_size = chip_size
        self.stride = stride
        self.seed = seed
        self.max_negatives = max_negatives
        # Shared, so that workers which outlive an epoch see new proposals.
        self._min_proposals = torch.from_numpy(
            read_min_proposals(min_proposals, pyramid.num_levels)
        ).share_memory_()
        self._wanted_file = SharedPath()
        self._loaded_file = ''
        self._proposals: tuple[np.ndarray, np.ndarray] | None = None
        if proposal_file:
            self.set_proposals(proposal_file)
        first = self.generate(0)
        self._length = len(first)
        self._tables = {0: first}
        self._num_generated = {0: len(first)}

    def __setstate__(self, state: dict) -> None:
        """Restore a copy, which shares no memory with the original."""
        self.__dict__.update(state)
        self._min_proposals.share_memory_()

    def __len__(self) -> int:
        """Number of chips of every epoch."""
        return self._length

    @property
    def has_proposals(self) -> bool:
        """Whether there are proposals to choose negative chips for."""
        return bool(self._wanted_file.get())

    def set_proposals(
        self, proposal_file: str, min_proposals: int | Sequence[int] | None = None
    ) -> None:
        """Take negative chips from other proposals from now on, in running workers as well.

        The length stays. The file has to stay where it is, since each process reads it.

        Args:
            proposal_file (str): See :func:`mmsniper.datasets.proposal_file.read_proposals`.
            min_proposals (int | Sequence[int], optional): The fewest of a negative chip from now
                on. Defaults to None, as before.

        Raises:
            InputError: A setting or the file is unusable.
        """
        if min_proposals is not None:
            numbers = read_min_proposals(min_proposals, self.pyramid.num_levels)
            self._min_proposals.copy_(torch.from_numpy(numbers))
        self._wanted_file.set(proposal_file)
        self._follow()

    def _follow(self) -> None:
        """Load the proposals that another process may have asked for since."""
        wanted = self._wanted_file.get()
        if wanted == self._loaded_file:
            return
        self._proposals = match_proposals(
            read_proposals(wanted), self.boxes, f'proposal file {wanted}'
        )
        self._loaded_file = wanted
        self._tables, self._num_generated = {}, {}

    def generate(self, epoch: int) -> ChipTable:
        """All chips of an epoch, as many as there are."""
        seeds = np.random.SeedSequence((self.seed, epoch)).generate_state(2, np.uint64).tolist()
        boxes = self.boxes
        sizes = boxes.heights, boxes.widths
        grid = dict(chip_size=self.chip_size, stride=self.stride)
        positives = positive_chips(
            boxes.boxes, boxes.image_starts, *sizes, self.pyramid, seed=seeds[0], **grid
        )
        if self._proposals is None or not self.max_negatives:
            return positives
        negatives = negative_chips(
            *self._proposals,
            *sizes,
            self.pyramid,
            positives,
            self._min_proposals.tolist(),
            self.max_negatives,
            seed=seeds[1],
            **grid,
        )
        return ChipTable.join([positives, negatives])

    def num_generated(self, epoch: int) -> int:
        """How many chips an epoch had before some were left out or repeated."""
        self.table(epoch)
        return self._num_generated[epoch]

    def table(self, epoch: int) -> ChipTable:
        """The chips of an epoch, exactly ``len(self)`` of them, ordered by image and level."""
        self._follow()
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
        return chips[np.sort(np.resize(order, self._length))]
