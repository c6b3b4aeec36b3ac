"""Positive chips: a small set of chips that together contain all objects of the right size.

Shapes: n boxes, m images, L pyramid levels.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .arguments import read_image_boxes, read_pixels, read_seed
from .cover import cover_images
from .pyramid import Pyramid, box_sizes
from .table import ChipTable

# A box with a shorter side inside the image, in original pixels, is not worth a chip at the
# finest level, where most of the chips are.
MIN_SIDE = 2.0


def positive_chips(
    boxes: np.ndarray,
    image_starts: np.ndarray,
    heights: np.ndarray,
    widths: np.ndarray,
    pyramid: Pyramid,
    chip_size: int = 512,
    stride: int = 32,
    seed: int | np.random.Generator = 0,
    cover_long: bool = True,
    valid: np.ndarray | None = None,
) -> ChipTable:
    """Cover the valid boxes of every image at every level with few chips.

    Section 3.1 of the SNIPER paper (arXiv:1805.09300). Candidates are the chips on a grid of
    ``stride`` level pixels that starts at a random offset, and at the image's borders; boxes that
    fit into a chip but fall between two grid positions get a position of their own. Of these the
    one that wholly contains most valid boxes not yet covered is taken, ties at random, until none
    is left. So every valid box that fits lies wholly in some chip of its level.

    A box is valid at a level whose range holds its size; at the finest level both its sides must
    also have 2 pixels inside the image. Boxes that stick out of the image count with the part
    inside. A box fits if the whole pixels it touches do.

    Args:
        boxes (np.ndarray): (n, 4) float32 xyxy in original pixels, image after image.
        image_starts (np.ndarray): (m + 1,) int64; the boxes of image i are
            ``boxes[image_starts[i]:image_starts[i + 1]]``.
        heights (np.ndarray): (m,) heights of the images in whole pixels.
        widths (np.ndarray): (m,) widths.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Longest side of a chip after resizing to its level. Defaults to 512.
        stride (int): Stride of the grid in pixels of the level. Defaults to 32.
        seed (int | np.random.Generator): The same seed gives the same chips on every machine, and
            those of an image do not depend on the other images. Defaults to 0.
        cover_long (bool): Whether to cover boxes that are nearly as long as a chip. The original
            SNIPER leaves out those with a side of ``chip_size - stride - 1`` level pixels or
            more, except at the coarsest level, because they may fall between its grid positions.
            On COCO this saves about one chip in a hundred. Defaults to True.
        valid (np.ndarray, optional): (n, L) bool, at which levels each box is valid, as
            :func:`box_levels` finds it, which leaves out no box for being too long at its levels.
            Defaults to None, where the range holds its size.

    Returns:
        ChipTable: The chips, by image, then by level; each lies inside its image.

    Raises:
        InputError: If an array has the wrong shape, a box is not finite, an image has no pixels,
            or ``chip_size``, ``stride`` or ``seed`` is out of range.
    """
    boxes, image_starts, heights, widths = read_image_boxes(
        'boxes', boxes, image_starts, heights, widths
    )
    chip_size, stride = read_pixels('chip_size', chip_size), read_pixels('stride', stride)
    if valid is None:
        valid = pyramid.in_range(box_sizes(boxes))
    elif np.shape(valid) != (len(boxes), pyramid.num_levels):
        raise InputError(
            f'valid has shape {np.shape(valid)}; it must be ({len(boxes)}, {pyramid.num_levels}), '
            'boxes by levels.'
        )
    max_side = np.full(pyramid.num_levels, np.inf)
    if not cover_long:
        max_side[:-1] = chip_size - stride - 1
    image, level, chips = cover_images(
        boxes,
        image_starts,
        heights,
        widths,
        pyramid.scale_factors(heights, widths),
        np.require(valid, dtype=bool, requirements='CAW'),
        chip_size,
        stride,
        shortest_sides(pyramid),
        max_side,
        np.ones(pyramid.num_levels, np.int64),
        read_seed(seed),
    )
    return ChipTable(image, level, chips)


def shortest_sides(pyramid: Pyramid) -> np.ndarray:
    """The shortest side of a box that each level covers, (L,) float64 in original pixels."""
    sides = np.zeros(pyramid.num_levels)
    sides[0] = MIN_SIDE
    return sides
