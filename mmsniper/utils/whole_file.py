"""Files that are written whole or not at all."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..errors import InputError

# Names of files are not always UTF-8: as Python has them, they are written byte by byte.
ENCODING = dict(encoding='utf-8', errors='surrogateescape')
_TEMPORARY = re.compile(r'\..*\.(\d+)\.partial(\.\w+)?', re.DOTALL)
_MOST_OF_NAME = 40  # characters; the names of files end at 255 bytes on most systems


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file next to its place and move it there in one step.

    Args:
        path (str or Path): The file; its folder is made where missing.
        content (bytes): What goes into it.

    Raises:
        InputError: The file cannot be written.
    """
    with _moved_in_the_end(path) as file:
        file.write(content)


@contextmanager
def whole_text_file(path: str | Path) -> Iterator[IO[str]]:
    """A text file to be written piece by piece, which comes to its place when all is in it.

    Args:
        path (str or Path): The file; its folder is made where missing.

    Raises:
        InputError: It cannot be written.
    """
    with _moved_in_the_end(path) as file, io.TextIOWrapper(file, newline='', **ENCODING) as text:
        yield text


def temporary_of(path: Path, ending: str = '') -> Path:
    """Where this process writes a file before it is whole: next to its place.

    Args:
        path (Path): The file.
        ending (str): Such as '.mp4', for who goes by it.
    """
    return path.with_name(f'.{path.name[:_MOST_OF_NAME]}.{os.getpid()}.partial{ending}')


def remove_leftovers(folder: Path) -> None:
    """Delete what processes that are dead by now have left half-written in a folder and below."""
    for root, _, names in os.walk(folder):
        for name in names:
            match = _TEMPORARY.fullmatch(name)
            if match and not _is_alive(int(match[1])):
                with suppress(OSError):
                    os.unlink(os.path.join(root, name))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        pass
    return True


@contextmanager
def _moved_in_the_end(path: str | Path) -> Iterator[IO[bytes]]:
    """A file next to its place, which is moved there after the block, or removed."""
    path = Path(path)
    temporary = temporary_of(path)
    try:
        with _named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            raw = _NamedFile(temporary, path)
        with io.BufferedWriter(raw) as file:
            yield file
        with _named(path):
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


class _NamedFile(io.FileIO):
    """Says what could not be written, unlike errors of others while it is written."""

    def __init__(self, temporary: Path, path: Path) -> None:
        self._path = path  # closing needs it, even what could not be opened
        super().__init__(temporary, 'w')

    def write(self, content) -> int:
        with _named(self._path):
            return super().write(content)

    def close(self) -> None:
        with _named(self._path):
            super().close()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f'cannot write {path}: {error.strerror}') from error
