"""Claims on runs, so that several processes and machines can share a folder of runs."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsniper.errors import InputError


@contextmanager
def claim(folder: Path) -> Iterator[int | None]:
    """Claim a run for the time of the block.

    The claim is a lock on a file, which the operating system takes back when the last process that
    holds it has ended, however it ended. Processes started with the file descriptor in
    ``pass_fds`` hold it as well: no other process begins a run whose training is still going on.

    Args:
        folder (Path): Of the run; it is made where missing.

    Yields:
        int or None: The file descriptor, or None if another process has the run.

    Raises:
        InputError: The folder cannot be made or written to.
    """
    path = folder / 'claim.lock'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f'cannot write {path}: {error.strerror}') from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f'{socket.gethostname()} {os.getpid()}\n'.encode())
        yield descriptor
    finally:
        os.close(descriptor)
