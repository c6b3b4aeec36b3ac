"""Windows of TIFF files: only the tiles of the window, from the overview that is fine enough.

tifffile reads the structure and imagecodecs decodes the tiles: they know every compression that
GDAL writes, planes of their own for each band, and notice damage in each of them; and they start no
threads, so that processes may be forked.
"""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import numpy as np

from .damage import BrokenImageError, damaged
from .image_cache import ImageCache
from .memory import check_fits
from .optional import tifffile
from .rules import PixelRules
from .samples import SampleFormat, to_pixels
from .tiff import GREY, MOST_BANDS_OF_OPENCV, UNKNOWN_TO_OPENCV, opencv_misreads
from .tiff_pieces import decode_piece
from .window_geometry import Window

_RGB, _YCBCR = 2, 6  # photometric interpretations
_JPEG = 7
_MOST_LEVELS = 64  # of the pages of a file, so many are looked at for overviews
_GDAL_NODATA = 42113
# Of an overview without overviews of its own, at least so many samples make statistics.
_ENOUGH_SAMPLES = 2**18


class TiffFile:
    """An open TIFF, BigTIFF or Cloud Optimized GeoTIFF.

    Args:
        source: Path of the file, or its bytes.
        name: What it is called in errors.

    Attributes:
        size, orientation, ratios, level_sizes, cheap_windows: As of :class:`JpegFile`.

    Raises:
        BrokenImageError: Its structure is damaged.
    """

    def __init__(self, source: str | Path | bytes, name: str) -> None:
        self.name = name
        try:
            self._file = tifffile.TiffFile(
                io.BytesIO(source) if isinstance(source, bytes) else source
            )
            page = self._file.pages.first
            self._levels = [page, *_overviews(self._file, page)]
            for level in self._levels:
                self._check_pieces(level)
        except BrokenImageError:
            raise
        except Exception as error:  # whatever a damaged structure leads to
            raise BrokenImageError(f'image {name} cannot be read: {error}') from error
        self.size = page.imagewidth, page.imagelength
        orientation = page.tags.valueof('Orientation', 1)
        self.orientation = int(orientation) if orientation in range(1, 9) else 1
        self.ratios = [_ratio(self.size, level) for level in self._levels]
        self.level_sizes = [(level.imagewidth, level.imagelength) for level in self._levels]
        self.cheap_windows = page.is_tiled
        self._format = SampleFormat(
            name=name,
            num_bands=page.samplesperpixel,
            is_colour=page.photometric in (_RGB, _YCBCR) and page.samplesperpixel >= 3,
            bits=page.bitspersample,
            nodata=_stated_nodata(page),
        )
        self._ranges: dict = {}

    def __del__(self) -> None:
        # What tifffile makes refers to itself, and would be closed some time later only.
        if hasattr(self, '_file'):
            self._file.close()

    def understood(self) -> bool:
        """Whether its samples are those of pictures or measurements, and not an index or ink."""
        page = self._levels[0]
        is_picture = page.photometric in (GREY, _RGB) or (
            page.photometric == _YCBCR and page.compression == _JPEG
        )
        return (
            is_picture
            and page.imagedepth == 1
            and page.dtype is not None
            and page.dtype.kind in 'uif'
            and isinstance(page.bitspersample, int)  # and not another number for each band
            and page.bitspersample >= 8
        )

    def needs_this(self) -> bool:
        """Whether OpenCV cannot decode it, or decodes it wrongly, or would decode too much."""
        page = self._levels[0]
        unknown = (
            page.compression in UNKNOWN_TO_OPENCV or page.samplesperpixel > MOST_BANDS_OF_OPENCV
        )
        misread = opencv_misreads(
            page.photometric, page.planarconfig, page.samplesperpixel, page.bitspersample
        )
        return page.is_tiled or unknown or misread

    def read(
        self, level: int, window: Window, rules: PixelRules, more: bool, cache: ImageCache, key
    ) -> np.ndarray:
        """The pixels of a window of a level, in stored orientation; see :class:`JpegFile`."""
        page = self._levels[level]
        left, top, right, bottom = window
        if page.is_tiled:
            return self._to_pixels(self._read_tiles(page, window), rules)
        whole = cache.get((key, rules, level), lambda: self._read_all(page, rules))
        return whole[top:bottom, left:right]

    def _to_pixels(self, samples: np.ndarray, rules: PixelRules) -> np.ndarray:
        return to_pixels(samples, self._format, rules, self._statistics, self._ranges)

    def _read_all(self, page, rules: PixelRules) -> np.ndarray:
        width, height = page.imagewidth, page.imagelength
        check_fits(self.name, width, height, page.samplesperpixel * page.dtype.itemsize)
        return self._to_pixels(self._read_pieces(page, (0, 0, width, height)), rules)

    def _read_tiles(self, page, window: Window) -> np.ndarray:
        """(h, w, b) samples of a window, from the tiles that it touches."""
        left, top, right, bottom = window
        tile_height, tile_width = page.tilelength, page.tilewidth
        return self._read_pieces(page, window, tile_width, tile_height)

    def _read_pieces(self, page, window, piece_width=None, piece_height=None) -> np.ndarray:
        left, top, right, bottom = window
        piece_width = piece_width or page.imagewidth
        piece_height = piece_height or page.rowsperstrip
        across = -(-page.imagewidth // piece_width)
        down = -(-page.imagelength // piece_height)
        separate = page.planarconfig == 2 and page.samplesperpixel > 1
        shape = bottom - top, right - left, page.samplesperpixel
        dtype = page.dtype.newbyteorder('=')
        samples = np.full(shape, self._format.left_out(dtype), dtype)
        for plane in range(page.samplesperpixel if separate else 1):
            bands = slice(plane, plane + 1) if separate else slice(None)
            for row in range(top // piece_height, -(-bottom // piece_height)):
                for column in range(left // piece_width, -(-right // piece_width)):
                    piece = self._decode(page, (plane * down + row) * across + column)
                    if piece is None:
                        continue
                    first_y, first_x = row * piece_height, column * piece_width
                    y0, x0 = max(top, first_y), max(left, first_x)
                    y1 = min(bottom, first_y + piece_height)
                    x1 = min(right, first_x + piece_width)
                    wanted = samples[y0 - top : y1 - top, x0 - left : x1 - left, bands]
                    piece = piece[y0 - first_y : y1 - first_y, x0 - first_x : x1 - first_x]
                    if piece.shape != wanted.shape:
                        raise damaged(
                            self.name, f'a piece of {piece.shape} instead of {wanted.shape}'
                        )
                    wanted[:] = piece
        return samples

    def _decode(self, page, index: int) -> np.ndarray | None:
        """(h, w, b) samples of a tile or strip; None where the file leaves it out."""
        count = page.databytecounts[index]
        if count == 0:
            return None
        handle = self._file.filehandle
        handle.seek(page.dataoffsets[index])
        content = handle.read(count)  # before anything else, which may read elsewhere
        return decode_piece(page, index, content, self.name)

    def _statistics(self) -> np.ndarray:
        """(n, b) samples from all over the image, at the coarsest level that has enough of them."""
        enough = [
            page for page in self._levels if page.imagewidth * page.imagelength >= _ENOUGH_SAMPLES
        ]
        page = enough[-1] if enough else self._levels[0]
        step = max(1, int(np.sqrt(page.imagewidth * page.imagelength / (16 * _ENOUGH_SAMPLES))))
        rows = []
        height = page.tilelength if page.is_tiled else page.rowsperstrip
        for top in range(0, page.imagelength, height):
            window = (0, top, page.imagewidth, min(top + height, page.imagelength))
            read = self._read_tiles if page.is_tiled else self._read_pieces
            band = read(page, window)[:: min(step, height), ::step]
            rows.append(band.reshape(-1, page.samplesperpixel))
        return np.concatenate(rows)

    def _check_pieces(self, page) -> None:
        """Raise a BrokenImageError if pieces are missing or lie behind the end of the file."""
        offsets = np.asarray(page.dataoffsets, np.int64)
        counts = np.asarray(page.databytecounts, np.int64)
        width, height = page.imagewidth, page.rowsperstrip
        if page.is_tiled:
            width, height = page.tilewidth, page.tilelength
        num_pieces = -(-page.imagewidth // width) * -(-page.imagelength // height)
        if page.planarconfig == 2:
            num_pieces *= page.samplesperpixel
        if not 0 < num_pieces <= len(offsets) == len(counts):
            raise damaged(self.name, f'{num_pieces} pieces, but places of {len(offsets)}')
        size = self._file.filehandle.size
        if (offsets < 0).any() or (counts < 0).any() or (offsets > size - counts).any():
            raise BrokenImageError(f'image {self.name} is cut short ({size} bytes); replace it')


def _overviews(file, first) -> list:
    """Smaller copies of the first image, fine to coarse."""
    others = [*islice(file.pages, 1, _MOST_LEVELS), *(first.pages or ())]
    same = [
        page
        for page in others
        if page.subfiletype & 1  # a reduced image
        and not page.subfiletype & 4  # and no mask of one
        and page.samplesperpixel == first.samplesperpixel
        and page.dtype == first.dtype
        and page.photometric == first.photometric
        and page.imagewidth < first.imagewidth
        and _shows_all(page, first)
    ]
    return sorted(same, key=lambda page: -page.imagewidth)


def _shows_all(page, first) -> bool:
    """Whether a smaller picture has the sides of the first one, however they were rounded.

    Others are labels of slides, or thumbnails with a margin.
    """
    wide, high = page.imagewidth, page.imagelength
    # Each side may be up to one pixel longer or shorter than a common ratio would make it.
    least = (wide - 1) * first.imagelength <= (high + 1) * first.imagewidth
    most = (wide + 1) * first.imagelength >= (high - 1) * first.imagewidth
    return 0 < high <= first.imagelength and least and most


def _ratio(size: tuple[int, int], page) -> tuple[float, float]:
    """How many pixels of the image are one of an overview, across and down.

    Writers that halve, such as libvips, leave out what remains of odd sizes; those that round up,
    as GDAL does, stretch the overview over all of the image.
    """
    ratios = []
    for whole, part in zip(size, (page.imagewidth, page.imagelength)):
        power = 2 ** max(0, round(np.log2(whole / max(part, 1))))
        halved = whole // power == part
        ratios.append(float(power) if halved else whole / part)
    return tuple(ratios)


def _stated_nodata(page) -> float | None:
    """What GDAL wrote as the value without data."""
    text = page.tags.valueof(_GDAL_NODATA)
    try:
        return None if text is None else float(str(text).strip('\0 '))
    except ValueError:
        return None
