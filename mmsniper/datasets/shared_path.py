"""A path that a data loader's running workers see change."""

from __future__ import annotations

import os

import torch

from mmsniper.errors import InputError

MAX_BYTES = 4096  # as long as paths may be on Linux


class SharedPath:
    """A path in shared memory, empty at first. Copies have a memory of their own."""

    def __init__(self) -> None:
        self._bytes = torch.zeros(MAX_BYTES, dtype=torch.uint8).share_memory_()

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._bytes.share_memory_()

    def get(self) -> str:
        """The path as it is now."""
        encoded = self._bytes.numpy().tobytes().rstrip(b'\0')
        return os.fsdecode(encoded)

    def set(self, path: str | os.PathLike) -> None:
        """Change the path for all processes that share it.

        Raises:
            InputError: The path is too long.
        """
        encoded = os.fsencode(path)
        if len(encoded) > MAX_BYTES:
            raise InputError(
                f'the path {os.fspath(path)[:40]}... has more than {MAX_BYTES} bytes; shorten it'
            )
        self._bytes.copy_(
            torch.frombuffer(bytearray(encoded.ljust(MAX_BYTES, b'\0')), dtype=torch.uint8)
        )
