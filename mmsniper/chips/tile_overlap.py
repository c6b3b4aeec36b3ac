"""Whether neighbouring tiles share enough for each object to be whole in one of them."""

from __future__ import annotations

import math

import numpy as np

from .pyramid import Pyramid


def overlap_warning(
    pyramid: Pyramid,
    scales: np.ndarray,
    is_tiled: np.ndarray,
    tile_size: int,
    tile_overlap: float,
) -> str | None:
    """What to say where tiles share less than the objects of their level need.

    An object larger than what neighbours share may be cut by all tiles. That is none of a coarser
    level's objects, which shows them whole, so :func:`lone_sizes` count.

    Args:
        pyramid (Pyramid): Levels, fine to coarse.
        scales (np.ndarray): The scale factors of images, shape (n, L).
        is_tiled (np.ndarray): Which images have several tiles at a level, shape (n, L), bool.
        tile_size (int): The largest side of a tile in pixels of its level.
        tile_overlap (float): The least share of it that the next one overlaps.

    Returns:
        str | None: A sentence, or None where all is well.
    """
    sizes = lone_sizes(pyramid)
    # Objects of an open range are of any size, so that nothing would be enough.
    largest = np.where(np.isfinite(sizes), sizes, 0) * np.asarray(scales) * is_tiled
    needed = largest.max(axis=0, initial=0)
    level, shared = int(needed.argmax()), tile_size * tile_overlap
    if needed[level] <= shared:
        return None
    share = math.ceil(100 * needed[level] / tile_size) / 100
    advice = f'tile_overlap={share} or ' if share < 1 else ''
    return (
        f'tiles share {shared:.0f} px with the next one, but objects that are for level {level} '
        f'alone have up to {needed[level]:.0f} px there: what no tile shows whole is not found. '
        f'Set {advice}a larger tile_size.'
    )


def lone_sizes(pyramid: Pyramid) -> np.ndarray:
    """Up to which size objects are for each level and for no coarser one.

    An object that no tile of such a level shows whole is found nowhere.

    Args:
        pyramid (Pyramid): Levels, fine to coarse.

    Returns:
        np.ndarray: On sqrt(w * h) in pixels of the image, shape (L,), float64; infinite at levels
        whose range is open while no coarser one is for large objects.
    """
    low, high = np.array(pyramid.valid_ranges, np.float64).reshape(-1, 2).T
    low, high = np.where(low < 0, 0, low), np.where(high < 0, np.inf, high)
    # The lowest end of all coarser ranges.
    begins = np.append(np.minimum.accumulate(low[::-1])[::-1][1:], np.inf)
    return np.minimum(high, begins)
