"""Checkpoints that are on a disk, and those that have to be fetched."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine import fileio
from mmengine.logging import print_log

from mmsniper.errors import InputError

from .first_rank import on_first_rank
from .whole_file import write_whole


def is_address(checkpoint: str | Path) -> bool:
    """Whether a checkpoint is to be fetched, as ``https://...``, instead of read from a disk."""
    return '://' in str(checkpoint)


def check_is_there(checkpoint: str | Path) -> None:
    """Raise an InputError if a checkpoint does not exist; of an address fetching it will tell."""
    if not is_address(checkpoint) and not Path(checkpoint).is_file():
        raise InputError(f'checkpoint {checkpoint} does not exist')


def local_checkpoint(checkpoint: str | Path) -> Path:
    """Where a checkpoint is on this machine, after fetching it if need be.

    One of an address is kept beside those of ``torch.hub``, under a name that the whole address has
    a part in: files of the same name on two servers are two. All processes of a group call this.

    Args:
        checkpoint: A file, or an address that ``mmengine.fileio`` can get.

    Raises:
        InputError: It does not exist, or cannot be fetched.
    """
    check_is_there(checkpoint)
    if not is_address(checkpoint):
        return Path(checkpoint)
    address = str(checkpoint)
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    name = f'{digest}-{Path(urlsplit(address).path).name}'
    path = Path(torch.hub.get_dir()) / 'checkpoints' / name

    def fetch() -> None:
        if path.is_file():
            return
        print_log(f'fetching {address}', 'current')
        try:
            content = fileio.get(address)
        except Exception as error:  # each kind of store has its own
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
            raise InputError(f'checkpoint {address} cannot be fetched: {reason}') from error
        write_whole(path, content)

    on_first_rank(fetch)
    fetch()  # by processes of machines with other disks
    return path
