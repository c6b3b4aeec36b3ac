"""From the samples of a file, band by band as they are stored, to pixels.

Shapes: h, w of a window; b bands of the file; c channels of the pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mmsniper.errors import InputError

from .depth import scale_to_8_bits, whole_range
from .rules import PixelRules

RED_GREEN_BLUE = (1, 2, 3)


@dataclass(frozen=True)
class SampleFormat:
    """What a file says of its samples.

    Args:
        name: What the file is called in errors.
        num_bands: How many there are.
        is_colour: Whether the first three are red, green and blue.
        bits: How many bits of a sample are used.
        nodata: The value that means that there is no data, if any.
    """

    name: str
    num_bands: int
    is_colour: bool
    bits: int
    nodata: float | None = None

    def left_out(self, dtype: np.dtype) -> float:
        """What the samples of pieces are that a sparse file leaves out, as GDAL has it."""
        nodata = 0 if self.nodata is None else self.nodata
        return nodata if dtype.kind == 'f' or _is_sample(nodata, dtype) else 0

    def bands(self, rules: PixelRules) -> tuple[int, ...]:
        """Which bands become channels, counted from 1: as the rules say, else BGR or grey.

        Raises:
            InputError: The file has not the bands, or does not say which are colours.
        """
        if rules.bands is not None:
            if max(rules.bands) > self.num_bands:
                raise InputError(
                    f'image {self.name} has {self.num_bands} bands, but bands={rules.bands} asks '
                    f'for band {max(rules.bands)}'
                )
            return rules.bands
        if self.is_colour:
            return RED_GREEN_BLUE[::-1]
        if self.num_bands > 2:  # two are grey and its alpha
            raise InputError(
                f'image {self.name} has {self.num_bands} bands and does not say which are red, '
                'green and blue: name those that become blue, green and red, counted from 1, such '
                'as LoadChip(bands=(3, 2, 1))'
            )
        return (1,)


def to_pixels(
    samples: np.ndarray,
    file: SampleFormat,
    rules: PixelRules,
    whole: Callable[[], np.ndarray],
    known_ranges: dict,
) -> np.ndarray:
    """Make pixels of samples.

    Args:
        samples: (h, w, b), all bands as stored.
        file: What the file says of them.
        rules: What becomes of them.
        whole: Gives samples from all over the image, (n, b), for ranges that are the same for all
            of its windows.
        known_ranges: Where the ranges of this file are kept, by rules.

    Returns:
        np.ndarray: (h, w, c) uint8, (h, w) for grey; of the samples' own type if the rules say
        ``'unchanged'``.

    Raises:
        InputError: Bands or the range of values have to be named.
    """
    if rules.color_type == 'unchanged' and rules.bands is None:
        order = [2, 1, 0, *range(3, file.num_bands)] if file.is_colour else range(file.num_bands)
        pixels = samples[:, :, list(order)]
        return np.ascontiguousarray(pixels[:, :, 0] if file.num_bands == 1 else pixels)
    bands = [band - 1 for band in file.bands(rules)]
    chosen = samples[:, :, bands]
    if rules.color_type == 'unchanged':
        return np.ascontiguousarray(chosen)
    nodata = file.nodata if rules.nodata is None else rules.nodata
    empty = _without_data(chosen, nodata)
    if chosen.dtype != np.uint8:
        if rules not in known_ranges:
            known_ranges[rules] = _ranges(whole, bands, file, rules, nodata)
        channels = [
            scale_to_8_bits(chosen[:, :, channel], *known_ranges[rules][channel])
            for channel in range(len(bands))
        ]
        chosen = np.stack(channels, axis=2)
    if empty is not None:
        chosen = np.where(empty[:, :, None], np.uint8(rules.nodata_fill), chosen)
    return _in_color_type(np.ascontiguousarray(chosen), rules, samples.dtype != np.uint8)


def _without_data(chosen: np.ndarray, nodata: float | None) -> np.ndarray | None:
    """Which pixels have no data in any of their bands, (h, w) bool; None if surely none."""
    if chosen.dtype.kind == 'f':
        empty = np.isnan(chosen)
        if nodata is not None:
            empty |= chosen == chosen.dtype.type(nodata)
        return empty.all(axis=2)
    if nodata is None or not _is_sample(nodata, chosen.dtype):
        return None
    return (chosen == int(nodata)).all(axis=2)


def _is_sample(value: float, dtype: np.dtype) -> bool:
    """Whether samples of a type of whole numbers can have a value."""
    limits = np.iinfo(dtype)
    return limits.min <= value <= limits.max and value == int(value)


def _ranges(
    whole: Callable[[], np.ndarray],
    bands: list[int],
    file: SampleFormat,
    rules: PixelRules,
    nodata: float | None,
) -> list[tuple[float, float]]:
    """The sample values that become 0 and 255 in each channel."""
    if rules.depth_range is not None:
        return [rules.depth_range] * len(bands)
    samples = whole()[:, bands]
    empty = _without_data(samples[None], nodata)
    if empty is not None:
        samples = samples[~empty[0]]
    if rules.depth_percentiles is None:
        return [whole_range(samples, file.name, file.bits)] * len(bands)
    if not len(samples):
        return [(0.0, 1.0)] * len(bands)
    lows, highs = np.nanpercentile(samples.astype(np.float64), rules.depth_percentiles, axis=0)
    # A band of a single value has no range; it becomes black.
    return [(low, high if high > low else low + 1) for low, high in zip(lows, highs)]


def _in_color_type(pixels: np.ndarray, rules: PixelRules, deep: bool) -> np.ndarray:
    grey = pixels.shape[2] == 1
    if rules.color_type.startswith('grayscale'):
        if grey or pixels.shape[2] != 3:
            return pixels[:, :, 0] if grey else pixels
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if deep else _grey(pixels)
    return cv2.cvtColor(pixels[:, :, 0], cv2.COLOR_GRAY2BGR) if grey else pixels


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Grey as OpenCV makes it while it decodes, which it rounds otherwise than ``cvtColor``."""
    weights = np.array([1868, 9617, 4899], np.int32)  # of 2**14
    return ((pixels @ weights + 2**13) >> 14).astype(np.uint8)
