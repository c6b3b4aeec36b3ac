"""Writing pictures as tiled TIFFs with a pyramid, of which a window costs what it shows.

One page for each level, the whole picture first, as QGIS (GDAL), OpenSlide and libvips read them. A
level has half the sides of the one before, rounded down as libvips does it; each of its pixels is
the mean of two by two there, so a pixel at x of level k shows ``[x * 2**k, (x + 1) * 2**k)`` of the
picture, and likewise in y. The last level is the first one that fits on one tile.

libvips could write such files, but has 4:2:0 colour below quality 90 and RGB from there, with which
pictures of quality 95 are 2.3 times as large as in YCbCr, and windows take 1.6 times as long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from mmsniper.errors import InputError

from .damage import check_bytes
from .formats import is_tiff, stated_size
from .orientation import UPRIGHT, stored_orientation
from .strips import FileBytes, StripError, Strips, decoded, file_bytes, streamed
from .tiff import EXTRA_SAMPLES, IMAGE_LENGTH, IMAGE_WIDTH, ORIENTATION, TiffTags
from .tiff_writing import TagValues, TiffWriter
from .tile_encoding import DeflatedTiles, JPEGTiles

TILE_SIZE = 256
SUFFIX = '.tif'

# Stands behind the header of each file, so that a damaged one still tells where it is from.
_MARK, _MARK_START = b'mmsniper', 16

_SUB_FILE, _DESCRIPTION = 254, 270
_TILE_WIDTH, _TILE_HEIGHT, _TILE_STARTS, _TILE_COUNTS = 322, 323, 324, 325
_NODATA = 42113
# Those of GeoTIFF and GDAL: where the picture lies on Earth, and what its numbers mean.
_KEPT = (33550, 33922, 34264, 34735, 34736, 34737, 42112, _NODATA)


def write_tiled_tiff(
    source: str | Path,
    target: str | Path,
    size: tuple[int, int] | None = None,
    quality: int = 95,
    lossless: bool = False,
    description: str = '',
) -> None:
    """Write a picture as a tiled TIFF with a pyramid, whole or not at all.

    Colour and grey of 8 bits become JPEG tiles in full colour resolution (4:4:4). Everything else
    stays exactly as it is stored, compressed with Deflate: more than 8 bits, alpha, other numbers
    of bands, and pictures with a value that means "no data", which is left out of the pyramid's
    means. Kept are the pixels as they are stored, the orientation tag and, of a TIFF, GeoTIFF's
    tags and GDAL's; a colour profile and all else that a file may say of itself are not.

    The file is written beside its place, as ``.NAME.part``.

    Args:
        source: The picture, in any format.
        target: The file to write, its folder made where missing.
        size: Width and height that the picture has to have, as stored or turned by its tag.
        quality: Of JPEG, 1 to 100.
        lossless: Whether to use Deflate for colour and grey of 8 bits as well.
        description: What the file is to say of itself.

    Raises:
        BrokenImageError: The picture is missing, damaged or none.
        InputError: It has another size, or the file cannot be written.
    """
    source, target = Path(source), Path(target)
    content = file_bytes(source)
    check_bytes(content, str(source))
    part = target.with_name(f'.{target.name}.part')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            strips = streamed(source, content)
            _write_part(part, source, content, strips, size, quality, lossless, description)
        except StripError:
            strips = decoded(source, content)
            _write_part(part, source, content, strips, size, quality, lossless, description)
        os.replace(part, target)
    except OSError as error:
        raise InputError(f'cannot write {target}: {error.strerror}') from error
    finally:
        if part.parent.is_dir():
            part.unlink(missing_ok=True)


def description_of(path: str | Path, size: tuple[int, int] | None = None) -> str | None:
    """What a tiled TIFF says of itself, '' if nothing; None if it is no such file or not whole.

    Args:
        path: The file.
        size: Width and height that its picture has to have, as stored or turned by its tag.
    """
    try:
        content = file_bytes(Path(path))
        tags = _StoredTags(content) if is_tiff(content) else None
    except (InputError, ValueError):
        return None
    # The tags of the first level are what is written last, so with them all else is there.
    if tags is None or not len(tags.numbers(_TILE_STARTS)):
        return None
    if not _is_size(size, stated_size(content), stored_orientation(content)):
        return None
    return tags.get(_DESCRIPTION, b'').rstrip(b'\0').decode(errors='replace')


def is_tiled_tiff(path: str | Path) -> bool:
    """Whether a file was written by :func:`write_tiled_tiff`, whatever became of it since."""
    try:
        content = file_bytes(Path(path))
    except InputError:
        return False
    return is_tiff(content) and content.startswith(_MARK, _MARK_START)


class _StoredTags(TiffTags):
    """Tags whose values can be had as they are."""

    def get(self, tag: int, default: TagValues | None = None) -> TagValues | None:
        """Text, whole numbers of 16 bits or real numbers of 64; else the default."""
        kind, number, start = self._entries.get(tag, (0, 0, 0))
        if kind == 2:
            return bytes(self._content[start : start + number])
        form = {3: 'u2', 12: 'f8'}.get(kind)
        if form is None or len(self._content) < start + number * int(form[1]):
            return default
        values = np.frombuffer(self._content, self._order + form, number, start)
        return values.astype(form)


def _write_part(
    part: Path,
    source: Path,
    content: FileBytes,
    strips: Strips,
    size: tuple[int, int] | None,
    quality: int,
    lossless: bool,
    description: str,
) -> None:
    orientation = stored_orientation(content)
    if not _is_size(size, (strips.width, strips.height), orientation):
        raise InputError(
            f'image {source} has {strips.width}x{strips.height} pixels, but its annotation file '
            f'says {size[0]}x{size[1]}: correct one of them'
        )
    kept = {} if orientation == UPRIGHT else {ORIENTATION: np.array([orientation], np.uint16)}
    extra = None
    if is_tiff(content):
        tags = _StoredTags(content)
        kept.update({tag: tags.get(tag) for tag in _KEPT if tags.get(tag) is not None})
        extra = tags.get(EXTRA_SAMPLES)
    nodata = _number(kept.get(_NODATA))
    is_picture = strips.dtype == np.uint8 and strips.bands in (1, 3) and nodata is None
    with part.open('wb') as file:
        if is_picture and not lossless:
            pieces = JPEGTiles(strips.bands, quality)
        else:
            pieces = DeflatedTiles(strips, extra)
        _write(file, strips, pieces, kept, nodata, description)
    _check_written(part, strips)


def _write(
    file: BinaryIO,
    strips: Strips,
    pieces: JPEGTiles | DeflatedTiles,
    kept: Mapping[int, TagValues],
    nodata: float | None,
    description: str,
) -> None:
    writer = TiffWriter(file)
    writer.append(_MARK)
    levels = [_Level(strips.width, strips.height)]
    while max(levels[-1].size) > TILE_SIZE and min(levels[-1].size) > 1:
        levels.append(_Level(*(side // 2 for side in levels[-1].size)))
    for rows in strips.read(TILE_SIZE):
        for number, level in enumerate(levels):
            if not level.takes(rows):
                break
            rows = level.strip()
            for tile in _tiles(rows):
                piece = pieces.encode(tile)
                level.starts.append(writer.append(piece))
                level.counts.append(len(piece))
            if number + 1 < len(levels):
                rows = halved(rows, nodata)
    images = [
        {**pieces.tags, **kept, **level.tags, _SUB_FILE: np.array([number > 0], np.uint32)}
        for number, level in enumerate(levels)
    ]
    if description:
        images[0][_DESCRIPTION] = description.encode()
    writer.finish(images)


class _Level:
    """A level of the pyramid that is being written."""

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self.starts: list[int] = []
        self.counts: list[int] = []
        self._waiting: list[np.ndarray] = []
        self._num_taken = 0

    def takes(self, rows: np.ndarray) -> bool:
        """Take some more rows; true if there is a strip of tiles then."""
        self._waiting.append(rows)
        self._num_taken += len(rows)
        is_last = self._num_taken == self.size[1]
        return len(rows) > 0 and (is_last or self._num_taken % TILE_SIZE == 0)

    def strip(self) -> np.ndarray:
        """The strip that is ready, which is then no longer here."""
        strip = np.concatenate(self._waiting)
        self._waiting.clear()
        return strip

    @property
    def tags(self) -> dict[int, TagValues]:
        return {
            IMAGE_WIDTH: np.array(self.size[:1], np.uint32),
            IMAGE_LENGTH: np.array(self.size[1:], np.uint32),
            _TILE_WIDTH: np.array([TILE_SIZE], np.uint32),
            _TILE_HEIGHT: np.array([TILE_SIZE], np.uint32),
            _TILE_STARTS: np.array(self.starts, np.uint64),
            _TILE_COUNTS: np.array(self.counts, np.uint32),
        }


def _tiles(strip: np.ndarray) -> Iterator[np.ndarray]:
    """The tiles of a strip from left to right, filled up with its last row and column."""
    height, width = strip.shape[:2]
    beyond = (0, -height % TILE_SIZE), (0, -width % TILE_SIZE), (0, 0)
    if any(map(any, beyond)):
        strip = np.pad(strip, beyond, mode='edge')
    for left in range(0, width, TILE_SIZE):
        yield strip[:, left : left + TILE_SIZE]


def halved(pixels: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """Means of two by two pixels; the last row and column of an odd number are left out.

    Args:
        pixels: (h, w, c) of any type.
        nodata: A value that is left out of means, as NaN is; where all four are, it stays.

    Returns:
        np.ndarray: (h // 2, w // 2, c) of the same type, rounded half up.
    """
    height, width, bands = pixels.shape
    half = height // 2, width // 2
    pixels = pixels[: 2 * half[0], : 2 * half[1]]
    if pixels.dtype == np.uint8 and nodata is None and bands <= 4 and pixels.size:
        # The same, many times faster.
        return cv2.resize(pixels, half[::-1], interpolation=cv2.INTER_AREA).reshape(*half, bands)
    squares = pixels.reshape(half[0], 2, half[1], 2, bands).astype(np.float64)
    counts = ~np.isnan(squares)
    if nodata is not None:
        counts &= squares != nodata
    number = counts.sum(axis=(1, 3))
    mean = np.where(counts, squares, 0).sum(axis=(1, 3)) / np.maximum(number, 1)
    if pixels.dtype.kind != 'f':
        mean = np.floor(mean + 0.5)
    nothing = np.nan if nodata is None else nodata
    return np.where(number == 0, nothing, mean).astype(pixels.dtype)


def _check_written(part: Path, strips: Strips) -> None:
    """Make sure that what was written can be read and is of the same size."""
    content = file_bytes(part)
    check_bytes(content, str(part))
    if stated_size(content) != (strips.width, strips.height):
        raise InputError(f'{part} came out with another size: write it again')


def _is_size(wanted: tuple[int, int] | None, stored: tuple[int, int], orientation: int) -> bool:
    """Whether a size is the wanted one, if there is one, as stored or turned."""
    turned = stored[::-1] if orientation >= 5 else stored
    return wanted is None or tuple(wanted) in (stored, turned)


def _number(text: TagValues | None) -> float | None:
    """The number that GDAL has written as a text, None if it is none."""
    try:
        return float(bytes(text).rstrip(b'\0 ')) if isinstance(text, bytes) else None
    except ValueError:
        return None
