"""The chips of every epoch of a training."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
import torch

from mmsniper.chips import ChipTable, Pyramid, box_levels, negative_chips, positive_chips
from mmsniper.chips.negative import check_max_negatives, read_min_proposals
from mmsniper.errors import InputError

from .box_table import BoxTable
from .proposal_file import read_proposals
from .proposal_matching import match_proposals
from .shared_path import SharedPath

MAX_TABLES = 3
# So many epochs are drawn to find the length that has room for all.
SAMPLED_EPOCHS = 4


class EpochChips:
    """Chips as a pure function of the seed, the epoch and the proposals, in tables of one length.

    Schedules and loops read the length of a dataset once. It is the largest number of chips of the
    first epochs and a little more. Whatever is left over in an epoch is filled with positive chips
    that come again. Every epoch shows every object: should its positive chips be more than there is
    room for after all, those of some images are the ones of epoch 0, where these are fewer.
    Negative chips take the room that the positive ones leave; those beyond are left out at random.

    Args:
        boxes (BoxTable): Boxes and sizes of all images.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Largest side of a chip in pixels of its level.
        stride (int): Distance of candidate chips in pixels of their level.
        seed (int): Seed of all epochs.
        proposal_file (str or PathLike, optional): Proposals for negative chips. Defaults to None,
            without.
        min_proposals (int | Sequence[int], optional): The fewest of a negative chip, see
            :func:`mmsniper.chips.negative_chips`.
        max_negatives (int): The most negative chips of an image. Defaults to 2.
        room_for_negatives (float): Negative chips per image that there has to be room for, whatever
            the proposals make now. Defaults to 0.

    Attributes:
        levels (BoxLevels): At which levels each of ``boxes`` counts.

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
        proposal_file: str | os.PathLike | None = None,
        min_proposals: int | Sequence[int] | None = None,
        max_negatives: int = 2,
        room_for_negatives: float = 0,
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
        # Counts the changes of both: a file of the same name may have other proposals.
        self._wanted_version = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._loaded_version = 0
        self._proposals: tuple[np.ndarray, np.ndarray] | None = None
        self._images = boxes.boxes, boxes.image_starts, boxes.heights, boxes.widths
        self.levels = box_levels(*self._images, pyramid, chip_size)
        if proposal_file:
            self.set_proposals(proposal_file)
        epochs = range(SAMPLED_EPOCHS)
        positives = [self._draw_positives(epoch) for epoch in epochs]
        self._first_positives = positives[0]
        most = max(map(len, positives))
        # The number varies like a sum over images, so by less than its root.
        self._positive_room = most + round(math.sqrt(most) / 3)
        negatives = [len(self._negatives(epoch, positives[epoch])) for epoch in epochs]
        reserved = math.ceil(room_for_negatives * boxes.num_images)
        self._length = self._positive_room + max(*negatives, reserved)
        self._tables, self._num_generated = {}, {}

    def __setstate__(self, state: dict) -> None:
        """Restore a copy, which shares no memory with the original."""
        self.__dict__.update(state)
        self._min_proposals.share_memory_()
        self._wanted_version.share_memory_()

    def __len__(self) -> int:
        """Number of chips of every epoch."""
        return self._length

    @property
    def has_proposals(self) -> bool:
        """Whether there are proposals to choose negative chips for."""
        return bool(self._wanted_file.get())

    def set_proposals(
        self, proposal_file: str | os.PathLike, min_proposals: int | Sequence[int] | None = None
    ) -> None:
        """Take negative chips from other proposals from now on, in running workers as well.

        The length stays. The file has to stay where it is, since each process reads it.

        Args:
            proposal_file (str or PathLike): See
                :func:`mmsniper.datasets.proposal_file.read_proposals`.
            min_proposals (int | Sequence[int], optional): The fewest of a negative chip from now
                on. Defaults to None, as before.

        Raises:
            InputError: A setting or the file is unusable.
        """
        numbers = self._min_proposals.numpy()
        if min_proposals is not None:
            numbers = read_min_proposals(min_proposals, self.pyramid.num_levels)
        self._load(proposal_file)
        # Only now, so that after an error all is as it was, here and in the workers.
        self._wanted_file.set(proposal_file)
        self._min_proposals.copy_(torch.from_numpy(numbers))
        self._wanted_version += 1
        self._loaded_version = int(self._wanted_version)

    def _follow(self) -> None:
        """Load the proposals that another process may have asked for since."""
        wanted = int(self._wanted_version)
        if wanted != self._loaded_version:
            self._load(self._wanted_file.get())
            self._loaded_version = wanted

    def _load(self, path: str | os.PathLike) -> None:
        self._proposals = match_proposals(read_proposals(path), self.boxes, f'proposal file {path}')
        self._tables, self._num_generated = {}, {}

    def proposals_of(self, image: int) -> np.ndarray:
        """The proposals of an image, (n, 4) float32 xyxy in its pixels, none without a file."""
        self._follow()
        if self._proposals is None:
            return np.zeros((0, 4), np.float32)
        boxes, starts = self._proposals
        return boxes[starts[image] : starts[image + 1]]

    def generate(self, epoch: int) -> ChipTable:
        """All chips of an epoch, as many as there are."""
        positives = self._positives(epoch)
        return ChipTable.join([positives, self._negatives(epoch, positives)])

    def _seeds(self, epoch: int) -> list[int]:
        """The seeds of an epoch's positive and negative chips."""
        sequence = np.random.SeedSequence((self.seed, epoch))
        return sequence.generate_state(2, np.uint64).tolist()

    def _draw_positives(self, epoch: int) -> ChipTable:
        return positive_chips(
            *self._images,
            self.pyramid,
            self.chip_size,
            self.stride,
            self._seeds(epoch)[0],
            valid=self.levels.valid,
        )

    def _positives(self, epoch: int) -> ChipTable:
        """The positive chips of an epoch, not more than there is room for."""
        chips, first = self._draw_positives(epoch), self._first_positives
        excess = len(chips) - self._positive_room
        if excess <= 0:
            return chips
        num_images = self.boxes.num_images
        saved = np.subtract(*(np.bincount(t.image, minlength=num_images) for t in (chips, first)))
        candidates = np.flatnonzero(saved > 0)
        candidates = np.random.default_rng((self.seed, epoch)).permutation(candidates)
        # All of them together save more than the excess, because there is room for epoch 0.
        number = np.searchsorted(np.cumsum(saved[candidates]), excess) + 1
        replaced = np.zeros(num_images, bool)
        replaced[candidates[:number]] = True
        return ChipTable.join([chips[~replaced[chips.image]], first[replaced[first.image]]])

    def _negatives(self, epoch: int, positives: ChipTable) -> ChipTable:
        if self._proposals is None or not self.max_negatives:
            return positives[:0]
        return negative_chips(
            *self._proposals,
            self.boxes.heights,
            self.boxes.widths,
            self.pyramid,
            positives,
            self._min_proposals.tolist(),
            self.max_negatives,
            self.chip_size,
            self.stride,
            self._seeds(epoch)[1],
        )

    def num_generated(self, epoch: int) -> int:
        """How many chips an epoch had before some were left out or repeated."""
        self.table(epoch)
        return self._num_generated[epoch]

    def num_left_out(self, epoch: int) -> int:
        """How many negative chips of an epoch there is no room for."""
        return max(0, self.num_generated(epoch) - self._length)

    def table(self, epoch: int) -> ChipTable:
        """The chips of an epoch, exactly ``len(self)`` of them, ordered by image and level."""
        self._follow()
        if epoch not in self._tables:
            # Workers that fetch ahead across an epoch's end go back and forth between two epochs,
            # and augmentations that mix images also ask for the first one.
            while len(self._tables) >= MAX_TABLES:
                self._tables.pop(next(iter(self._tables)))
            chips = self.generate(epoch)
            # Where all are negative, chance may leave none: those of epoch 0 come again.
            chips = chips if len(chips) else self.generate(0)
            if self._length and not len(chips):
                raise InputError(
                    f'epoch {epoch} has no chips: no image has a box in a valid range, and the '
                    f'proposals of {self._wanted_file.get()} make no negative chip'
                )
            self._num_generated[epoch] = len(chips)
            self._tables[epoch] = self._fit_to_length(chips, epoch)
        else:  # the one used last is the last to go
            self._tables[epoch] = self._tables.pop(epoch)
        return self._tables[epoch]

    def _fit_to_length(self, chips: ChipTable, epoch: int) -> ChipTable:
        """Leave out negative chips, or repeat positive ones (all, where none is positive)."""
        order = np.random.default_rng((self.seed, epoch)).permutation(len(chips))
        positives, negatives = order[~chips.negative[order]], order[chips.negative[order]]
        free = self._length - len(positives)
        repeated = positives if len(positives) else negatives
        extra = np.resize(repeated[::-1], max(free - len(negatives), 0))
        return chips[np.sort(np.concatenate([positives, negatives[:free], extra]))]
