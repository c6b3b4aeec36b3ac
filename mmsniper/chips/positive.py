"""Positive chips: a small set of chips that together contain all objects of the right size.

Shapes: n boxes, m images, L pyramid levels.
"""

from numbers import Integral
from typing import Any, Union

import numpy as np

from ..errors import InputError
from .cover import cover_images
from .pyramid import Pyramid, _check_sides, box_sizes
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
    seed: Union[int, np.random.Generator] = 0,
    cover_long: bool = True,
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

    Returns:
        ChipTable: The chips, by image, then by level; each lies inside its image.

    Raises:
        InputError: If an array has the wrong shape, a box is not finite, an image has no pixels,
            or ``chip_size``, ``stride`` or ``seed`` is out of range.
    """
    # Writable, because Numba would compile the kernels once more for read-only arrays.
    boxes = np.require(boxes, dtype=np.float32, requirements='CAW')
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f'boxes has shape {boxes.shape}; it must be (n, 4), x1 y1 x2 y2.')
    heights = _read_integers('heights', heights)
    widths = _read_integers('widths', widths)
    _check_sides(heights, widths)
    image_starts = _read_integers('image_starts', image_starts)
    _check_starts(image_starts, len(heights), len(boxes))
    wrong = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(wrong):
        image = np.searchsorted(image_starts, wrong[0], side='right') - 1
        raise InputError(
            f'boxes[{wrong[0]}] of image {image} is {boxes[wrong[0]].tolist()}; drop boxes that '
            'are not finite.'
        )
    for key, value in (('chip_size', chip_size), ('stride', stride)):
        if not _is_integer(value) or not 0 < value < 2**31:
            raise InputError(f'{key}={value!r} must be a positive whole number of pixels.')
    min_side = np.zeros(pyramid.num_levels)
    min_side[0] = MIN_SIDE
    max_side = np.full(pyramid.num_levels, np.inf)
    if not cover_long:
        max_side[:-1] = chip_size - stride - 1
    image, level, chips = cover_images(
        boxes,
        image_starts,
        heights,
        widths,
        pyramid.scale_factors(heights, widths),
        np.ascontiguousarray(pyramid.in_range(box_sizes(boxes))),
        int(chip_size),
        int(stride),
        min_side,
        max_side,
        _read_seed(seed),
    )
    return ChipTable(image, level, chips)


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _read_integers(key: str, values: Any) -> np.ndarray:
    """A contiguous (n,) int64 array, or an error that names the key."""
    values = np.asarray(values)
    if values.ndim != 1 or (values.size and values.dtype.kind not in 'iu'):
        raise InputError(
            f'{key} has shape {values.shape} and type {values.dtype}; it must be a flat array of '
            'whole numbers.'
        )
    return np.require(values, dtype=np.int64, requirements='CAW')


def _check_starts(image_starts: np.ndarray, num_images: int, num_boxes: int) -> None:
    if len(image_starts) != num_images + 1:
        raise InputError(
            f'image_starts has {len(image_starts)} entries for {num_images} images; it must have '
            'one more than there are images.'
        )
    if image_starts[0] != 0 or image_starts[-1] != num_boxes or (np.diff(image_starts) < 0).any():
        raise InputError(
            f'image_starts={image_starts.tolist() if num_images < 10 else "..."} must rise from 0 '
            f'to the number of boxes, {num_boxes}.'
        )


def _read_seed(seed: Any) -> np.uint64:
    if isinstance(seed, np.random.Generator):
        return np.uint64(seed.integers(2**63))
    if not _is_integer(seed):
        raise InputError(f'seed={seed!r} must be a whole number or a np.random.Generator.')
    return np.uint64(int(seed) % 2**64)
