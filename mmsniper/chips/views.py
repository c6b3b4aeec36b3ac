"""The views of images at test time: whole images or tiles, at every level of the pyramid."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .pyramid import Pyramid
from .table import ChipTable


def pyramid_views(
    heights: np.ndarray,
    widths: np.ndarray,
    pyramid: Pyramid,
    tile_size: int | None = None,
    tile_overlap: float = 0.25,
) -> ChipTable:
    """List the views of images.

    A level at which an image is larger than a tile is split into the fewest tiles that overlap
    enough, spread evenly, so that the first and the last one end at the image's borders. They are
    no larger than that takes: an image little longer than a tile becomes two small ones. At levels
    of a half, a quarter or an eighth the others begin where a pixel of the level does, so that
    files which can be decoded at that size need no interpolation.

    Args:
        heights (np.ndarray): Heights of the images in pixels, shape (m,).
        widths (np.ndarray): Widths of the images in pixels, shape (m,).
        pyramid (Pyramid): Levels, fine to coarse.
        tile_size (int, optional): Largest side of a view in pixels of its level. Defaults to None,
            whole images.
        tile_overlap (float): What a tile and the next one share at least, as a share of
            ``tile_size``, within [0, 1). Defaults to 0.25.

    Returns:
        ChipTable: The views, ordered by image, level, row and column.

    Raises:
        InputError: ``tile_size`` is not positive, or ``tile_overlap`` not within [0, 1).
    """
    if tile_size is not None and not tile_size > 0:
        raise InputError(f'tile_size must be positive or None, but is {tile_size}')
    if not 0 <= tile_overlap < 1:
        raise InputError(f'tile_overlap must be at least 0 and below 1, but is {tile_overlap}')
    heights, widths = np.asarray(heights, np.int64), np.asarray(widths, np.int64)
    scales = pyramid.scale_factors(heights, widths).reshape(-1)
    image = np.repeat(np.arange(len(heights)), pyramid.num_levels)
    level = np.tile(np.arange(pyramid.num_levels), len(heights))
    sides = np.stack([widths[image], heights[image]], axis=1)
    tiles = sides
    if tile_size is not None:
        tile_sides = np.maximum(1, np.floor(tile_size / scales + 1e-6)).astype(np.int64)
        tiles = np.minimum(sides, tile_sides[:, None])
    grid = _file_grid(scales)[:, None]
    steps = np.maximum(grid, np.floor(tiles * (1 - tile_overlap)) // grid * grid)
    counts = np.ceil((sides - tiles) / steps).astype(np.int64) + 1
    # What they share, and a step of the grid that rounding may take from it.
    shared = tiles - steps + grid
    fitting = np.ceil((sides + (counts - 1) * shared) / counts / grid) * grid
    tiles = np.minimum(tiles, fitting.astype(np.int64))

    num_tiles = counts.prod(axis=1)
    row = np.repeat(np.arange(len(image)), num_tiles)
    within = np.arange(num_tiles.sum()) - np.repeat(np.cumsum(num_tiles) - num_tiles, num_tiles)
    position = np.stack([within % counts[row, 0], within // counts[row, 0]], axis=1)
    free = (sides - tiles)[row]
    corners = np.rint(position * free / np.maximum(counts[row] - 1, 1))
    inner = (position > 0) & (position < counts[row] - 1)
    corners = np.where(inner, corners // grid[row] * grid[row], corners)
    return ChipTable(
        image=image[row],
        level=level[row],
        boxes=np.concatenate([corners, corners + tiles[row]], axis=1).astype(np.float32),
    )


def _file_grid(scales: np.ndarray) -> np.ndarray:
    """How many pixels of an image are just one of a level that its file may hold, else 1."""
    return np.select([scales == 1 / ratio for ratio in (2, 4, 8)], [2, 4, 8], 1)
