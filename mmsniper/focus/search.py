"""Which views of an image are looked at, level by level, from the coarsest to the finest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mmsniper.chips import OPEN, Pyramid, box_sizes, pyramid_views
from mmsniper.errors import InputError

from .chips import focus_chips, grow
from .maps import FocusGrid, calling_sizes
from .settings import FocusSettings, Step

# More views than any level of an image has.
_LEVEL_NUMBERS = 1 << 32


@dataclass(frozen=True)
class Level:
    """A level at which an image is seen.

    Attributes:
        scale: The scale factor.
        valid_range: On sqrt(w*h) in pixels of the image.
        tile_size: The largest side of a view in pixels of the level; None for no limit.
    """

    scale: float
    valid_range: tuple[float, float]
    tile_size: int | None = None


@dataclass(frozen=True, eq=False)
class View:
    """A part of an image that is looked at.

    Attributes:
        chip: xyxy in whole pixels of the image, half-open, shape (4,), float32.
        level: Of the pyramid, 0 is the finest.
        number: Grows from the finest level to the coarsest, and within a level as that of the
            pyramid's views does.
    """

    chip: np.ndarray
    level: int
    number: int


class Marks(NamedTuple):
    """What a view marked.

    Attributes:
        stride: The side of a cell in pixels of the level.
        cells: The marked ones by their places in the map of the whole image, row by row, rising,
            int64.
    """

    stride: int
    cells: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON, from which :meth:`from_json` makes the same again."""
        ends = np.flatnonzero(np.diff(self.cells, append=-1) != 1)
        starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
        runs = np.stack([self.cells[starts], ends - starts + 1], axis=1)
        return dict(stride=self.stride, runs=runs.tolist())

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Marks:
        """What :meth:`to_json` has written."""
        starts, counts = np.array(content['runs'], np.int64).reshape(-1, 2).T
        firsts = np.cumsum(counts) - counts
        cells = np.arange(counts.sum()) + np.repeat(starts - firsts, counts)
        return cls(content['stride'], cells)


class CoarseToFine:
    """The search for small objects in an image.

    It begins with all of the image at the coarsest level. When all views of a level have been seen,
    those of the next finer one are there: the focus chips, in tiles where they are larger, and of
    these just the ones in which something may be. It ends with the finest level, or where nothing
    calls for a finer one.

    Args:
        size: Width and height of the image in pixels.
        levels: Fine to coarse.
        settings: How to go from one to the next.
        tile_overlap: The smallest share of a tile that the next one overlaps.

    Attributes:
        views: Those to look at now; empty when the search is at its end.
        level: The level that they are of.
        pixels: How many pixels of its level each level's views have so far, shape (levels,).
    """

    def __init__(
        self,
        size: tuple[int, int],
        levels: Sequence[Level],
        settings: FocusSettings,
        tile_overlap: float = 0.25,
    ) -> None:
        settings.check_steps(len(levels))
        self.size = size
        self.levels = levels
        self.settings = settings
        self.tile_overlap = tile_overlap
        self._stopped = False
        self.pixels = np.zeros(len(levels))
        self._whole = np.array([[0, 0, *size]], np.float32)
        self._begin(len(levels) - 1, self._tiles(len(levels) - 1, self._whole))

    @property
    def pyramid_pixels(self) -> np.ndarray:
        """How many pixels the views of the whole pyramid have at each level, shape (levels,)."""
        tiles = [self._tiles(level, self._whole) for level in range(len(self.levels))]
        return np.array([self._count(level, boxes) for level, boxes in enumerate(tiles)])

    def marks(
        self,
        chip: np.ndarray,
        boxes: np.ndarray,
        scores: np.ndarray,
        focus_map: tuple[np.ndarray, int] | None = None,
    ) -> Marks | None:
        """Where what one of ``views`` saw calls for the next finer level.

        Args:
            chip: Of the view.
            boxes: All that the detector found in it, xyxy in pixels of the image, shape (n, 4).
            scores: Of each, shape (n,).
            focus_map: What a head predicts: probabilities of cells, shape (h, w), and the side of a
                cell in pixels of the level.

        Returns:
            What is to be given to :meth:`see`; None of the finest level.

        Raises:
            InputError: The settings ask for a head, and there is none.
        """
        if self.level == 0:
            return None
        source, threshold = self.settings.source, self._step.threshold
        if source == 'head' and focus_map is None:
            raise InputError(
                "focus has source='head', but the detector has no focus head: use a FocusDetector, "
                "or source='detections'"
            )
        if source != 'detections' and focus_map is not None:
            probabilities, stride = focus_map
            grid = self._new_grid(stride)
            grid.mark_view(chip, probabilities, threshold)
        else:
            grid = self._new_grid(self.settings.stride)
            if threshold == 0:
                grid.mark_boxes(chip[None])
            else:
                grid.mark_boxes(self._calling(boxes[scores >= threshold]))
        return Marks(grid.stride, np.flatnonzero(grid.marked))

    def see(self, marks: Marks | None) -> None:
        """Take note of one of ``views``; after the last one, those of the next level come.

        Args:
            marks: Of :meth:`marks`, now or in an earlier run; None of a view that calls for
                nothing.
        """
        if marks is not None:
            if self._grid is None:
                self._grid = self._new_grid(marks.stride)
            self._grid.marked.flat[marks.cells] = True
        self._num_unseen -= 1
        if self._num_unseen == 0:
            self._go_on()

    def stop(self) -> None:
        """Ask for no further level."""
        self._stopped = True

    def _calling(self, boxes: np.ndarray) -> np.ndarray:
        """Those boxes, in pixels of the image, that the next finer level is to look at."""
        own, finer = self.levels[self.level], self.levels[self.level - 1]
        low, high = calling_sizes(
            own.scale, own.valid_range, finer.valid_range, self.settings.sizes
        )
        boxes = boxes[np.isfinite(boxes).all(1)]
        sizes = box_sizes(boxes)
        return boxes[(sizes >= low) & (sizes < high)]

    @property
    def _step(self) -> Step:
        num_steps = len(self.levels) - 1
        return self.settings.step(num_steps - self.level, num_steps)

    def _new_grid(self, stride: int) -> FocusGrid:
        return FocusGrid(self.size, self.levels[self.level].scale, stride)

    def _go_on(self) -> None:
        """To the next finer level, or to the end."""
        grid, level = self._grid, self.level - 1
        self.views = []
        if grid is None or level < 0 or self._stopped:
            return
        step = self._step
        grown = grow(grid.marked, step.dilation)
        chips = grid.to_image(focus_chips(grown, step.min_cells), self.size)
        tiles = self._tiles(level, chips)
        self._begin(level, tiles[grid.holds_any(grown, tiles)])

    def _tiles(self, level: int, chips: np.ndarray) -> np.ndarray:
        """Chips, shape (n, 4), those larger than a tile of a level in tiles."""
        own = self.levels[level]
        sides = (chips[:, 2:] - chips[:, :2]).astype(np.int64)
        if len(chips) == 0:
            return chips
        pyramid = Pyramid([own.scale], [OPEN])
        table = pyramid_views(sides[:, 1], sides[:, 0], pyramid, own.tile_size, self.tile_overlap)
        return table.boxes + np.tile(chips[table.image, :2], 2)

    def _begin(self, level: int, boxes: np.ndarray) -> None:
        self.level, self._grid = level, None
        self.views = [
            View(box, level, level * _LEVEL_NUMBERS + place) for place, box in enumerate(boxes)
        ]
        self._num_unseen = len(self.views)
        self.pixels[level] = self._count(level, boxes)

    def _count(self, level: int, boxes: np.ndarray) -> float:
        """How many pixels of a level the boxes have together."""
        return float(((boxes[:, 2:] - boxes[:, :2]) * self.levels[level].scale).prod(1).sum())
