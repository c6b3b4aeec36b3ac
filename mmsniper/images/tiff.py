"""The tags of a TIFF file's first image, from plain TIFF and BigTIFF, and of EXIF data."""

from __future__ import annotations

import struct

import numpy as np

# Numbers of tags and values, as TIFF 6.0 and EXIF have them.
IMAGE_WIDTH = 256
IMAGE_LENGTH = 257
BITS_PER_SAMPLE = 258
COMPRESSION = 259
PHOTOMETRIC = 262
ORIENTATION = 274
SAMPLES_PER_PIXEL = 277
PLANES = 284
EXTRA_SAMPLES = 338
PIECES = ((273, 279), (324, 325))  # offsets and byte counts, of strips and of tiles
DEFLATE = (8, 32946)
MULTIPLIED_ALPHA, ALPHA = 1, 2
GREY = 1
PLANE_PER_BAND = 2
# Compressions: JPEG 2000, LERC, LZMA, Zstandard, WebP and JPEG XL.
UNKNOWN_TO_OPENCV = (33003, 33004, 33005, 34712, 34887, 34925, 50000, 50001, 50002)
MOST_BANDS_OF_OPENCV = 4


def opencv_misreads(photometric: int, planes: int, num_bands: int, bits: int) -> bool:
    """Whether OpenCV makes something of a TIFF that is not in it, without a word.

    It mixes the bands of a grey file with more than an alpha, and takes planes of more than 8 bits
    for samples side by side.

    Args:
        photometric: The file's photometric interpretation.
        planes: Its planar configuration.
        num_bands: Samples per pixel.
        bits: Bits per sample.
    """
    has_bands = photometric == GREY and num_bands > 2
    return has_bands or (planes == PLANE_PER_BAND and num_bands > 1 and bits > 8)


_NUMBERS = {1: 'u1', 3: 'u2', 4: 'u4', 13: 'u4', 16: 'u8'}
_FLOATS = {11: 'f4', 12: 'f8'}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4, 16: 8, 17: 8, 18: 8}


class TiffTags:
    """The tags of the first image in the bytes of a file.

    Args:
        content: A TIFF file, also as a memory map, or the TIFF structure that EXIF data consist of.

    Raises:
        ValueError: The list of tags is not (wholly) there.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._order = '<' if content[:1] == b'I' else '>'
        big = content[2:4] in (b'+\0', b'\0+')
        start_format, count_format, entry_format = ('Q', 'Q', 'HHQ') if big else ('I', 'H', 'HHI')
        try:
            (start,) = self._unpack(start_format, 8 if big else 4)
            (count,) = self._unpack(count_format, start)
            start += struct.calcsize(count_format)
            self._entries = {}
            for position in range(start, start + count * (20 if big else 12), 20 if big else 12):
                tag, kind, number = self._unpack(entry_format, position)
                values = position + struct.calcsize('<' + entry_format)
                # Values that do not fit into the entry stand elsewhere.
                if number * _SIZES.get(kind, 1) > (8 if big else 4):
                    (values,) = self._unpack(start_format, values)
                self._entries.setdefault(tag, (kind, number, values))
        except (struct.error, OverflowError) as error:
            raise ValueError(f'its list of tags is incomplete ({error})') from error

    def numbers(self, tag: int) -> np.ndarray:
        """The whole numbers that a tag holds; none if the tag is missing or holds something else.

        Raises:
            ValueError: They lie behind the end of the file.
        """
        kind, number, start = self._entries.get(tag, (0, 0, 0))
        if kind not in _NUMBERS:
            return np.zeros(0, np.int64)
        return self._values(tag, _NUMBERS[kind], number, start)

    def floats(self, tag: int) -> np.ndarray:
        """The numbers that a tag holds, float64; none if the tag is missing.

        Raises:
            ValueError: They lie behind the end of the file, or it holds something else.
        """
        kind, number, start = self._entries.get(tag, (12, 0, 0))
        form = {**_NUMBERS, **_FLOATS}.get(kind)
        if form is None:
            raise ValueError(f'its tag {tag} holds no numbers')
        return self._values(tag, form, number, start).astype(np.float64)

    def _values(self, tag: int, form: str, number: int, start: int) -> np.ndarray:
        if number == 0:
            return np.zeros(0, form)
        try:
            return np.frombuffer(self._content, self._order + form, number, start)
        except OverflowError as error:
            raise ValueError(f'its tag {tag} points behind its end') from error

    def with_numbers(self, tag: int, old: int, new: int) -> bytes:
        """The file's bytes with another number wherever a tag of short numbers holds ``old``."""
        kind, number, start = self._entries.get(tag, (0, 0, 0))
        if kind != 3 or old not in self.numbers(tag):
            return self._content
        changed = bytearray(self._content)
        values = self.numbers(tag).copy()
        values[values == old] = new
        changed[start : start + 2 * number] = values.tobytes()
        return bytes(changed)

    def _unpack(self, form: str, start: int) -> tuple:
        return struct.unpack_from(self._order + form, self._content, start)
