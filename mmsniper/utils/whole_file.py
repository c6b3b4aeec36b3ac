"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file next to its place and move it there in one step.

    Args:
        path (str or Path): The file; its folder is made where missing.
        content (bytes): What goes into it.

    Raises:
        InputError: The file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)
        raise InputError(f'cannot write {path}: {error.strerror}') from error
