"""Whether an image that can only be decoded whole fits into memory, said before trying."""

from __future__ import annotations

import os
from pathlib import Path

from mmsniper.errors import InputError

# What OpenCV decodes, unless CV_IO_MAX_IMAGE_PIXELS was set when it was imported.
MOST_PIXELS = int(os.environ.get('CV_IO_MAX_IMAGE_PIXELS') or 2**30)
_LIMITS_OF_CONTAINERS = (
    '/sys/fs/cgroup/memory.max',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes',
)
_INSTEAD = 'write it as a tiled TIFF with tools/dataset_converters/tile_images.py, or cut it up'


def check_fits(name: str, width: int, height: int, bytes_per_pixel: int) -> None:
    """Raise an InputError for an image that is too large to be decoded whole.

    Args:
        name: Of the file.
        width: In pixels.
        height: In pixels.
        bytes_per_pixel: Of the decoded image.
    """
    gigabytes = width * height * bytes_per_pixel / 1e9
    what = f'image {name} of {width}x{height} pixels has to be decoded whole, which'
    if width * height > MOST_PIXELS:
        raise InputError(f'{what} OpenCV does up to {MOST_PIXELS} pixels only: {_INSTEAD}')
    available = memory_size() / 1e9
    if gigabytes > available:
        raise InputError(
            f'{what} takes {gigabytes:.1f} GB, but this machine has {available:.1f} GB of memory: '
            f'{_INSTEAD}'
        )


def memory_size() -> float:
    """Bytes of memory of the machine, or of the container that this process is in."""
    try:
        size = float(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))
    except (AttributeError, OSError, ValueError):  # not on every system
        size = float('inf')
    for path in _LIMITS_OF_CONTAINERS:
        try:
            size = min(size, float(Path(path).read_text()))
        except (OSError, ValueError):  # no such limit
            continue
    return size
