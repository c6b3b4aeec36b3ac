"""What kind of image file some bytes are, and the parts that they are made of."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .tiff import IMAGE_LENGTH, IMAGE_WIDTH, TiffTags


def is_jpeg(content: bytes) -> bool:
    return content.startswith(b'\xff\xd8')


def is_png(content: bytes) -> bool:
    return content.startswith(b'\x89PNG\r\n\x1a\n')


def is_webp(content: bytes) -> bool:
    return content.startswith(b'RIFF') and content[8:12] == b'WEBP'


def is_tiff(content: bytes) -> bool:
    """Whether they begin like a TIFF or BigTIFF, as EXIF data do as well."""
    return content[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')


def has_8_bits(content: bytes) -> bool:
    """Whether the format alone makes sure that decoders give samples of eight bits."""
    if is_png(content):
        return content[24:25] != b'\x10'
    # The last are AVIF and HEIF, which OpenCV and Pillow bring to eight bits as their header says.
    other = content.startswith((b'BM', b'GIF8')) or content[4:8] == b'ftyp'
    return is_jpeg(content) or is_webp(content) or other


def jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment's data that stands before the first scan of a JPEG."""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xDA:
            return
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], 'big')
        yield marker, position + 4, end
        position = end


@dataclass(frozen=True)
class JpegFrame:
    """What a JPEG says of itself before its first scan (ITU T.81, B.2.2).

    Args:
        width: In pixels, as stored.
        height: Likewise; 0 where only the scan data tell.
        num_components: 1 for grey, 3 for colour, 4 for ink.
        bits: Of a sample.
        is_huffman: Whether it is baseline, extended or progressive with Huffman codes, as nearly
            all files are.
    """

    width: int
    height: int
    num_components: int
    bits: int
    is_huffman: bool


def jpeg_frame(content: bytes) -> JpegFrame | None:
    """The frame header of a JPEG, if there is one."""
    for marker, start, _ in jpeg_segments(content):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(content) > start + 6:
            bits, height, width, components = struct.unpack_from('>BHHB', content, start)
            return JpegFrame(width, height, components, bits, marker <= 0xC2)
    return None


def stated_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, as stored, of a JPEG, PNG, BMP or TIFF; None of other files."""
    if is_jpeg(content):
        frame = jpeg_frame(content)
        return (frame.width, frame.height) if frame and frame.height else None
    if is_png(content) and len(content) >= 24:
        return struct.unpack_from('>II', content, 16)
    if content.startswith(b'BM') and len(content) >= 26 and content[14:15] >= b'\x28':
        width, height = struct.unpack_from('<ii', content, 18)
        return width, abs(height)
    if is_tiff(content):
        try:
            tags = TiffTags(content)
            sizes = tags.numbers(IMAGE_WIDTH), tags.numbers(IMAGE_LENGTH)
        except ValueError:
            return None
        if all(len(size) for size in sizes):
            return int(sizes[0][0]), int(sizes[1][0])
    return None


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the data of each chunk of a PNG; the last may end behind the file."""
    position = 8
    while position + 12 <= len(content):
        end = position + 8 + int.from_bytes(content[position : position + 4], 'big')
        yield content[position + 4 : position + 8], position + 8, end
        position = end + 4


def webp_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the data of each chunk of a WebP."""
    position = 12
    while position + 8 <= len(content):
        length = int.from_bytes(content[position + 4 : position + 8], 'little')
        yield content[position : position + 4], position + 8, position + 8 + length
        position += 8 + length + length % 2
