"""Tiles of pixels as bytes, and the tags of a TIFF that say how to read them."""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from .strips import Strips
from .tiff import ALPHA, BITS_PER_SAMPLE, COMPRESSION, DEFLATE, EXTRA_SAMPLES
from .tiff_writing import TagValues

_PHOTOMETRIC, _NUM_SAMPLES, _PLANES, _PREDICTOR = 262, 277, 284, 317
_SAMPLE_FORMAT, _SUBSAMPLING, _BLACK_WHITE = 339, 530, 532
_GREY, _RGB, _INK, _YCBCR = 1, 2, 5, 6
_JPEG = 7
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_FORMATS = dict(u=1, i=2, f=3)


class JPEGTiles:
    """Tiles of grey or colour, each a JPEG of its own, in full colour resolution (4:4:4).

    Args:
        bands: 1 or 3.
        quality: 1 to 100.

    Attributes:
        tags: What a TIFF has to say of them.
    """

    def __init__(self, bands: int, quality: int) -> None:
        self.tags: dict[int, TagValues] = {
            **_sample_tags(bands, np.dtype(np.uint8)),
            COMPRESSION: np.array([_JPEG], np.uint16),
        }
        if bands == 3:
            limits = [[0, 1], [255, 1], [128, 1], [255, 1], [128, 1], [255, 1]]
            self.tags[_PHOTOMETRIC] = np.array([_YCBCR], np.uint16)
            self.tags[_SUBSAMPLING] = np.array([1, 1], np.uint16)
            self.tags[_BLACK_WHITE] = np.array(limits, np.uint32)
        # Tables of its own make each tile a fifth smaller.
        self._settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        self._settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full]

    def encode(self, tile: np.ndarray) -> bytes:
        """The bytes of a tile, (h, w, bands) uint8."""
        return cv2.imencode('.jpg', tile[:, :, ::-1], self._settings)[1].tobytes()


class DeflatedTiles:
    """Tiles of anything, compressed without loss as differences of neighbours.

    Args:
        strips: The picture.
        extra: What its file says of bands beyond grey or colour, in the words of TIFF.

    Attributes:
        tags: What a TIFF has to say of them.
    """

    def __init__(self, strips: Strips, extra: np.ndarray | None) -> None:
        self._is_float = strips.dtype.kind == 'f'
        predictor = _FLOAT_DIFFERENCES if self._is_float else _DIFFERENCES
        self.tags: dict[int, TagValues] = {
            **_sample_tags(strips.bands, strips.dtype),
            COMPRESSION: np.array(DEFLATE[:1], np.uint16),
            _PREDICTOR: np.array([predictor], np.uint16),
        }
        num_extra = 0 if extra is None else len(extra)
        if strips.is_ink:
            num_extra = strips.bands - 4
            self.tags[_PHOTOMETRIC] = np.array([_INK], np.uint16)
        elif strips.bands - num_extra not in (1, 3):  # the file does not say, or libvips added one
            num_extra = strips.bands - (3 if strips.bands in (3, 4) else 1)
            extra = np.array([ALPHA] if num_extra == 1 else [0] * num_extra, np.uint16)
        if strips.bands - num_extra == 1:
            self.tags[_PHOTOMETRIC] = np.array([_GREY], np.uint16)
        if num_extra:
            self.tags[EXTRA_SAMPLES] = np.resize(extra, num_extra)

    def encode(self, tile: np.ndarray) -> bytes:
        """The bytes of a tile, (h, w, bands)."""
        tile = tile.astype(tile.dtype.newbyteorder('<'))
        if self._is_float:
            # Bytes of equal weight side by side, the highest first, then differences of those.
            height, width, bands = tile.shape
            weights = tile.reshape(height, width * bands, 1).view(np.uint8)[:, :, ::-1]
            rows = weights.transpose(0, 2, 1).reshape(height, -1, bands)
        else:
            rows = tile.view(f'<u{tile.dtype.itemsize}')
        differences = rows.copy()
        differences[:, 1:] -= rows[:, :-1]
        return zlib.compress(differences.tobytes(), 6)


def _sample_tags(bands: int, dtype: np.dtype) -> dict[int, TagValues]:
    return {
        BITS_PER_SAMPLE: np.full(bands, dtype.itemsize * 8, np.uint16),
        _SAMPLE_FORMAT: np.full(bands, _FORMATS[dtype.kind], np.uint16),
        _PHOTOMETRIC: np.array([_RGB if bands >= 3 else _GREY], np.uint16),
        _NUM_SAMPLES: np.array([bands], np.uint16),
        _PLANES: np.array([1], np.uint16),
    }
