"""What becomes of the samples of image files: one set of rules for all windows of all images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from mmsniper.errors import InputError

from .decoding import check_decoding
from .depth import check_depth_range


@dataclass(frozen=True)
class PixelRules:
    """How samples in a file become pixels; docs/images.md says it in full.

    Args:
        color_type: As of :func:`mmsniper.images.decode_image`.
        backend: Likewise, what decodes.
        depth_range: The sample values that become 0 and 255 in images of more than 8 bits.
        bands: Which bands of the file to take, counted from 1, in the order of the pixels'
            channels: (3, 2, 1) makes BGR of a file that begins with red, green and blue. Defaults
            to the colour or grey that the file says it has.
        depth_percentiles: In place of ``depth_range``: the percentages of an image's samples, in
            each band, that lie below 0 and above 255 of its pixels are the first and 100 minus the
            second, such as (2, 98).
        nodata: The sample value that means that there is no data, if the file does not say it.
        nodata_fill: What pixels become all of whose bands have no data, 0 to 255.

    Raises:
        InputError: A rule cannot be followed.
    """

    color_type: str = 'color'
    backend: str | None = 'cv2'
    depth_range: tuple[float, float] | None = None
    bands: Sequence[int] | None = None
    depth_percentiles: Sequence[float] | None = None
    nodata: float | None = None
    nodata_fill: int = 0

    def __post_init__(self) -> None:
        check_decoding(self.color_type, self.backend)
        self._set('depth_range', check_depth_range(self.depth_range))
        self._set('bands', _check_bands(self.bands))
        self._set('depth_percentiles', _check_percentiles(self.depth_percentiles))
        if self.depth_range is not None and self.depth_percentiles is not None:
            raise InputError(
                'depth_range and depth_percentiles both say what becomes black and white: '
                'leave one of them'
            )
        if self.nodata is not None and not _is_number(self.nodata):
            raise InputError(f'nodata={self.nodata!r} must be a number')
        fill = self.nodata_fill
        if not _is_number(fill) or fill != int(fill) or not 0 <= fill <= 255:
            raise InputError(f'nodata_fill={fill!r} must be a whole number from 0 to 255')
        if self.reads_samples and self.backend not in (None, 'cv2'):
            raise InputError(
                'bands, depth_percentiles and nodata need the imdecode_backend by default, cv2, '
                f'but it is {self.backend!r}'
            )

    @property
    def reads_samples(self) -> bool:
        """Whether samples are asked for that decoders of pictures do not give."""
        return any(value is not None for value in (self.bands, self.depth_percentiles, self.nodata))

    @property
    def turns(self) -> bool:
        """Whether images are turned as their orientation tag says."""
        return self.color_type in ('color', 'grayscale') and self.backend != 'tifffile'

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_bands(bands: Sequence[int] | None) -> tuple[int, ...] | None:
    if bands is None:
        return None
    are_whole = isinstance(bands, (tuple, list)) and all(
        _is_number(band) and band == int(band) and band >= 1 for band in bands
    )
    if not are_whole or not bands:
        raise InputError(
            f'bands={bands!r} must name bands of the file, counted from 1, such as (3, 2, 1)'
        )
    return tuple(int(band) for band in bands)


def _check_percentiles(percentiles: Sequence[float] | None) -> tuple[float, float] | None:
    if percentiles is None:
        return None
    is_pair = isinstance(percentiles, (tuple, list)) and len(percentiles) == 2
    low, high = percentiles if is_pair else (None, None)
    if not (_is_number(low) and _is_number(high) and 0 <= low < high <= 100):
        raise InputError(
            f'depth_percentiles={percentiles!r} must be two percentages, the lower one first, such '
            'as (2, 98)'
        )
    return float(low), float(high)
