"""Packages that make reading windows faster and are not needed for it: `mmsniper[images]`."""

from __future__ import annotations

import logging

from mmengine.logging import print_log

try:
    import pyvips

    # Files change while a program runs, and what is worth keeping is kept in ImageCache.
    pyvips.cache_set_max(0)
    logging.getLogger('pyvips').setLevel(logging.WARNING)
except (ImportError, OSError):  # OSError: there is no libvips to go with it
    pyvips = None
try:
    import imagecodecs
    import tifffile
except ImportError:
    imagecodecs = tifffile = None

_told: set[str] = set()


def tell_once(name: str, slow: str, package: str) -> None:
    """Say in the log, once per process, what an optional package would make faster.

    Args:
        name: An image for which it matters.
        slow: What is done without the package.
        package: What to install.
    """
    if package not in _told:
        _told.add(package)
        print_log(
            f'{slow} (such as {name}); with {package} only what is needed is: pip install '
            "'mmsniper[images]' (this is said once per process)",
            'current',
            logging.WARNING,
        )
