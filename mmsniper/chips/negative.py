"""Negative chips: where proposals pile up that are no objects.

Shapes: n proposals, m images, L pyramid levels, k positive chips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from ..errors import InputError
from .arguments import is_integer, read_image_boxes, read_pixels, read_seed
from .cover import cover_images
from .positive import shortest_sides
from .pyramid import Pyramid, box_sizes
from .table import ChipTable

# What a chip needs to be worth training on, at the finest level and at the others: the first shows
# the smallest part of an image and so has the most chips.
MIN_PROPOSALS_FINEST = 25
MIN_PROPOSALS = 10


def negative_chips(
    proposals: np.ndarray,
    image_starts: np.ndarray,
    heights: np.ndarray,
    widths: np.ndarray,
    pyramid: Pyramid,
    positives: ChipTable,
    min_proposals: int | Sequence[int] | None = None,
    max_negatives: int = 2,
    chip_size: int = 512,
    stride: int = 32,
    seed: int | np.random.Generator = 0,
) -> ChipTable:
    """Choose chips for the proposals that no positive chip shows.

    Section 3.2 of the SNIPER paper (arXiv:1805.09300): a lightly trained detector finds things that
    are no objects, and what it finds only outside of the positive chips it would never learn. At
    each level the proposals in its valid range that no positive chip of the level wholly contains
    are covered greedily, as objects are by positive chips, but only with chips that hold at least
    ``min_proposals`` of those left. Of all chips of an image at most ``max_negatives`` are drawn at
    random.

    Args:
        proposals (np.ndarray): (n, 4) float32 xyxy in original pixels, image after image.
        image_starts (np.ndarray): (m + 1,) int64; the proposals of image i are
            ``proposals[image_starts[i]:image_starts[i + 1]]``.
        heights (np.ndarray): (m,) heights of the images in whole pixels.
        widths (np.ndarray): (m,) widths.
        pyramid (Pyramid): Levels and valid ranges.
        positives (ChipTable): The positive chips of the images, ordered by image.
        min_proposals (int | Sequence[int], optional): The fewest proposals that a chip must hold,
            for all levels or for each. Defaults to 25 at the finest level and 10 at the others.
        max_negatives (int): The most chips of an image. Defaults to 2.
        chip_size (int): Longest side of a chip after resizing to its level. Defaults to 512.
        stride (int): Stride of the grid in pixels of the level. Defaults to 32.
        seed (int | np.random.Generator): The same seed gives the same chips on every machine.
            Defaults to 0.

    Returns:
        ChipTable: The chips, by image, then by level, marked as negative.

    Raises:
        InputError: If an array has the wrong shape, a proposal is not finite, a number is out of
            range, or the positive chips are not ordered by image or are of another pyramid.
    """
    proposals, image_starts, heights, widths = read_image_boxes(
        'proposals', proposals, image_starts, heights, widths
    )
    chip_size, stride = read_pixels('chip_size', chip_size), read_pixels('stride', stride)
    min_proposals = read_min_proposals(min_proposals, pyramid.num_levels)
    check_max_negatives(max_negatives)
    seed = read_seed(seed)
    candidates = candidate_proposals(proposals, image_starts, heights, widths, pyramid, positives)
    image, level, chips = cover_images(
        proposals,
        image_starts,
        heights,
        widths,
        pyramid.scale_factors(heights, widths),
        np.ascontiguousarray(candidates),
        chip_size,
        stride,
        shortest_sides(pyramid),
        np.full(pyramid.num_levels, np.inf),
        min_proposals,
        seed,
    )
    drawn = _draw_per_image(image, max_negatives, np.random.default_rng(int(seed)))
    return ChipTable(image, level, chips, np.ones(len(image), bool))[drawn]


def candidate_proposals(
    proposals: np.ndarray,
    image_starts: np.ndarray,
    heights: np.ndarray,
    widths: np.ndarray,
    pyramid: Pyramid,
    positives: ChipTable,
) -> np.ndarray:
    """Which proposals are valid at a level and in no positive chip of it.

    Args:
        proposals (np.ndarray): As all others, see :func:`negative_chips`.

    Returns:
        np.ndarray: (n, L) bool.
    """
    proposals, image_starts, heights, widths = read_image_boxes(
        'proposals', proposals, image_starts, heights, widths
    )
    _check_positives(positives, pyramid.num_levels)
    covered = covered_by_chips(
        proposals, image_starts, heights, widths, positives, pyramid.num_levels
    )
    return pyramid.in_range(box_sizes(proposals)) & ~covered


def read_min_proposals(min_proposals: int | Sequence[int] | None, num_levels: int) -> np.ndarray:
    """The fewest proposals of a chip, (L,) int64; see :func:`negative_chips`."""
    if min_proposals is None:
        return np.array([MIN_PROPOSALS_FINEST] + [MIN_PROPOSALS] * (num_levels - 1), np.int64)
    numbers = min_proposals.tolist() if isinstance(min_proposals, np.ndarray) else min_proposals
    numbers = [numbers] * num_levels if is_integer(numbers) else numbers
    if (
        isinstance(numbers, (str, bytes))
        or not isinstance(numbers, Sequence)
        or len(numbers) != num_levels
        or not all(is_integer(number) and 0 < number < 2**31 for number in numbers)
    ):
        raise InputError(
            f'min_proposals={min_proposals!r} must be a positive whole number, or one for each of '
            f'the {num_levels} levels.'
        )
    return np.array(numbers, np.int64)


def check_max_negatives(max_negatives: int) -> None:
    """Raise an InputError unless it is a number of chips."""
    if not is_integer(max_negatives) or max_negatives < 0:
        raise InputError(f'max_negatives={max_negatives!r} must be a whole number from 0.')


def _check_positives(positives: ChipTable, num_levels: int) -> None:
    # The compiled code looks chips up by image, and a level beyond the last would be out of bounds.
    if (np.diff(positives.image) < 0).any():
        raise InputError('positives must be ordered by image, as positive_chips gives them.')
    wrong = positives.level[(positives.level < 0) | (positives.level >= num_levels)]
    if len(wrong):
        raise InputError(
            f'positives has a chip of level {wrong[0]}, but the pyramid has {num_levels} levels; '
            'choose the positive chips with the same pyramid.'
        )


def covered_by_chips(
    boxes: np.ndarray,
    image_starts: np.ndarray,
    heights: np.ndarray,
    widths: np.ndarray,
    chips: ChipTable,
    num_levels: int,
) -> np.ndarray:
    """Which boxes some chip of a level wholly contains, as far as they are inside their image.

    Args:
        boxes (np.ndarray): (n, 4) float32 xyxy in original pixels, image after image.
        image_starts (np.ndarray): (m + 1,) int64, where the boxes of each image start.
        heights (np.ndarray): (m,) int64 heights of the images.
        widths (np.ndarray): (m,) int64 widths.
        chips (ChipTable): Ordered by image.
        num_levels (int): L.

    Returns:
        np.ndarray: (n, L) bool.
    """
    chip_starts = np.searchsorted(chips.image, np.arange(len(image_starts)))
    return _covered(
        boxes, image_starts, heights, widths, chips.level, chips.boxes, chip_starts, num_levels
    )


@njit(cache=True, nogil=True)
def _covered(boxes, image_starts, heights, widths, levels, chips, chip_starts, num_levels):
    covered = np.zeros((len(boxes), num_levels), np.bool_)
    for image in range(len(heights)):
        for chip in range(chip_starts[image], chip_starts[image + 1]):
            x1, y1, x2, y2 = chips[chip, 0], chips[chip, 1], chips[chip, 2], chips[chip, 3]
            for box in range(image_starts[image], image_starts[image + 1]):
                covered[box, levels[chip]] |= (
                    max(boxes[box, 0], 0.0) >= x1
                    and max(boxes[box, 1], 0.0) >= y1
                    and min(boxes[box, 2], widths[image]) <= x2
                    and min(boxes[box, 3], heights[image]) <= y2
                )
    return covered


def _draw_per_image(images: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices of at most ``number`` rows of each image, drawn at random.

    Args:
        images (np.ndarray): (c,) int64, ascending, the image of each row.
        number (int): How many rows of an image to draw at most.
        rng (np.random.Generator): Where chance comes from.

    Returns:
        np.ndarray: (d,) int64, ascending.
    """
    order = np.lexsort((rng.random(len(images)), images))
    starts = np.searchsorted(images, images)  # where the rows of each row's image begin
    place = np.arange(len(images)) - starts  # among its image, after shuffling within it
    return np.sort(order[place < number])
