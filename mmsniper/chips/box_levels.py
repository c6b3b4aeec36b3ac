"""At which levels each box counts: where a valid range holds it, or else where a chip does.

Shapes: n boxes, m images, L pyramid levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arguments import read_image_boxes, read_pixels
from .cover import SIDE_TOLERANCE
from .positive import MIN_SIDE
from .pyramid import Pyramid, box_sizes


@dataclass(frozen=True, eq=False)
class BoxLevels:
    """At which levels boxes count, and which of them no chip of these levels shows.

    A box counts at the levels whose valid range holds its size. A long and thin one may fit no chip
    of any of these levels: it counts at the next coarser level as well where it does fit.

    Attributes:
        in_range (np.ndarray): (n, L) bool, the levels whose valid range holds the size of each box.
        valid (np.ndarray): (n, L) bool, the levels at which it counts.
        too_long (np.ndarray): (n,) bool, counts, but no chip of such or coarser levels holds it.
        too_thin (np.ndarray): (n,) bool, counts and fits, but no chip is made for it: it is below 2
            pixels inside the image and counts at the finest level only.
    """

    in_range: np.ndarray
    valid: np.ndarray
    too_long: np.ndarray
    too_thin: np.ndarray

    def __getitem__(self, rows: slice) -> BoxLevels:
        """The levels of some boxes."""
        columns = self.in_range, self.valid, self.too_long, self.too_thin
        return BoxLevels(*(column[rows] for column in columns))

    @property
    def out_of_range(self) -> np.ndarray:
        """Which boxes count nowhere, (n,) bool."""
        return ~self.in_range.any(axis=1)

    @property
    def promoted(self) -> np.ndarray:
        """Which boxes count at a coarser level than their size says, (n,) bool."""
        return (self.valid & ~self.in_range).any(axis=1)

    def promoted_to(self, level: int) -> np.ndarray:
        """Which boxes count at a level although its range does not hold them, (n,) bool."""
        return self.valid[:, level] & ~self.in_range[:, level]


def box_levels(
    boxes: np.ndarray,
    image_starts: np.ndarray,
    heights: np.ndarray,
    widths: np.ndarray,
    pyramid: Pyramid,
    chip_size: int = 512,
) -> BoxLevels:
    """Find the levels at which boxes count.

    Args:
        boxes (np.ndarray): (n, 4) float32 xyxy in original pixels, image after image.
        image_starts (np.ndarray): (m + 1,) int64; the boxes of image i are
            ``boxes[image_starts[i]:image_starts[i + 1]]``.
        heights (np.ndarray): (m,) heights of the images in whole pixels.
        widths (np.ndarray): (m,) widths.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Longest side of a chip after resizing to its level. Defaults to 512.

    Returns:
        BoxLevels: Of the n boxes. ``positive_chips`` takes its ``valid``.

    Raises:
        InputError: If an array has the wrong shape, a box is not finite, or an image has no pixels.
    """
    boxes, image_starts, heights, widths = read_image_boxes(
        'boxes', boxes, image_starts, heights, widths
    )
    chip_size = read_pixels('chip_size', chip_size)
    image = np.repeat(np.arange(len(heights)), np.diff(image_starts))
    corners = boxes.clip(0, np.stack([widths, heights, widths, heights], axis=1)[image])
    shorter = (corners[:, 2:] - corners[:, :2]).min(axis=1)
    # Chips are whole pixels of the image, and so is what they contain.
    touched = (np.ceil(corners[:, 2:]) - np.floor(corners[:, :2])).max(axis=1)
    chip_sides = np.floor(chip_size / pyramid.scale_factors(heights, widths) + SIDE_TOLERANCE)
    fits = touched[:, None] <= chip_sides[image]
    in_range = pyramid.in_range(box_sizes(boxes))
    level = np.arange(pyramid.num_levels)
    coarsest = np.where(in_range, level, -1).max(axis=1, initial=-1)
    homeless = (coarsest >= 0) & (shorter > 0) & ~(in_range & fits).any(axis=1)
    coarser = fits & (level > coarsest[:, None]) & homeless[:, None]
    promoted = coarser.any(axis=1)
    valid = in_range.copy()
    valid[promoted, coarser[promoted].argmax(axis=1)] = True
    covered = valid & fits & (shorter > 0)[:, None]
    covered[:, 0] &= shorter >= MIN_SIDE
    too_long = homeless & ~promoted
    too_thin = (coarsest >= 0) & ~covered.any(axis=1) & ~too_long
    return BoxLevels(in_range, valid, too_long, too_thin)
