"""How a picture has to be turned to stand upright, as the camera wrote it into the file.

The tag's values are those of EXIF: 1 is upright, 2 mirrored, 3 upside down, 4 both of them; 5 to 8
exchange width and height.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .formats import is_jpeg, is_png, is_tiff, is_webp, jpeg_segments, png_chunks, webp_chunks
from .tiff import ORIENTATION, TiffTags

UPRIGHT = 1
_EXIF = b'Exif\0\0'


def stored_orientation(content: bytes) -> int:
    """The orientation that an image file states.

    Args:
        content: The bytes of a JPEG, PNG, WebP or TIFF file. Other formats have no such tag.

    Returns:
        int: 1 to 8; 1 where the file states nothing that can be understood.
    """
    exif = next(_exif_data(content), b'')
    if not is_tiff(exif):
        return UPRIGHT
    try:
        values = TiffTags(exif).numbers(ORIENTATION)
    except ValueError:  # its pixels may well be whole
        return UPRIGHT
    return int(values[0]) if len(values) and 1 <= values[0] <= 8 else UPRIGHT


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror an image as its orientation says.

    Args:
        image: (h, w) or (h, w, c).
        orientation: 1 to 8.

    Returns:
        np.ndarray: The image, contiguous; (w, h) or (w, h, c) for 5 to 8.
    """
    if orientation == UPRIGHT:
        return image
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def keeps_size(orientation: int, shape: tuple[int, ...]) -> bool:
    """Whether a picture is turned or mirrored, and has the size that it would have otherwise.

    Args:
        orientation: 1 to 8.
        shape: (h, w, ...) of the picture, turned or not.
    """
    return orientation != UPRIGHT and (orientation < 5 or shape[0] == shape[1])


def _exif_data(content: bytes) -> Iterator[bytes]:
    """The blocks of EXIF data in a file, each a TIFF structure."""
    if is_tiff(content):
        yield content
    elif is_jpeg(content):
        for marker, start, end in jpeg_segments(content):
            if marker == 0xE1 and content.startswith(_EXIF, start):
                yield content[start + len(_EXIF) : end]
    elif is_png(content):
        for name, start, end in png_chunks(content):
            if name == b'eXIf':
                yield content[start:end]
    elif is_webp(content):
        for name, start, end in webp_chunks(content):
            if name == b'EXIF':
                yield content[start:end].removeprefix(_EXIF)
