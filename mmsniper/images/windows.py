"""Windows of image files: only the pixels that are needed, at the resolution that is needed.

Words: a window is (left, top, right, bottom) in whole pixels of the upright image, half-open; a
size is (width, height), as OpenCV has it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mmsniper.errors import InputError

from .decoding import decode_image, read_bytes
from .image_cache import ImageCache
from .rules import PixelRules

Window = tuple[int, int, int, int]
COLOR = PixelRules()
_CACHE = ImageCache()


def image_size(
    source: str | Path,
    *,
    rules: PixelRules = COLOR,
    backend_args: dict | None = None,
    cache: ImageCache | None = None,
) -> tuple[int, int]:
    """Width and height of an image file in pixels, turned as the rules say.

    Raises:
        BrokenImageError: The file is missing or is no image.
    """
    image = _whole_image(source, rules, backend_args, cache)
    return image.shape[1], image.shape[0]


def read_window(
    source: str | Path,
    window: Window | None = None,
    size: tuple[int, int] | None = None,
    *,
    rules: PixelRules = COLOR,
    backend_args: dict | None = None,
    cache: ImageCache | None = None,
    exact: bool = True,
    more: bool = False,
) -> np.ndarray:
    """Read a window of an image file, decoding no more of it than its format makes necessary.

    Args:
        source: Path of the file, or an address that ``backend_args`` are for.
        window: What to read. Defaults to all of it.
        size: At which size, at most that of the window. Defaults to the window's own.
        rules: What becomes of samples.
        backend_args: Those of ``mmengine.fileio.get``.
        cache: Where decoded images are kept. Defaults to one for the whole process.
        exact: Whether the result has to be of ``size``. Otherwise it is the window at its own
            size, without interpolation, where nothing was to be gained by less decoding, so that
            who asks can resize it in his own way.
        more: Whether other windows of this image will be asked for next: then files that cannot
            be read in pieces without waste are decoded once.

    Returns:
        np.ndarray: (h, w, 3) or (h, w), as of :func:`mmsniper.images.decode_image`.

    Raises:
        BrokenImageError: The file is missing, or what is needed of it is not whole.
        InputError: The window is not inside the image, or the rules cannot be applied.
    """
    image = _whole_image(source, rules, backend_args, cache)
    height, width = image.shape[:2]
    left, top, right, bottom = window = window or (0, 0, width, height)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise InputError(f'window {window} is not inside image {source} of {width}x{height} pixels')
    pixels = image[top:bottom, left:right]
    if exact and size is not None and size != (right - left, bottom - top):
        return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    return pixels.copy()


def _whole_image(
    source: str | Path, rules: PixelRules, backend_args: dict | None, cache: ImageCache | None
) -> np.ndarray:
    def load() -> np.ndarray:
        return decode_image(
            read_bytes(source, backend_args),
            str(source),
            rules.color_type,
            rules.backend,
            rules.depth_range,
        )

    return (cache or _CACHE).get((str(source), rules), load)
