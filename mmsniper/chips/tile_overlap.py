"""Whether neighbouring tiles share enough for each object to be whole in one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def overlap_warning(
    valid_ranges: Sequence[tuple[float, float]],
    scales: np.ndarray,
    is_tiled: np.ndarray,
    tile_size: int,
    tile_overlap: float,
) -> str | None:
    """What to say where tiles share less than the objects of their level need.

    An object larger than what neighbours share may be cut by all tiles. That is none of a coarser
    level's objects, which shows them whole, so :func:`lone_sizes` count.

    Args:
        valid_ranges (Sequence[tuple]): Of each level, fine to coarse, see
            :class:`mmsniper.chips.Pyramid`.
        scales (np.ndarray): The scale factors of images, shape (n, L).
        is_tiled (np.ndarray): Which images have several tiles at a level, shape (n, L), bool.
        tile_size (int): The largest side of a tile in pixels of its level.
        tile_overlap (float): The least share of it that the next one overlaps.

    Returns:
        str | None: A sentence, or None where all is well.
    """
    sizes = np.array(lone_sizes(valid_ranges))
    # Objects of an open range are of any size, so that nothing would be enough.
    largest = np.where(np.isfinite(sizes), sizes, 0) * np.asarray(scales) * is_tiled
    needed = largest.max(axis=0, initial=0)
    level, shared = int(needed.argmax()), tile_size * tile_overlap
    if needed[level] <= shared * (1 + 1e-9):
        return None
    share = math.ceil(100 * needed[level] / tile_size) / 100
    advice = f'tile_overlap={share} or ' if share < 1 else ''
    return (
        f'tiles share {shared:.0f} px with the next one, but objects that are for level {level} '
        f'alone have up to {needed[level]:.0f} px there: what no tile shows whole is not found. '
        f'Set {advice}a larger tile_size.'
    )


def lone_sizes(valid_ranges: Sequence[tuple[float, float]]) -> list[float]:
    """Up to which size objects are for each level and for no coarser one.

    Args:
        valid_ranges (Sequence[tuple]): Of each level, fine to coarse.

    Returns:
        list[float]: On sqrt(w * h) in pixels of the image; 0 where a coarser level is for all that
        this one is for, infinite where the range is open and no coarser one is for large objects.
    """
    ranges = [
        (0.0 if low < 0 else low, math.inf if high < 0 else high) for low, high in valid_ranges
    ]
    found = []
    for level, (low, end) in enumerate(ranges):
        coarser = ranges[level + 1 :]
        while covering := [begin for begin, stop in coarser if begin < end <= stop]:
            end = min(covering)
        found.append(end if end > low else 0.0)
    return found
