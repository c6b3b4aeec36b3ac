"""Pyramid levels, their scale factors and their valid ranges.

Shapes: n images or boxes, L pyramid levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Union

import numpy as np

from ..errors import InputError

Level = Union[tuple[int, int], float]

# A valid range that holds every size.
OPEN = (-1.0, -1.0)
# A larger factor is a size in pixels that was written without its brackets.
MAX_FACTOR = 100


def box_sizes(boxes: np.ndarray) -> np.ndarray:
    """The size of boxes that valid ranges are about.

    Args:
        boxes (np.ndarray): (n, 4) xyxy.

    Returns:
        np.ndarray: (n,) float32 sqrt(w * h) in the pixels of ``boxes``, 0 for an empty box.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.sqrt(sides[:, 0] * sides[:, 1]).astype(np.float32)


def in_valid_range(sizes: np.ndarray, valid_range: tuple[float, float]) -> np.ndarray:
    """Which boxes a valid range holds.

    Args:
        sizes (np.ndarray): (n,) sqrt(w * h) of boxes in pixels of the original image.
        valid_range (tuple[float, float]): ``[lo, hi)`` in the same unit, -1 for an open end.

    Returns:
        np.ndarray: (n,) bool; a size that is NaN is in no range.
    """
    low, high = _open_ends(valid_range)
    sizes = np.asarray(sizes, dtype=np.float64)
    return (sizes >= low) & (sizes < high)


@dataclass(frozen=True)
class Pyramid:
    """The levels that images are seen at and the sizes of boxes that each of them is for.

    Section 3.1 of the SNIPER paper (arXiv:1805.09300). Lists are turned into tuples, so that a
    pyramid can be compared, hashed and written into a config.

    Args:
        levels (Sequence): One entry per level, fine to coarse: ``(short, long)``, the most
            pixels that the short and the long side of the resized image may have, with -1 for
            no bound (at least one of the two is bounded), or a factor.
        valid_ranges (Sequence): One ``(lo, hi)`` per level on sqrt(w * h) of a box in pixels of
            the original image, half-open: ``lo <= size < hi``. -1 leaves that end open.

    Raises:
        InputError: If the levels or ranges are malformed, differ in number, or the levels are
            not ordered fine to coarse.
    """

    levels: tuple[Level, ...]
    valid_ranges: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        levels = tuple(_read_level(level) for level in _read_sequence('levels', self.levels))
        ranges = tuple(
            _read_range(bounds) for bounds in _read_sequence('valid_ranges', self.valid_ranges)
        )
        if len(levels) != len(ranges):
            raise InputError(
                f'levels has {len(levels)} entries but valid_ranges has {len(ranges)}; give one '
                f'range per level (levels={levels!r}, valid_ranges={ranges!r}).'
            )
        _check_order(levels)
        object.__setattr__(self, 'levels', levels)
        object.__setattr__(self, 'valid_ranges', ranges)

    @property
    def num_levels(self) -> int:
        """Number of levels, L."""
        return len(self.levels)

    def scale_factors(self, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """The factor that takes each image to each level, its aspect ratio kept.

        Args:
            heights (np.ndarray): (n,) heights of the original images in pixels.
            widths (np.ndarray): (n,) widths.

        Returns:
            np.ndarray: (n, L) float64, equal to that of ``mmcv.rescale_size``.

        Raises:
            InputError: If a height or width is not a positive number.
        """
        heights = np.asarray(heights, dtype=np.float64).reshape(-1)
        widths = np.asarray(widths, dtype=np.float64).reshape(-1)
        check_sides(heights, widths)
        short, long = np.minimum(heights, widths), np.maximum(heights, widths)
        factors = np.empty((len(heights), self.num_levels), dtype=np.float64)
        for index, level in enumerate(self.levels):
            factors[:, index] = _level_factors(level, short, long)
        return factors

    def in_range(self, sizes: np.ndarray) -> np.ndarray:
        """Which boxes each level is for.

        Args:
            sizes (np.ndarray): (n,) sqrt(w * h) of boxes in pixels of the original image.

        Returns:
            np.ndarray: (n, L) bool; a size that is NaN is in no range.
        """
        return np.stack([in_valid_range(sizes, bounds) for bounds in self.valid_ranges], axis=1)

    @property
    def holes(self) -> list[tuple[float, float]]:
        """The sizes ``[lo, hi)`` between the smallest and the largest bound that no range holds."""
        found = []
        bounds = sorted(_open_ends(bounds) for bounds in self.valid_ranges)
        reached = bounds[0][1]
        for low, high in bounds[1:]:
            if low > reached:
                found.append((reached, low))
            reached = max(reached, high)
        return found

    def check_ranges(self, owner: str, allow_holes: bool = False) -> None:
        """Raise an InputError where the valid ranges fall, or leave out sizes between their ends.

        They fall where a level is for smaller objects than a finer one. A range may hold another.

        Args:
            owner (str): What has these ranges, and a parameter ``allow_holes``.
            allow_holes (bool): Whether they may leave out sizes. Defaults to False.
        """
        ranges = self.valid_ranges
        ends = [_open_ends(bounds) for bounds in ranges]
        for coarse, (low, high) in enumerate(ends):
            for fine, (fine_low, fine_high) in enumerate(ends[:coarse]):
                if (low, high) != (fine_low, fine_high) and low <= fine_low and high <= fine_high:
                    raise InputError(
                        f'valid_ranges={list(ranges)} of {owner} must rise from fine to coarse '
                        f'levels, but {ranges[coarse]} comes after {ranges[fine]} and is for '
                        'smaller objects'
                    )
        if self.holes and not allow_holes:
            sizes = ' and '.join(f'from {low:g} up to {high:g} px' for low, high in self.holes)
            raise InputError(
                f'no range in valid_ranges={list(ranges)} of {owner} holds objects {sizes}, which '
                'would never be trained on or detected; let the ranges overlap, or set '
                'allow_holes=True if that is meant'
            )

    def check_order_in(self, names: Sequence[str], heights: np.ndarray, widths: np.ndarray) -> None:
        """Raise an InputError where a level is finer than the one before it in some image.

        Factors and sizes in pixels can be compared in an image only.

        Args:
            names (Sequence[str]): What to call each of n images in the error.
            heights (np.ndarray): (n,) heights of the images in pixels.
            widths (np.ndarray): (n,) widths.
        """
        factors = self.scale_factors(heights, widths)
        finer = factors[:, 1:] > factors[:, :-1] * (1 + 1e-9)
        if finer.any():
            image, level = np.argwhere(finer)[0]
            raise InputError(
                f'levels={list(self.levels)} must be ordered fine to coarse, but in '
                f'{finer.any(axis=1).sum()} of {len(finer)} images, such as {names[image]} of '
                f'{widths[image]}x{heights[image]} pixels, {self.levels[level + 1]!r} (factor '
                f'{factors[image, level + 1]:.3g}) is finer than {self.levels[level]!r} before it '
                f'(factor {factors[image, level]:.3g}); write all levels as factors, or all as '
                '(short, long)'
            )


def check_sides(heights: np.ndarray, widths: np.ndarray) -> None:
    """Raise unless there is one positive, finite height and width per image."""
    if len(heights) != len(widths):
        raise InputError(
            f'heights has {len(heights)} entries but widths has {len(widths)}; give one per image.'
        )
    wrong = np.flatnonzero(
        ~((heights > 0) & (widths > 0) & np.isfinite(heights) & np.isfinite(widths))
    )
    if len(wrong):
        image = wrong[0]
        raise InputError(
            f'Image {image} has height {heights[image]:g} and width {widths[image]:g}; both must '
            'be positive numbers of pixels.'
        )


def _level_factors(level: Level, short: np.ndarray, long: np.ndarray) -> np.ndarray:
    """Factors of one level for images of the given short and long sides, all (n,) float64."""
    if isinstance(level, float):
        return np.full(len(short), level)
    max_short, max_long = level
    if max_short < 0:
        return max_long / long
    if max_long < 0:
        return max_short / short
    return np.minimum(max_short / short, max_long / long)


def _read_sequence(key: str, value: Any) -> Sequence:
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, np.ndarray)):
        raise InputError(f'{key}={value!r} must be a list with one entry per level.')
    if len(value) == 0:
        raise InputError(f'{key}={value!r} is empty; give one entry per level.')
    return value


def _is_pair(value: Any, kind: type) -> bool:
    return (
        isinstance(value, (Sequence, np.ndarray))
        and len(value) == 2
        and all(isinstance(part, kind) and not isinstance(part, bool) for part in value)
    )


def _read_level(level: Any) -> Level:
    if isinstance(level, Real) and not isinstance(level, bool):
        if not 0 < level <= MAX_FACTOR:
            raise InputError(
                f'levels holds the factor {level!r}; a factor lies above 0 and up to {MAX_FACTOR}, '
                'and a size in pixels is written as (short, long) with -1 for no bound.'
            )
        return float(level)
    if not _is_pair(level, Integral):
        raise InputError(
            f'levels holds {level!r}; a level is (short, long) in whole pixels with -1 for no '
            'bound, or a factor.'
        )
    short, long = (int(side) for side in level)
    if any(side != -1 and side <= 0 for side in (short, long)):
        raise InputError(f'levels holds {level!r}; a side is a positive number of pixels or -1.')
    if short == long == -1:
        raise InputError(f'levels holds {level!r}; at least one side needs a bound.')
    if -1 < long < short:
        raise InputError(
            f'levels holds {level!r} with the short side above the long one; write (short, long).'
        )
    return short, long


def _read_range(bounds: Any) -> tuple[float, float]:
    if not _is_pair(bounds, Real) or not np.isfinite(np.array(bounds, dtype=np.float64)).all():
        raise InputError(
            f'valid_ranges holds {bounds!r}; a range is (lo, hi) in pixels with -1 for an open end.'
        )
    low, high = (float(bound) for bound in bounds)
    if any(bound < 0 and bound != -1 for bound in (low, high)):
        raise InputError(f'valid_ranges holds {bounds!r}; a bound is 0 or more, or -1 for open.')
    if high != -1 and high <= max(low, 0):
        raise InputError(f'valid_ranges holds {bounds!r}, which no box fits; lo must be below hi.')
    return low, high


def _check_order(levels: tuple[Level, ...]) -> None:
    """Raise unless each level is at least as fine as the next, on square and on 2:1 images.

    A factor and a size in pixels cannot be compared without the image, and are not.
    """
    short, long = np.array([1.0, 1.0]), np.array([1.0, 2.0])
    for fine, coarse in zip(levels[:-1], levels[1:]):
        if isinstance(fine, float) != isinstance(coarse, float):
            continue
        if (_level_factors(fine, short, long) < _level_factors(coarse, short, long)).any():
            raise InputError(
                f'levels={levels!r} must be ordered fine to coarse, but {coarse!r} comes after '
                f'{fine!r} and is finer.'
            )


def _open_ends(bounds: tuple[float, float]) -> tuple[float, float]:
    """A range with infinity in place of -1."""
    low, high = bounds
    return (-np.inf if low < 0 else low, np.inf if high < 0 else high)
