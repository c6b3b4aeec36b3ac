"""Windows of image files of all other formats, which are decoded whole."""

from __future__ import annotations

import numpy as np

from mmsniper.errors import InputError

from .decoding import decode_image
from .formats import is_jpeg, stated_size
from .image_cache import ImageCache
from .memory import check_fits
from .orientation import stored_orientation
from .rules import PixelRules
from .samples import SampleFormat, to_pixels
from .window_geometry import Window


class PlainFile:
    """An image file in memory.

    Args:
        content: The bytes of the file.
        name: What it is called in errors.
        rules: What becomes of samples, where they decide on the size of an image.
        cache: Where the decoded image is kept, if its size has to be looked at.
        key: What the file is called there.

    Attributes:
        size, orientation, ratios, level_sizes, cheap_windows: As of :class:`JpegFile`.
    """

    cheap_windows = False
    ratios = [(1, 1)]

    def __init__(
        self, content: bytes, name: str, rules: PixelRules, cache: ImageCache, key
    ) -> None:
        self.content = content
        self.name = name
        self.orientation = stored_orientation(content)
        self.size = stated_size(content)
        if self.size is None:
            height, width = self._whole(rules, cache, key).shape[:2]
            self.size = width, height
        self.level_sizes = [self.size]

    def read(
        self, level: int, window: Window, rules: PixelRules, more: bool, cache: ImageCache, key
    ) -> np.ndarray:
        """The pixels of a window, in stored orientation; see :class:`JpegFile`."""
        left, top, right, bottom = window
        if not more and (window == (0, 0, *self.size) or is_jpeg(self.content)):
            return self._decode(rules)[top:bottom, left:right]
        return self._whole(rules, cache, key)[top:bottom, left:right]

    def _whole(self, rules: PixelRules, cache: ImageCache, key) -> np.ndarray:
        return cache.get((key, rules), lambda: self._decode(rules))

    def _decode(self, rules: PixelRules) -> np.ndarray:
        if self.size is None:
            return self._decode_all(rules)
        check_fits(self.name, *self.size, 3)
        pixels = self._decode_all(rules)
        if pixels.shape[1::-1] != self.size:
            # As the backend tifffile gives stacks and planes; no window could be cut from these.
            raise InputError(
                f'image {self.name} of {self.size[0]}x{self.size[1]} pixels comes out of '
                f'imdecode_backend={rules.backend!r} in the shape {pixels.shape}: use another one'
            )
        return pixels

    def _decode_all(self, rules: PixelRules) -> np.ndarray:
        if not rules.reads_samples:
            color_type = rules.color_type
            if rules.turns:
                color_type += '_ignore_orientation'
            return decode_image(
                self.content, self.name, color_type, rules.backend, rules.depth_range
            )
        samples = decode_image(self.content, self.name, 'unchanged', 'cv2')
        samples = samples.reshape(*samples.shape[:2], -1)
        num_bands = samples.shape[2]
        if num_bands >= 3:  # OpenCV gives blue first, files red
            samples = samples[:, :, [2, 1, 0, *range(3, num_bands)]]
        file = SampleFormat(
            name=self.name,
            num_bands=num_bands,
            is_colour=num_bands >= 3,
            bits=8 * samples.dtype.itemsize,
        )
        return to_pixels(samples, file, rules, lambda: samples.reshape(-1, num_bands), {})
