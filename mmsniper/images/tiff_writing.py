"""Writing TIFF files: pieces of pixels in any order, and what they are at the end."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Union

import numpy as np

# A text, whole or real numbers, or fractions as (n, 2) whole numbers of 32 bits.
TagValues = Union[bytes, np.ndarray]

_TEXT, _FRACTIONS = 2, 5
_KINDS = {'u1': 1, 'u2': 3, 'u4': 4, 'u8': 16, 'f4': 11, 'f8': 12}
_LARGEST_PLAIN = 2**32 - 1
_HEADER_ROOM = 16  # a BigTIFF's header; that of a plain TIFF is 8 bytes long


class TiffWriter:
    """Writes a little-endian TIFF to a file that is open for writing, and empty.

    It becomes a TIFF only when it is finished: a file that was left before begins with zeros.

    Args:
        file: Has to be able to seek.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = file.write(bytes(_HEADER_ROOM))

    def append(self, piece: bytes) -> int:
        """Write a piece, such as a compressed tile, and say where it begins."""
        start = self._end
        self._end += self._file.write(piece)
        return start

    def finish(self, images: Sequence[Mapping[int, TagValues]], big: bool = False) -> None:
        """Write the tags of all images, each by its number.

        Args:
            images: In the order that readers are to find them in.
            big: Whether it has to be a BigTIFF, although it may be small enough for a plain one.
        """
        self.append(bytes(-self._end % 8))
        big = big or self._end > _LARGEST_PLAIN
        listed, start = _listed(images, self._end, big)
        if not big and self._end + len(listed) > _LARGEST_PLAIN:
            big = True
            listed, start = _listed(images, self._end, big)
        self.append(listed)
        self._file.seek(0)
        if big:
            self._file.write(struct.pack('<2s3HQ', b'II', 43, 8, 0, start))
        else:
            self._file.write(struct.pack('<2sHI', b'II', 42, start))
        self._file.seek(self._end)


def _listed(images: Sequence[Mapping[int, TagValues]], start: int, big: bool) -> tuple[bytes, int]:
    """The tags of all images, to stand at ``start`` of the file, and where those of the first are.

    These come last, so that a file that was cut short has none.
    """
    content, following = b'', 0
    for tags in reversed(images):
        values, listed = _directory(tags, start + len(content), following, big)
        following = start + len(content) + len(values)
        content += values + listed
    return content, following


def _directory(
    tags: Mapping[int, TagValues], start: int, following: int, big: bool
) -> tuple[bytes, bytes]:
    """Of the tags of one image, values too long for their list, and the list, to stand behind."""
    count, entry, offset = ('<Q', '<HHQ', '<Q') if big else ('<H', '<HHI', '<I')
    room = struct.calcsize(offset)
    listed, values = struct.pack(count, len(tags)), b''
    for tag, value in sorted(tags.items()):
        kind, number, packed = _packed(value, big)
        listed += struct.pack(entry, tag, kind, number)
        if len(packed) <= room:
            listed += packed.ljust(room, b'\0')
        else:
            listed += struct.pack(offset, start + len(values))
            values += packed + bytes(-len(packed) % 8)
    listed += struct.pack(offset, following)
    return values, listed + bytes(-len(listed) % 8)


def _packed(value: TagValues, big: bool) -> tuple[int, int, bytes]:
    """Kind, number and bytes of the values of a tag."""
    if isinstance(value, bytes):
        text = value.rstrip(b'\0') + b'\0'
        return _TEXT, len(text), text
    if value.dtype == np.uint64 and not big:  # where none is too large
        value = value.astype(np.uint32)
    kind = _FRACTIONS if value.ndim == 2 else _KINDS[value.dtype.str[1:]]
    return kind, len(value), value.astype(value.dtype.newbyteorder('<')).tobytes()
