"""The stored pixels of a picture from top to bottom, so that large ones need little memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import cv2
import numpy as np

from mmsniper.errors import InputError

from .damage import BrokenImageError, captured_errors, check_complaints
from .decoding import decode_image
from .formats import is_jpeg, is_png, is_tiff, stated_size
from .memory import memory_size
from .optional import pyvips, tell_once
from .tiff import ALPHA, EXTRA_SAMPLES, MULTIPLIED_ALPHA, TiffTags

# Of a pixel, while its bands are put in order.
_DECODED_BYTES = 6
_DTYPES = dict(
    uchar='u1', char='i1', ushort='u2', short='i2', uint='u4', int='i4', float='f4', double='f8'
)
# Of others libvips changes the numbers, or they mean something else than grey, colour and bands.
_PLAIN = ('b-w', 'grey16', 'srgb', 'rgb', 'rgb16', 'scrgb', 'multiband')


class FileBytes(mmap.mmap):
    """The bytes of a file, of which only those that are looked at come into memory."""

    def startswith(self, beginning: bytes | tuple[bytes, ...], start: int = 0) -> bool:
        """As of ``bytes``."""
        beginnings = (beginning,) if isinstance(beginning, bytes) else beginning
        return any(self[start : start + len(each)] == each for each in beginnings)

    def endswith(self, ending: bytes) -> bool:
        """As of ``bytes``."""
        return self[-len(ending) :] == ending


def file_bytes(path: Path) -> FileBytes:
    """The bytes of a file.

    Raises:
        BrokenImageError: It is missing, empty or cannot be read.
    """
    try:
        with path.open('rb') as file:
            if not path.stat().st_size:  # which cannot be mapped
                raise BrokenImageError(f'image {path} is empty; replace it')
            return FileBytes(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise BrokenImageError(f'image {path} does not exist') from error
    except OSError as error:
        raise BrokenImageError(f'image {path} cannot be read: {error.strerror}') from error


class StripError(Exception):
    """A picture cannot be read strip by strip, for whatever reason."""


@dataclass(frozen=True)
class Strips:
    """A picture that is read from top to bottom.

    Attributes:
        width: In pixels, as stored.
        height: Likewise.
        bands: Numbers of each pixel: grey or red, green and blue come first.
        dtype: Type of each.
        is_ink: Whether they are cyan, magenta, yellow and black.
        rows: Gives the pixels of some rows: the first, and how many; from top to bottom.
    """

    width: int
    height: int
    bands: int
    dtype: np.dtype
    is_ink: bool
    rows: Callable[[int, int], np.ndarray]

    def read(self, rows: int) -> Iterator[np.ndarray]:
        """Strips of so many rows each, (rows, width, bands); the last has those that are left.

        Raises:
            StripError: Only by :func:`streamed`: what is left of the picture cannot be read.
        """
        for top in range(0, self.height, rows):
            yield self.rows(top, min(rows, self.height - top))


def streamed(path: Path, content: FileBytes) -> Strips:
    """A picture of which a part at a time is decoded.

    Progressive JPEGs and interlaced PNGs are decoded whole nevertheless.

    Args:
        path: A JPEG, PNG or TIFF.
        content: Its bytes.

    Raises:
        BrokenImageError: It is damaged.
        StripError: It is another format, or it cannot be read like this.
    """
    if not (is_jpeg(content) or is_png(content) or is_tiff(content)):
        raise StripError
    if pyvips is None:
        tell_once(str(path), 'Pictures are decoded whole to be tiled', 'pyvips')
        raise StripError
    if is_jpeg(content):
        _check_jpeg(content, str(path))
    try:
        image = pyvips.Image.new_from_file(str(path), access='sequential', fail_on='warning')
    except pyvips.Error as error:
        raise StripError from error
    is_ink = is_tiff(content) and image.interpretation == 'cmyk'
    if image.format not in _DTYPES or not (image.interpretation in _PLAIN or is_ink):
        raise StripError
    extra = TiffTags(content).numbers(EXTRA_SAMPLES).tolist() if is_tiff(content) else [ALPHA]
    if MULTIPLIED_ALPHA in extra:  # libvips would divide by it
        raise StripError
    # Grey with alpha as colour: OpenCV gives PNGs so, and misreads tiles of two bands.
    bands = [0, 0, 0, 1] if image.bands == 2 and extra == [ALPHA] else list(range(image.bands))
    region, dtype = pyvips.Region.new(image), np.dtype(_DTYPES[image.format])

    def read(top: int, rows: int) -> np.ndarray:
        try:
            pixels = region.fetch(0, top, image.width, rows)
        except pyvips.Error as error:
            raise StripError from error
        strip = np.frombuffer(pixels, dtype).reshape(rows, image.width, image.bands)
        return strip if len(bands) == image.bands else strip[:, :, bands]

    return Strips(image.width, image.height, len(bands), dtype, is_ink, read)


def _check_jpeg(content: FileBytes, name: str) -> None:
    """Look for damage by decoding an eighth: of what is left over in the end libvips says nothing.

    Raises:
        BrokenImageError: There is some.
    """
    with captured_errors() as complaints:
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    check_complaints(content, name, complaints)


def decoded(path: Path, content: FileBytes) -> Strips:
    """A picture that is decoded whole.

    Raises:
        BrokenImageError: It is not whole or cannot be decoded.
        InputError: It is larger than the memory.
    """
    width, height = stated_size(content) or (0, 0)
    if width * height * _DECODED_BYTES > memory_size():
        raise InputError(
            f'image {path} of {width}x{height} pixels has to be decoded whole, for which this '
            'machine has not enough memory: save it as a TIFF, or as a JPEG or PNG that is neither '
            'progressive nor interlaced'
        )
    image = decode_image(content[:], str(path), 'unchanged')
    height, width = image.shape[:2]
    image = image.reshape(height, width, -1)
    bands = image.shape[2]
    if bands in (3, 4):  # OpenCV's order to that of files
        image = image[:, :, [2, 1, 0, 3][:bands]]
    return Strips(
        width, height, bands, image.dtype, False, lambda top, rows: image[top : top + rows]
    )
