"""Decoding tiles and strips of TIFF files, so that damage in them is noticed."""

from __future__ import annotations

import cv2
import numpy as np

from .damage import BrokenImageError, captured_errors, check_complaints, damaged
from .formats import jpeg_frame
from .optional import imagecodecs

_YCBCR = 6  # of photometric interpretations
_PLANES = 2  # each band has pieces of its own
_JPEG, _LERC = 7, 34887
_LERC_PARAMETERS = 50674
_LERC_DEFLATED, _LERC_ZSTD = 1, 2


def decode_piece(page, index: int, content: bytes, name: str) -> np.ndarray | None:
    """The samples of a tile or strip, (h, w, b); None where the file leaves it out.

    Args:
        page: A page of tifffile.
        index: Which of its pieces.
        content: The bytes of the piece.
        name: What the file is called in errors.

    Raises:
        BrokenImageError: It is damaged.
    """
    try:
        if page.compression == _JPEG:
            return _decode_jpeg(page, index, content, name)
        piece = _decode(page, index, content)
        if page.compression == _LERC and page.dtype.kind == 'f' and piece is not None:
            piece = _without_numbers(piece, content, page.tags.valueof(_LERC_PARAMETERS))
        return piece
    except BrokenImageError:
        raise
    except Exception as error:  # each codec has its own exception class
        raise damaged(name, f'{error} in the piece at byte {page.dataoffsets[index]}') from error


def _decode(page, index: int, content: bytes) -> np.ndarray | None:
    piece = page.decode(content, index, jpegtables=page.jpegtables)[0]
    return None if piece is None else piece[0]


def _decode_jpeg(page, index: int, content: bytes, name: str) -> np.ndarray | None:
    """By OpenCV, whose messages on damage can be read, while imagecodecs has none."""
    tables = page.jpegtables
    whole = tables[:-2] + content[2:] if tables else content
    frame = jpeg_frame(whole)
    bands = 1 if page.planarconfig == _PLANES else page.samplesperpixel
    kind = (bands, frame.num_components, frame.bits) if frame else None
    flag = None
    if kind == (1, 1, 8):
        flag = cv2.IMREAD_GRAYSCALE
    elif kind == (3, 3, 8) and page.photometric == _YCBCR:
        flag = cv2.IMREAD_COLOR
    # Of others OpenCV would have to guess what their numbers mean.
    piece = _decode(page, index, content) if flag is None else None
    flag = cv2.IMREAD_REDUCED_GRAYSCALE_8 if flag is None else flag
    with captured_errors() as complaints:
        pixels = cv2.imdecode(np.frombuffer(whole, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    check_complaints(whole, name, complaints)
    if flag == cv2.IMREAD_REDUCED_GRAYSCALE_8:
        return piece
    if pixels is None:
        raise damaged(name, f'the piece at byte {page.dataoffsets[index]} cannot be decoded')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels[:, :, None]


def _without_numbers(piece: np.ndarray, content: bytes, parameters) -> np.ndarray:
    """A piece with NaN where it has been: LERC notes where, and keeps zeros."""
    inner = parameters[1] if parameters is not None and len(parameters) > 1 else 0
    if inner == _LERC_DEFLATED:
        content = imagecodecs.zlib_decode(content)
    elif inner == _LERC_ZSTD:
        content = imagecodecs.zstd_decode(content)
    known = imagecodecs.lerc_decode(content, masks=True)[1]
    if known is None or known.all():
        return piece
    if known.ndim == 3:  # one for each band
        known = np.moveaxis(known, 0, 2)
    piece = piece.copy()
    piece[~np.broadcast_to(known.reshape(*piece.shape[:2], -1), piece.shape)] = np.nan
    return piece
