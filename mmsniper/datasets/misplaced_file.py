"""Where a file is that was looked for at the wrong place."""

from __future__ import annotations

import os


def find_misplaced(path: str) -> str:
    """Look for a file that does not exist with fewer folders in its path.

    Finds what a ``data_root`` makes of a path that contains it already, such as
    ``data/coco/data/coco/train2017/1.jpg``.

    Args:
        path (str): A local path that does not exist.

    Returns:
        str: ``', but ... does'``, or an empty text if nothing is found.
    """
    parts = os.path.normpath(path).split(os.sep)
    first = 1 if os.path.isabs(path) else 0
    # The fewer folders are left out, the likelier it is the same file.
    for length in range(1, len(parts) - first):
        for start in range(first, len(parts) - length):
            shorter = os.sep.join(parts[:start] + parts[start + length :])
            if os.path.isfile(shorter):
                return f', but {shorter} does'
    return ''
