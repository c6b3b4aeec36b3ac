"""Which views of an image are looked at: of all levels of a pyramid, or whole and in tiles."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from mmengine.logging import print_log

from mmsniper.chips import OPEN, Pyramid, overlap_warning, pyramid_views
from mmsniper.errors import InputError
from mmsniper.focus import CoarseToFine, FocusSettings, Level, read_focus
from mmsniper.utils.settings import check_limit, check_number

# What tiles were warned of.
_said: set[tuple] = set()

# A view of a level that nobody has asked to tile, up to this side in pixels of the level.
LARGEST_WHOLE = 2048
# The side of the tiles that it is split into otherwise.
DEFAULT_TILE = 1024
SMALLEST_TILE = 32

# Where an image is not larger than this times what the detector sees of it as a whole, tiles at its
# own resolution would show nothing new.
_WORTH_TILES = 1.2
# Between the image's own resolution and the whole view lie levels at this distance, so that what is
# too large for tiles and too small for the whole view is seen too.
_STEP = 4


@dataclass(frozen=True)
class Views:
    """The views of an image.

    Attributes:
        boxes: Shape (v, 4), float32 with integer values, xyxy in pixels of the image, half-open.
        levels: Shape (v,), int64, the level of each, 0 is the finest.
        scales: The scale factor of each level.
        valid_ranges: The valid range of each level, on sqrt(w*h) in pixels of the image.
    """

    boxes: np.ndarray
    levels: np.ndarray
    scales: Sequence[float]
    valid_ranges: Sequence[tuple[float, float]]

    def __len__(self) -> int:
        return len(self.levels)


@dataclass(frozen=True)
class ViewPlan:
    """How images are looked at.

    Args:
        levels: Pyramid levels, fine to coarse, see :class:`mmsniper.chips.Pyramid`. None of a
            detector that was not trained on chips: an image is seen whole at ``whole_level``, and
            in tiles at its own resolution where it is larger (and at a quarter and a sixteenth of
            it where it is much larger).
        valid_ranges: Of each level; None if they are open.
        tile_size: The largest side of a view in pixels of its level, -1 for no limit (without
            ``levels`` for the whole view alone). None for tiles of 1024 pixels where the long side
            has more than 2048.
        tile_overlap: The smallest share of a tile that the next one overlaps, within [0, 1).
        whole_level: What the whole image is resized to, as a level; needed without ``levels``.
        focus: Whether finer levels are looked at only where coarser ones say that small objects may
            be, and how: see :class:`mmsniper.focus.FocusSettings`, or a dict of its arguments.

    Raises:
        InputError: A setting is impossible.
    """

    levels: Sequence | None = None
    valid_ranges: Sequence | None = None
    tile_size: int | None = None
    tile_overlap: float = 0.25
    whole_level: tuple[int, int] | float | None = None
    focus: FocusSettings | Mapping | bool | None = None

    def __post_init__(self) -> None:
        if self.levels is None and self.valid_ranges is not None:
            raise InputError('valid_ranges are those of levels: give levels, too')
        if self.levels is not None and self.valid_ranges is None:
            object.__setattr__(self, 'valid_ranges', [OPEN] * len(tuple(self.levels)))
        object.__setattr__(self, 'focus', read_focus(self.focus))
        if self.levels is not None:
            object.__setattr__(self, '_pyramid', Pyramid(self.levels, self.valid_ranges))
            if self.focus is not None:
                self.focus.check_steps(self._pyramid.num_levels)
        if self.tile_size is not None:
            check_limit('PyramidInferencer', 'tile_size', self.tile_size, 'pixels')
            if 0 < self.tile_size < SMALLEST_TILE:
                raise InputError(
                    f'tile_size={self.tile_size} is too small to see anything in: give '
                    f'{SMALLEST_TILE} pixels or more, or -1 for whole images'
                )
        check_number('PyramidInferencer', 'tile_overlap', self.tile_overlap, 0)
        if self.tile_overlap >= 1:
            raise InputError(
                f'tile_overlap={self.tile_overlap} is the share of a tile that the next one '
                'overlaps: give 0 or more and less than 1'
            )

    def with_settings(self, **settings: object) -> ViewPlan:
        """The plan with some settings changed, those that are not None."""
        given = {key: value for key, value in settings.items() if value is not None}
        if isinstance(given.get('focus'), Mapping) and isinstance(self.focus, FocusSettings):
            given['focus'] = {**vars(self.focus), **given['focus']}
        if given.get('focus') is True and self.focus is not None:
            del given['focus']
        if 'levels' in given:  # the ranges are those of other levels
            given.setdefault('valid_ranges', None)
        return replace(self, **given)

    def views(self, width: int, height: int) -> Views:
        """The views of an image.

        Args:
            width: Of the image, pixels.
            height: Likewise.
        """
        levels, parts = self.levels_of(width, height), []
        for level in levels:
            pyramid = Pyramid([level.scale], [OPEN])
            table = pyramid_views([height], [width], pyramid, level.tile_size, self.tile_overlap)
            parts.append(table.boxes)
        return Views(
            boxes=np.concatenate(parts),
            levels=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            scales=[level.scale for level in levels],
            valid_ranges=tuple(level.valid_range for level in levels),
        )

    def search(self, width: int, height: int) -> CoarseToFine:
        """The search that decides on the views of an image; needs ``focus``.

        Args:
            width: Of the image, pixels.
            height: Likewise.
        """
        levels = self.levels_of(width, height)
        return CoarseToFine((width, height), levels, self.focus, self.tile_overlap)

    def levels_of(self, width: int, height: int) -> list[Level]:
        """The levels at which an image is seen, fine to coarse.

        Args:
            width: Of the image, pixels.
            height: Likewise.
        """
        levels, ranges, whole_last = self._levels_of(width, height)
        found = []
        for index, (level, valid_range) in enumerate(zip(levels, ranges)):
            pyramid = Pyramid([level], [valid_range])
            scale = float(pyramid.scale_factors([height], [width])[0, 0])
            is_whole = whole_last and index == len(levels) - 1
            tile = None if is_whole else self._tile_size(max(width, height) * scale)
            found.append(Level(scale, valid_range, tile))
        self._look_at_overlap(found, max(width, height))
        return found

    def _look_at_overlap(self, levels: Sequence[Level], long_side: int) -> None:
        """Warn where tiles share less than the objects of their level need."""
        tiles = {level.tile_size for level in levels} - {None}
        if not tiles:
            return
        scales = np.array([[level.scale for level in levels]])
        has_tiles = np.array([[level.tile_size is not None for level in levels]])
        tile = tiles.pop()  # all have the same
        ranges = tuple(level.valid_range for level in levels)
        is_tiled = has_tiles & (long_side * scales > tile)
        sentence = overlap_warning(ranges, scales, is_tiled, tile, self.tile_overlap)
        said = (ranges, tile, self.tile_overlap)
        if sentence and said not in _said:  # each of thousands of pictures would say it
            _said.add(said)
            print_log(f'PyramidInferencer: {sentence}', 'current', logging.WARNING)

    def _levels_of(self, width: int, height: int) -> tuple[Sequence, Sequence, bool]:
        """Levels, valid ranges, and whether the last level is seen whole in any case."""
        if self.levels is not None:
            return self._pyramid.levels, self._pyramid.valid_ranges, False
        whole = Pyramid([self.whole_level], [OPEN])
        factor = float(whole.scale_factors([height], [width])[0, 0])
        levels: list = []
        if factor * _WORTH_TILES < 1 and self.tile_size != -1:
            finer = 1.0
            while not levels or finer > factor * 2:
                levels.append(finer)
                finer /= _STEP
        levels.append(self.whole_level)
        return levels, [OPEN] * len(levels), True

    def _tile_size(self, long_side: float) -> int | None:
        if self.tile_size is None:
            return None if long_side <= LARGEST_WHOLE else DEFAULT_TILE
        return None if self.tile_size == -1 else self.tile_size
