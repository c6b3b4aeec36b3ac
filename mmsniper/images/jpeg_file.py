"""Windows of plain JPEG files: scaled decoding, and no more blocks than the window has."""

from __future__ import annotations

import zlib

import numpy as np

from .damage import BrokenImageError, check_bytes
from .decoding import decode_image
from .formats import jpeg_frame, stated_size
from .image_cache import ImageCache
from .jpeg_cut import JpegCutter
from .memory import check_fits
from .orientation import stored_orientation
from .rules import PixelRules
from .window_geometry import Window

REDUCTIONS = (1, 2, 4, 8)
# What decoding all of an image costs at each of them, in units of that at its own size (measured).
_COSTS = (1.0, 0.5, 0.42, 0.4)
# Likewise of a cut: following the codes of all of an image, and copying all of them.
_FOLLOWING, _COPYING = 0.25, 0.3
# Images of fewer pixels are always decoded whole, and kept if they fit.
_SMALL = 2_000_000

# Hashes of the files whose codes this process has followed to the end, which need not be kept.
_found_whole: set[int] = set()


class JpegFile:
    """A JPEG whose header has been read.

    Args:
        content: The bytes of the file.
        name: What it is called in errors.
        is_local: Whether what it is called in a cache changes with its bytes.

    Attributes:
        size: Width and height as stored.
        orientation: As of :func:`mmsniper.images.stored_orientation`.
        ratios: How many pixels of the file, across and down, are one of each of its levels.
        level_sizes: Width and height of each level.
        cheap_windows: Whether many windows cost less than all of the image.
    """

    cheap_windows = False

    def __init__(self, content: bytes, name: str, is_local: bool = True) -> None:
        check_bytes(content, name)
        self.content = content
        self.name = name
        # Where its rows begin must never be taken for where those of another file do.
        self._mark = None if is_local else zlib.crc32(content)
        frame = jpeg_frame(content)
        self.size = frame.width, frame.height
        self._is_colour = frame.num_components == 3
        self.orientation = stored_orientation(content)
        self._cutter: JpegCutter | None = None
        self.ratios = [(reduction, reduction) for reduction in REDUCTIONS]
        self.level_sizes = [self._level_size(reduction) for reduction in REDUCTIONS]

    @staticmethod
    def understands(content: bytes, rules: PixelRules) -> bool:
        """Whether a JPEG is of a kind that can be decoded in parts, to the pixels asked for."""
        frame = jpeg_frame(content)
        return (
            frame is not None
            and min(frame.width, frame.height) > 0
            and frame.is_huffman
            and frame.bits == 8
            and frame.num_components in (1, 3)
            and rules.color_type != 'unchanged'
            and rules.backend == 'cv2'
            and not rules.reads_samples
        )

    def read(
        self, level: int, window: Window, rules: PixelRules, more: bool, cache: ImageCache, key
    ) -> np.ndarray:
        """The pixels of a window of a level, in stored orientation.

        Args:
            level: Index of one of ``ratios``.
            window: In pixels of the level.
            rules: What becomes of samples.
            more: Whether other windows will follow.
            cache: Where all of the level is kept, if it is decoded for more windows.
            key: What this file is called there.
        """
        reduction = REDUCTIONS[level]
        place = key, rules, reduction
        if not more and place not in cache:
            pixels = self._cut_out(reduction, window, rules, cache, (key, self._mark))
            if pixels is not None:
                return pixels
        # Kept in training as well: the images of a small data set may all fit.
        whole = cache.get(place, lambda: self._decode(reduction, rules))
        left, top, right, bottom = window
        return whole[top:bottom, left:right]

    def _level_size(self, reduction: int) -> tuple[int, int]:
        width, height = self.size
        return -(-width // reduction), -(-height // reduction)

    def _decode(
        self, reduction: int, rules: PixelRules, content: bytes | None = None
    ) -> np.ndarray:
        content = content or self.content
        width, height = stated_size(content)
        size = -(-width // reduction), -(-height // reduction)
        check_fits(self.name, *size, 3 if rules.color_type.startswith('color') else 1)
        color_type = rules.color_type.split('_')[0] + '_ignore_orientation'
        return decode_image(content, self.name, color_type, 'cv2', reduction=reduction)

    def _cut_out(
        self, reduction: int, window: Window, rules: PixelRules, cache: ImageCache, key
    ) -> np.ndarray | None:
        """The pixels of a window of a level, or None where all of it had better be decoded."""
        left, top, right, bottom = window
        if self.size[0] * self.size[1] < _SMALL:
            return None
        notes, is_new = cache.notes(key), hash(key) not in _found_whole
        try:
            if self._cutter is None:
                self._cutter = JpegCutter(self.content, notes.get('starts'))
                notes['starts'] = self._cutter.starts
            own = [side * reduction for side in window]
            own[2:] = (min(side, limit) for side, limit in zip(own[2:], self.size))
            if self._cost_of_cut(own, reduction, is_new) > _COSTS[REDUCTIONS.index(reduction)]:
                return None
            if is_new:
                self._cutter.check()
                _found_whole.add(hash(key))
            part, x, y = self._cutter.cut(tuple(own))
            pixels = self._decode(reduction, rules, part)
        except (ValueError, BrokenImageError):  # of another kind; or our rules say what is damaged
            return None
        x, y = x // reduction, y // reduction
        return pixels[top - y : bottom - y, left - x : right - x]

    def _cost_of_cut(self, window: Window, reduction: int, is_new: bool) -> float:
        left, top, right, bottom = window
        width, height = self.size
        share = (right - left) * (bottom - top) / (width * height)
        unknown = max(0.0, (1 if is_new else bottom / height) - self._cutter.known_share)
        decoding = _COSTS[REDUCTIONS.index(reduction)]
        return _FOLLOWING * unknown + share * (_COPYING + decoding)
