"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import InputError


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file next to its place and move it there in one step.

    Args:
        path (str or Path): The file; its folder is made where missing.
        content (bytes): What goes into it.

    Raises:
        InputError: The file cannot be written.
    """
    with _moved_in_the_end(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole_text_file(path: str | Path) -> Iterator[IO[str]]:
    """A text file to be written piece by piece, which comes to its place when all is in it.

    Args:
        path (str or Path): The file; its folder is made where missing.

    Raises:
        InputError: It cannot be written.
    """
    with _moved_in_the_end(path) as temporary:
        with temporary.open('w', encoding='utf-8', newline='') as file:
            yield file


@contextmanager
def _moved_in_the_end(path: str | Path) -> Iterator[Path]:
    """A file next to its place, which is moved there after the block, or removed."""
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f'cannot write {path}: {error.strerror}') from error
    finally:
        if temporary.is_file():
            temporary.unlink()
