"""What kind of image file some bytes are, and the parts that they are made of."""

from __future__ import annotations

from collections.abc import Iterator


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
