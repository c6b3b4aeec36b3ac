"""Windows of plain JPEG files: scaled decoding, and none of the lines below the window."""

from __future__ import annotations

import cv2
import numpy as np

from .damage import check_bytes
from .decoding import decode_image
from .formats import jpeg_frame
from .image_cache import ImageCache
from .memory import check_fits
from .optional import pyvips
from .orientation import stored_orientation
from .rules import PixelRules
from .window_geometry import Window

REDUCTIONS = (1, 2, 4, 8)
# Reading line by line has a cost per line, which is that of decoding about so many pixels whole.
_PIXELS_PER_LINE = 1000


class JpegFile:
    """A JPEG whose header has been read.

    Args:
        content: The bytes of the file.
        name: What it is called in errors.

    Attributes:
        size: Width and height as stored.
        orientation: As of :func:`mmsniper.images.stored_orientation`.
        ratios: How many pixels of the file, across and down, are one of each of its levels.
        level_sizes: Width and height of each level.
        cheap_windows: Whether many windows cost less than all of the image.
    """

    cheap_windows = False

    def __init__(self, content: bytes, name: str) -> None:
        check_bytes(content, name)
        self.content = content
        self.name = name
        frame = jpeg_frame(content)
        self.size = frame.width, frame.height
        self._is_colour = frame.num_components == 3
        self.orientation = stored_orientation(content)
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
        left, top, right, bottom = window
        reduction = REDUCTIONS[level]
        place = key, rules, reduction
        if not more and place not in cache:
            pixels = self._by_libvips(reduction, window, rules)
            if pixels is not None:
                return pixels
        # Kept in training as well: the images of a small data set may all fit.
        whole = cache.get(place, lambda: self._decode(reduction, rules))
        return whole[top:bottom, left:right]

    def _level_size(self, reduction: int) -> tuple[int, int]:
        width, height = self.size
        return -(-width // reduction), -(-height // reduction)

    def _decode(self, reduction: int, rules: PixelRules) -> np.ndarray:
        size = self._level_size(reduction)
        check_fits(self.name, *size, 3 if rules.color_type.startswith('color') else 1)
        color_type = rules.color_type.split('_')[0] + '_ignore_orientation'
        return decode_image(self.content, self.name, color_type, 'cv2', reduction=reduction)

    def _by_libvips(self, reduction: int, window: Window, rules: PixelRules) -> np.ndarray | None:
        """Pixels of a level by libvips; None without it, where it is slower, or finds fault."""
        left, top, right, bottom = window
        width, height = self._level_size(reduction)
        # All of it had better be read by OpenCV: some damage shows at the end of a file only, which
        # libvips does not look at.
        needless = bottom * _PIXELS_PER_LINE > height * width or window == (0, 0, width, height)
        if (
            pyvips is None
            or needless
            or (self._is_colour and not rules.color_type.startswith('color'))
        ):
            return None
        try:
            image = pyvips.Image.jpegload_buffer(
                self.content, shrink=reduction, access='sequential', fail_on='warning'
            )
            # A region is worked out in this thread. Others would not live on in a forked process,
            # which would wait for them for ever.
            region = pyvips.Region.new(image)
            fetched = region.fetch(left, top, right - left, bottom - top)
        except pyvips.Error:  # OpenCV and our rules say whether it is damaged
            return None
        pixels = np.frombuffer(fetched, np.uint8).reshape(bottom - top, right - left, image.bands)
        if self._is_colour:
            return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        if rules.color_type.startswith('color'):
            return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
        return pixels[:, :, 0].copy()
