"""Image files that are not whole: cut short, or damaged somewhere in the middle.

Some of it is seen in the bytes: missing ends, wrong checksums, pieces that lie behind the end of
the file. The rest only a decoder can notice, and OpenCV's decoders go on with whatever pixels come
out. All that they do is to write a line to standard error, so it is read there.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from mmsniper.errors import InputError

from .formats import is_jpeg, is_png, is_tiff, png_chunks
from .tiff import COMPRESSION, DEFLATE, PIECES, TiffTags

# Not stuffed bytes and restart markers, which belong to scan data, and not fill bytes.
_JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]', re.DOTALL)
# What libjpeg and libtiff say of pixels that they could not make out. An ICC profile is no pixel.
_JPEG_COMPLAINT = re.compile(rb'(?:Corrupt JPEG data: (?!bad ICC)|Premature end of JPEG).*')
_TIFF_COMPLAINT = re.compile(rb'(?:(?<=TIFF_Error )|Corrupt JPEG data: (?!bad ICC)).*')
_EXTRANEOUS = re.compile(rb'(\d+) extraneous bytes before marker 0xd9')

# OpenCV 5 has them in a module of their own.
_opencv_log = getattr(cv2.utils, 'logging', cv2)
_WARNING = 3  # LOG_LEVEL_WARNING, which OpenCV 4 has no name for

# Size and checksum of each deflated file that this process has unpacked before.
_found_whole: set[tuple[int, int]] = set()

_capturing = threading.Lock()
if hasattr(os, 'register_at_fork'):  # or a child would start with another thread's capture
    os.register_at_fork(
        before=_capturing.acquire,
        after_in_parent=_capturing.release,
        after_in_child=_capturing.release,
    )


class BrokenImageError(InputError):
    """An image file that is missing, cut short, damaged or no image."""


def check_bytes(content: bytes, name: str) -> None:
    """Look for damage that shows without decoding.

    A JPEG or PNG has to reach its end marker, a PNG's chunks and the pieces of a TIFF compressed
    with Deflate have to have the checksums that they state, and a TIFF's pieces have to lie inside
    of the file. What stands behind the image's end, such as the video of a motion photo, does no
    harm.

    Args:
        content: The bytes of the file.
        name: What it is called in errors.

    Raises:
        BrokenImageError: The file is cut short or damaged.
    """
    if is_jpeg(content):
        # Nearly all files simply end with the end marker, which no scan data can contain.
        whole = content.endswith(b'\xff\xd9') or _jpeg_ends(content)
        damage = ''
    elif is_png(content):
        whole, damage = _check_png(content)
    elif is_tiff(content):
        whole, damage = _check_tiff(content)
    else:
        whole, damage = bool(content), ''
    if damage:
        raise damaged(name, damage)
    if not whole:
        raise BrokenImageError(f'image {name} is cut short ({len(content)} bytes); replace it')


def check_complaints(content: bytes, name: str, complaints: bytes) -> None:
    """Tell a decoder's complaints about damaged pixels from what else was written meanwhile.

    Raises:
        BrokenImageError: Some pixels of the image are not what they were.
    """
    pattern = _TIFF_COMPLAINT if is_tiff(content) else _JPEG_COMPLAINT
    found = pattern.search(complaints)
    if found and not (is_jpeg(content) and _is_padding(content, found.group())):
        raise damaged(name, found.group().decode(errors='replace').strip())


def damaged(name: str, damage: str) -> BrokenImageError:
    return BrokenImageError(
        f'image {name} is damaged ({damage}): replace it, or save it anew if it looks as it should'
    )


@contextmanager
def captured_errors(hand_on: bool = True) -> Iterator[bytearray]:
    """Keep what is written to standard error, also by compiled code.

    Gives an array that holds it afterwards, when it is written to standard error after all: some
    of it may be other threads' words.

    Args:
        hand_on: Whether it is; else the caller has to tell what matters of it.
    """
    captured = bytearray()
    with _capturing, _memory_file() as file:
        level = _opencv_log.getLogLevel()
        _opencv_log.setLogLevel(_WARNING)
        try:
            saved = os.dup(2)
        except OSError:  # a process without standard error
            saved = None
        os.dup2(file.fileno(), 2)
        try:
            yield captured
        finally:
            if saved is None:
                os.close(2)
            else:
                os.dup2(saved, 2)
                os.close(saved)
            _opencv_log.setLogLevel(level)
            if file.seek(0, os.SEEK_END):
                file.seek(0)
                captured += file.read()
                if saved is not None and hand_on:
                    os.write(2, captured)


def _memory_file():
    if hasattr(os, 'memfd_create'):
        return open(os.memfd_create('errors of decoders'), 'w+b', buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _jpeg_ends(content: bytes) -> bool:
    """Whether the end marker is reached from the start, segment by segment (ITU T.81, annex B)."""
    position = 2
    while found := _JPEG_MARKER.search(content, position):
        marker = found.group()[1]
        if marker == 0xD9:
            return True
        # The segment's length counts its own two bytes, not the marker's.
        position = found.end() + int.from_bytes(content[found.end() : found.end() + 2], 'big')
    return False


def _is_padding(content: bytes, complaint: bytes) -> bool:
    """Whether libjpeg only found some equal bytes between the last pixel and the end marker.

    Some cameras fill their files up like that. What is left over of shifted pixels looks different.
    """
    found = _EXTRANEOUS.search(complaint)
    if not found:
        return False
    end = content.rfind(b'\xff\xd9')
    return len(set(content[end - int(found.group(1)) : end])) == 1


def _check_png(content: bytes) -> tuple[bool, str]:
    """Whether the chunk IEND is reached, and what is damaged in those that make the pixels."""
    for name, start, end in png_chunks(content):
        # Chunks with a small letter in front are texts and the like.
        if name[:1].isupper() and end + 4 <= len(content):
            stated = int.from_bytes(content[end : end + 4], 'big')
            if zlib.crc32(memoryview(content)[start - 4 : end]) != stated:
                return True, f'wrong checksum of the chunk at byte {start - 8}'
        if name == b'IEND':
            return True, ''
    return False, ''


def _check_tiff(content: bytes) -> tuple[bool, str]:
    """Whether the pieces of the first image lie in the file, and what is damaged in them."""
    try:
        tags = TiffTags(content)
        compression = tags.numbers(COMPRESSION)
        for offsets_tag, counts_tag in PIECES:
            starts = tags.numbers(offsets_tag).astype(np.int64)
            counts = tags.numbers(counts_tag).astype(np.int64)
            if len(starts) != len(counts):  # uncompressed files of old need not state the counts
                continue
            if ((starts < 0) | (counts < 0) | (starts > len(content) - counts)).any():
                return False, ''
            if len(compression) and compression[0] in DEFLATE:
                damage = _check_deflated(content, starts.tolist(), counts.tolist())
                if damage:
                    return True, damage
    except ValueError as error:
        return True, str(error)
    return True, ''


def _check_deflated(content: bytes, starts: list[int], counts: list[int]) -> str:
    """What is damaged in pieces of zlib data: libtiff stops before their checksums.

    That takes as long as decoding the image, so what was found whole is not unpacked again.
    """
    key = (len(content), zlib.crc32(content))
    if key in _found_whole:
        return ''
    for start, count in zip(starts, counts):
        try:
            zlib.decompressobj().decompress(memoryview(content)[start : start + count])
        except zlib.error as error:
            return f'{error} in the piece at byte {start}'
    _found_whole.add(key)
    return ''
