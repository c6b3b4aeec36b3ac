"""Checking what the functions of this package are given.

Shapes: n boxes, m images.
"""

from numbers import Integral
from typing import Any

import numpy as np

from ..errors import InputError
from .pyramid import check_sides


def read_image_boxes(
    name: str, boxes: Any, image_starts: Any, heights: Any, widths: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of many images in the form that the compiled functions take.

    Args:
        name: What the boxes are called in errors.
        boxes: (n, 4) xyxy in original pixels, image after image.
        image_starts: (m + 1,) where the boxes of each image start.
        heights: (m,) heights of the images in whole pixels.
        widths: (m,) widths.

    Returns:
        tuple: boxes float32, and image_starts, heights and widths int64.

    Raises:
        InputError: An array has the wrong shape, a box is not finite, or an image has no pixels.
    """
    # Writable, because Numba would compile the kernels once more for read-only arrays.
    boxes = np.require(boxes, dtype=np.float32, requirements='CAW')
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f'{name} has shape {boxes.shape}; it must be (n, 4), x1 y1 x2 y2.')
    heights = _read_integers('heights', heights)
    widths = _read_integers('widths', widths)
    check_sides(heights, widths)
    image_starts = _read_integers('image_starts', image_starts)
    _check_starts(image_starts, len(heights), len(boxes), name)
    wrong = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(wrong):
        image = np.searchsorted(image_starts, wrong[0], side='right') - 1
        raise InputError(
            f'{name}[{wrong[0]}] of image {image} is {boxes[wrong[0]].tolist()}; drop boxes that '
            'are not finite.'
        )
    return boxes, image_starts, heights, widths


def read_pixels(name: str, value: Any) -> int:
    """A positive number of pixels, or an InputError that names it."""
    if not is_integer(value) or not 0 < value < 2**31:
        raise InputError(f'{name}={value!r} must be a positive whole number of pixels.')
    return int(value)


def read_seed(seed: Any) -> np.uint64:
    """The seed of a whole number or of a generator, which is advanced."""
    if isinstance(seed, np.random.Generator):
        return np.uint64(seed.integers(2**63))
    if not is_integer(seed):
        raise InputError(f'seed={seed!r} must be a whole number or a np.random.Generator.')
    return np.uint64(int(seed) % 2**64)


def is_integer(value: Any) -> bool:
    """Whether a value is a whole number, which True and False are not."""
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


def _check_starts(image_starts: np.ndarray, num_images: int, num_boxes: int, name: str) -> None:
    if len(image_starts) != num_images + 1:
        raise InputError(
            f'image_starts has {len(image_starts)} entries for {num_images} images; it must have '
            'one more than there are images.'
        )
    if image_starts[0] != 0 or image_starts[-1] != num_boxes or (np.diff(image_starts) < 0).any():
        raise InputError(
            f'image_starts={image_starts.tolist() if num_images < 10 else "..."} must rise from 0 '
            f'to the number of {name}, {num_boxes}.'
        )
