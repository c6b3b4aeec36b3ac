"""Where a window lies in a turned image, at which level of a file it is read, and resampling.

Pixels are squares: pixel i of a level whose ratio is r shows what lies from i*r to (i+1)*r in the
image. So no half pixels are to be added anywhere but where OpenCV counts from pixels' centres.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Window = tuple[int, int, int, int]
# A wanted size was rounded to whole pixels, so a level may seem a little too coarse.
_ROUNDED = 0.97
# Where a level has just the wanted resolution, windows between its pixels would be blurred.
_SAME = 1.02


def as_stored(window: Window, orientation: int, size: tuple[int, int]) -> Window:
    """Where a window of the upright image lies in the image as it is stored.

    Args:
        window: In the upright image.
        orientation: 1 to 8, as EXIF has it.
        size: Width and height as stored.
    """
    left, top, right, bottom = window
    width, height = size if orientation < 5 else size[::-1]
    # The steps of turn_upright, backwards.
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    return left, top, right, bottom


def coarsest_level(
    ratios: Sequence[tuple[float, float]],
    window: Window,
    size: tuple[int, int],
    aligned: bool,
) -> int:
    """The coarsest level that is still as fine as asked for.

    Args:
        ratios: Pixels of the image in one pixel of each level, across and down, fine to coarse.
        window: In pixels of the image.
        size: At which size (width, height) the window is wanted.
        aligned: Whether a level of just this resolution has to have a pixel begin where the window
            does.

    Returns:
        int: Index of the level.
    """
    best = 0
    lengths = window[2] - window[0], window[3] - window[1]
    for level, ratio in enumerate(ratios):
        fine = all(
            n / r >= max(wanted - 0.5, wanted * _ROUNDED)
            for n, r, wanted in zip(lengths, ratio, size)
        )
        same = any(n / r <= wanted * _SAME for n, r, wanted in zip(lengths, ratio, size))
        begins = all(start % r == 0 for start, r in zip(window, ratio))
        if fine and (begins or not same or not aligned):
            best = level
    return best


def pixels_around(
    window: Window, ratio: tuple[float, float], size: tuple[int, int]
) -> tuple[Window, bool]:
    """The pixels of a level that a window touches, and whether it begins and ends between them.

    Args:
        window: In pixels of the image.
        ratio: Pixels of the image in one of the level, across and down.
        size: Width and height of the level.
    """
    left, top, right, bottom = (side / ratio[axis % 2] for axis, side in enumerate(window))
    between = any(side != int(side) for side in (left, top, right, bottom))
    # Bilinear interpolation looks at one more pixel on each side.
    margin = int(between)
    width, height = size
    around = (
        max(0, int(np.floor(left)) - margin),
        max(0, int(np.floor(top)) - margin),
        min(width, int(np.ceil(right)) + margin),
        min(height, int(np.ceil(bottom)) + margin),
    )
    return around, between


def resample(
    pixels: np.ndarray,
    around: Window,
    window: Window,
    ratio: tuple[float, float],
    size: tuple[int, int],
) -> np.ndarray:
    """A window at the wanted size, from the pixels of a level around it.

    Args:
        pixels: (h, w) or (h, w, c), those of ``around``.
        around: In pixels of the level.
        window: In pixels of the image.
        ratio: Pixels of the image in one of the level, across and down.
        size: The wanted width and height.
    """
    # For the middle of each wanted pixel, where it lies among the middles of those there are.
    matrix = np.zeros((2, 3))
    for axis in (0, 1):
        step = (window[axis + 2] - window[axis]) / ratio[axis] / size[axis]
        matrix[axis, axis] = step
        matrix[axis, 2] = window[axis] / ratio[axis] - around[axis] + 0.5 * step - 0.5
    return cv2.warpAffine(
        pixels,
        matrix,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
