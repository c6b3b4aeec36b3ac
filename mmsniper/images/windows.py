"""Windows of image files: only the pixels that are needed, at the resolution that is needed.

Words: a window is (left, top, right, bottom) in whole pixels of the upright image, half-open; a
size is (width, height), as OpenCV has it.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Hashable
from functools import wraps
from pathlib import Path

import cv2
import numpy as np
from mmengine.fileio import LocalBackend, get_file_backend

from mmsniper.errors import InputError

from .damage import BrokenImageError
from .decoding import read_bytes
from .formats import is_jpeg, is_tiff
from .image_cache import ImageCache
from .jpeg_file import JpegFile
from .optional import tell_once, tifffile
from .orientation import UPRIGHT, turn_upright
from .plain_file import PlainFile
from .rules import PixelRules
from .tiff_file import TiffFile
from .window_geometry import Window, as_stored, coarsest_level, pixels_around, resample

COLOR = PixelRules()
_CACHE = ImageCache()

# Of open files and what is kept of them. Decoders take turns anyway, see captured_errors.
_reading = threading.RLock()
if hasattr(os, 'register_at_fork'):  # or a child would wait for a thread that it has not
    os.register_at_fork(
        before=_reading.acquire,
        after_in_parent=_reading.release,
        after_in_child=_reading.release,
    )


def _one_thread_at_a_time(read: Callable) -> Callable:
    @wraps(read)
    def locked(*args, **kwargs):
        with _reading:
            return read(*args, **kwargs)

    return locked


@_one_thread_at_a_time
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
    _, file = _open(source, rules, backend_args, _CACHE if cache is None else cache)
    return _turned(file.size, _orientation(file, rules))


@_one_thread_at_a_time
def image_orientation(
    source: str | Path,
    *,
    rules: PixelRules = COLOR,
    backend_args: dict | None = None,
    cache: ImageCache | None = None,
) -> int:
    """The orientation that a file states and the rules go by, 1 to 8; see ``stored_orientation``.

    Raises:
        BrokenImageError: The file is missing or is no image.
    """
    _, file = _open(source, rules, backend_args, _CACHE if cache is None else cache)
    return _orientation(file, rules)


@_one_thread_at_a_time
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
    cache = _CACHE if cache is None else cache
    key, file = _open(source, rules, backend_args, cache)
    orientation = _orientation(file, rules)
    width, height = _turned(file.size, orientation)
    left, top, right, bottom = window = window or (0, 0, width, height)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise InputError(f'window {window} is not inside image {source} of {width}x{height} pixels')
    size = size or (right - left, bottom - top)
    stored = as_stored(window, orientation, file.size)
    stored_size = _turned(size, orientation)
    # What is kept for many windows is one level for all of them.
    aligned = file.cheap_windows or not more
    level = coarsest_level(file.ratios, stored, stored_size, aligned)
    if level == 0:
        pixels = file.read(0, stored, rules, more, cache, key)
        if exact and pixels.shape[1::-1] != stored_size:
            pixels = cv2.resize(pixels, stored_size, interpolation=cv2.INTER_LINEAR)
    else:
        ratio = file.ratios[level]
        around, between = pixels_around(stored, ratio, file.level_sizes[level])
        pixels = file.read(level, around, rules, more, cache, key)
        if between:
            pixels = resample(pixels, around, stored, ratio, stored_size)
        elif pixels.shape[1::-1] != stored_size:
            pixels = cv2.resize(pixels, stored_size, interpolation=cv2.INTER_LINEAR)
    pixels = turn_upright(pixels, orientation)
    # What is kept for other windows must not be written to.
    return pixels if pixels.flags.writeable and pixels.flags.owndata else pixels.copy()


def _open(
    source: str | Path, rules: PixelRules, backend_args: dict | None, cache: ImageCache
) -> tuple[Hashable, JpegFile | TiffFile | PlainFile]:
    """The open file, and a key that changes when the file does."""
    name = str(source)
    try:
        # The backend of mmengine.fileio.get: some connect to a server when they are made.
        backend = get_file_backend(name, backend_args=backend_args, enable_singleton=True)
        # Classes that inherit from it may read in another way.
        local = type(backend).get is LocalBackend.get
        status = os.stat(name) if local else None
    except OSError:
        local = False  # reading it says what is wrong
        status = None
    version = (status.st_mtime_ns, status.st_size, status.st_ino) if local else None
    # Forked processes would share where their parent's file stands, so they open it themselves.
    key = name, repr(backend_args), version, os.getpid()
    key += rules.reads_samples, rules.color_type, rules.backend
    try:
        return key, cache.get_file(
            key, lambda: _read_file(name, rules, backend_args, local, cache, key)
        )
    except OSError as error:
        raise BrokenImageError(f'image {name} cannot be read: {error}') from error


def _read_file(
    name: str,
    rules: PixelRules,
    backend_args: dict | None,
    local: bool,
    cache: ImageCache,
    key: Hashable,
) -> JpegFile | TiffFile | PlainFile:
    content = b'' if local else read_bytes(name, backend_args)
    with open(name, 'rb') if local else io.BytesIO(content) as file:
        start = file.read(16)
        if is_tiff(start) and rules.backend == 'cv2':
            if tifffile is None:
                tell_once(name, 'TIFFs are decoded whole', 'tifffile and imagecodecs')
            else:
                tiff = TiffFile(name if local else content, name)
                if tiff.understood() and (tiff.needs_this() or rules.reads_samples):
                    return tiff
        content = start + file.read()
    if is_jpeg(content) and JpegFile.understands(content, rules):
        return JpegFile(content, name, local)
    return PlainFile(content, name, rules, cache, key)


def _orientation(file: JpegFile | TiffFile | PlainFile, rules: PixelRules) -> int:
    return file.orientation if rules.turns else UPRIGHT


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height after turning, or before it."""
    return size if orientation < 5 else size[::-1]
