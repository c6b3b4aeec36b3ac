"""Samples of more than eight bits made eight bits deep, the same way for every image of a set."""

from __future__ import annotations

from functools import lru_cache
from numbers import Real

import numpy as np

from mmsniper.errors import InputError


def check_depth_range(depth_range: tuple[float, float] | None) -> tuple[float, float] | None:
    """The range as a tuple of numbers.

    Raises:
        InputError: It is no pair of finite numbers, the lower one first.
    """
    if depth_range is None:
        return None
    if not isinstance(depth_range, (tuple, list)) or len(depth_range) != 2:
        low = high = None
    else:
        low, high = depth_range
    are_numbers = all(isinstance(x, Real) and not isinstance(x, bool) for x in (low, high))
    if not are_numbers or not -np.inf < low < high < np.inf:
        raise InputError(
            f'depth_range={depth_range!r} must be the sample values that become black and white, '
            'such as (0, 4095)'
        )
    return low, high


def to_8_bits(
    image: np.ndarray, name: str, depth_range: tuple[float, float] | None, bits: int | None
) -> np.ndarray:
    """Map samples to 0 to 255.

    Whole numbers fall into 256 classes of equal width, so that those of all 16 bits keep their
    upper eight. Others are scaled and rounded; NaN becomes 0.

    Args:
        image: Any shape, any type of numbers, without alpha.
        name: What the image is called in errors.
        depth_range: Sample values that become 0 and 255; what is outside of them is clipped.
        bits: How many bits of a sample the file says are used, if it does.

    Returns:
        np.ndarray: uint8, of the same shape; samples of 8 bits come back as they are.

    Raises:
        InputError: No range is given, and the file does not make clear which it is.
    """
    if image.dtype == np.uint8:
        return image
    if depth_range is None:
        depth_range = whole_range(image, name, bits)
    return scale_to_8_bits(image, *depth_range)


def scale_to_8_bits(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map samples of any type, so that ``low`` becomes 0 and ``high`` 255."""
    if image.dtype == np.uint16:
        return np.take(_table(low, high), image)  # faster than an index
    return _scaled(image, low, high)


@lru_cache(maxsize=4)
def _table(low: float, high: float) -> np.ndarray:
    """What becomes of each sample of 16 bits; looking it up is faster than working it out."""
    return _scaled(np.arange(2**16), low, high)


def _scaled(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    whole, samples = samples.dtype.kind in 'iu', samples.astype(np.float64)
    if whole:
        scaled = np.floor((samples - low) * (256 / (high - low + 1)))
    else:
        scaled = np.rint((samples - low) * (255 / (high - low)))
    return np.nan_to_num(scaled.clip(0, 255), nan=0).astype(np.uint8)


def whole_range(image: np.ndarray, name: str, bits: int | None) -> tuple[int, int]:
    """The range of all values that the samples can have, where that is what they mean.

    Args:
        image: All samples of an image, or enough to know the largest one.
        name: What the image is called in errors.
        bits: How many bits of a sample are used, if the file says it.

    Raises:
        InputError: It is not: a range has to be given.
    """
    if image.dtype != np.uint16:
        numbers = image[image == image]  # and not NaN
        limits = f', from {numbers.min():g} to {numbers.max():g}' if numbers.size else ''
        raise InputError(
            f'image {name} has samples of type {image.dtype}{limits}: give what loads it, such as '
            'LoadChip, a depth_range=(low, high): the values that are black and white in every '
            'image'
        )
    largest = int(image.max(initial=0))  # there are none where nothing has data
    if bits in (None, 16) and 0 < largest < 2**14:
        raise InputError(
            f'image {name} has 16 bits per sample, but none above {largest}, and would come out '
            'nearly black: give what loads it, such as LoadChip, a depth_range=(0, '
            f'{2 ** max(largest.bit_length(), 10) - 1}): the values that are black and white in '
            'every image; or (0, 65535) if it is meant to be dark'
        )
    return 0, 2 ** (bits or 16) - 1
