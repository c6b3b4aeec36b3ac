"""What a conversion has read so far, so that one that was stopped goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from mmsniper.errors import InputError

_LINES_AT_A_TIME = 100


class Journal:
    """A file with a line for each picture that has been read.

    A line that is cut short by a power cut, and whatever comes after it, counts as not written. A
    journal of other settings is begun anew.

    Args:
        path: The file. It stays where the block is left by an exception, unless nothing is in it.
        settings: All that every line depends on, as JSON can hold it.
    """

    def __init__(self, path: Path, settings: dict) -> None:
        self.path = path
        self._head = json.dumps(settings, sort_keys=True)
        self._unsaved = 0
        self._is_empty = True
        self._found: dict[str, list] = {}

    def get(self, name: str, version: list) -> Any:
        """What was written of a picture whose files have not changed since; else None."""
        found = self._found.get(name)
        return found[1] if found is not None and found[0] == version else None

    def add(self, name: str, version: list, record: Any) -> None:
        """Write what was read.

        Args:
            name: The picture.
            version: What changes when its files do, as JSON can hold it.
            record: What was read, likewise.
        """
        self._file.write(json.dumps([name, version, record]) + '\n')
        self._is_empty = False
        self._unsaved += 1
        if self._unsaved >= _LINES_AT_A_TIME:
            self._file.flush()
            self._unsaved = 0

    def __enter__(self) -> Journal:
        try:
            kept = self._read()
            self._file = self.path.open('r+b' if kept else 'wb')
            self._file.truncate(kept)
            self._file.close()
            self._file = self.path.open('a', encoding='utf-8')
            if not kept:
                self._file.write(self._head + '\n')
        except OSError as error:
            raise InputError(f'cannot write {self.path}: {error.strerror}') from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is None or (self._is_empty and not self._found):
            self.path.unlink()

    def _read(self) -> int:
        """Read what an earlier run has left; the number of bytes of it that are whole lines."""
        if not self.path.is_file():
            return 0
        kept = 0
        with self.path.open('rb') as file:
            for line in file:
                try:
                    content = json.loads(line)
                    if not line.endswith(b'\n'):
                        return kept
                    if kept:
                        name, version, record = content
                        self._found[name] = [version, record]
                    elif line.decode().rstrip('\n') != self._head:
                        return 0
                except (ValueError, TypeError):
                    return kept
                kept += len(line)
        return kept
