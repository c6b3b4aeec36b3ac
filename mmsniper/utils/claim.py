"""Claims on folders and files, so that no two processes or machines write the same thing."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import print_log

from ..errors import InputError

#: What file systems answer that have no locks, as Lustre may be mounted.
_NO_LOCKS = errno.ENOSYS, errno.EOPNOTSUPP


@contextmanager
def claim(folder: Path) -> Iterator[int | None]:
    """Claim a folder, such as that of a run, for the time of the block.

    The claim is a lock on a file, which the operating system takes back when the last process that
    holds it has ended, however it ended. Processes started with the file descriptor in
    ``pass_fds`` hold it as well: no other process begins a run whose training is still going on.

    Args:
        folder (Path): It is made where missing.

    Yields:
        int or None: The file descriptor, or None if another process has the folder.

    Raises:
        InputError: The folder cannot be made or written to, or its file system has no locks.
    """
    with _lock(folder / 'claim.lock') as (descriptor, is_locked):
        if not is_locked:
            raise InputError(
                f'{folder} is on a file system without locks, so that two processes could work in '
                'it at once: name a folder on another one'
            )
        yield descriptor


@contextmanager
def claim_file(path: Path) -> Iterator[int | None]:
    """Claim a file that is to be written, which need not exist, likewise.

    The lock beside it is gone after the block. Where the file system has no locks, the log says so,
    and everyone gets the claim.

    Args:
        path (Path): Its folder is made where missing.

    Yields:
        int or None: The file descriptor, or None if another process has the file.

    Raises:
        InputError: The folder cannot be made or written to.
    """
    lock = lock_of(path)
    with _lock(lock) as (descriptor, is_locked):
        if not is_locked:
            print_log(
                f'{path.parent} is on a file system without locks: no other process may write '
                f'{path.name} at the same time',
                'current',
                logging.WARNING,
            )
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                lock.unlink(missing_ok=True)


def lock_of(path: Path) -> Path:
    """The file whose lock is the claim on a file."""
    return path.with_name(f'.{path.name}.lock')


@contextmanager
def _lock(path: Path) -> Iterator[tuple[int | None, bool]]:
    """The descriptor, None if another process has the lock, and whether there is a lock at all."""
    is_locked = True
    descriptor = _open(path)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None, True
                return
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                is_locked = False
            if _is_at(path, descriptor):
                break
            # Its last holder removed it between our opening and locking it.
            os.close(descriptor)
            descriptor = _open(path)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f'{socket.gethostname()} {os.getpid()}\n'.encode())
        yield descriptor, is_locked
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f'cannot write {path}: {error.strerror}') from error


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
