"""Image files drawn for tests: pictures like photographs, and TIFFs with any tags."""

import struct

import cv2
import numpy as np
import pytest

OPENCV = int(cv2.__version__.split('.')[0])

#: For tests of damage that OpenCV 4 says nothing of: pieces of TIFFs that have no checksum.
DAMAGE_SHOWS = pytest.mark.skipif(OPENCV < 5, reason='OpenCV 4 does not notice it')

_KINDS = {'u2': 3, 'u4': 4, 'u8': 16}


def photograph(height=240, width=320, seed=0):
    """(height, width, 3) uint8: smooth shapes with a little noise, as cameras give them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (smooth + rng.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)


def encoded(suffix, image, *flags):
    """The bytes of a file that OpenCV writes."""
    return cv2.imencode(suffix, image, list(flags))[1].tobytes()


def tiff(image, order='<', big=False, tile=None, bits=None, **tags):
    """The bytes of an uncompressed TIFF, RGB or grey, written as TIFF 6.0 describes it.

    Args:
        image: (h, w) or (h, w, c) of unsigned whole numbers.
        order: '<' or '>'.
        big: Whether it is a BigTIFF.
        tile: Side of its tiles, a divisor of both sides; None for one strip.
        bits: Fewer bits than the type has, packed.
        tags: More of them, t338=[2] for ExtraSamples and so on, as short numbers.
    """
    height, width = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    image = image.reshape(height, width, channels)
    if tile:
        pieces = [
            image[y : y + tile, x : x + tile]
            for y in range(0, height, tile)
            for x in range(0, width, tile)
        ]
    else:
        pieces = [image]
    if bits:
        pieces = [_packed(piece, bits) for piece in pieces]
    else:
        bits = image.dtype.itemsize * 8
        pieces = [piece.astype(image.dtype.newbyteorder(order)).tobytes() for piece in pieces]
    starts = np.cumsum([16, *map(len, pieces)])[:-1]
    entries = {
        256: ('u4', [width]),
        257: ('u4', [height]),
        258: ('u2', [bits] * channels),
        259: ('u2', [1]),
        262: ('u2', [2 if channels >= 3 else 1]),
        324 if tile else 273: ('u4', starts),
        277: ('u2', [channels]),
        325 if tile else 279: ('u4', list(map(len, pieces))),
        **({322: ('u4', [tile]), 323: ('u4', [tile])} if tile else {278: ('u4', [height])}),
        **{int(name[1:]): ('u2', values) for name, values in tags.items()},
    }
    content = b''.join(pieces)
    content += bytes(len(content) % 2)
    offset, start, count, entry = ('Q', 'Q', 'Q', 'HHQ') if big else ('I', 'I', 'H', 'HHI')
    room = 8 if big else 4
    listed = b''
    for tag, (kind, values) in sorted(entries.items()):
        packed = np.array(values, order + kind).tobytes()
        listed += struct.pack(order + entry, tag, _KINDS[kind], len(values))
        if len(packed) > room:
            listed += struct.pack(order + offset, 16 + len(content))
            content += packed
        else:
            listed += packed.ljust(room, b'\0')
    head = b'II' if order == '<' else b'MM'
    head += struct.pack(order + ('HHH' if big else 'H'), *((43, 8, 0) if big else (42,)))
    head += struct.pack(order + start, 16 + len(content))
    listed = struct.pack(order + count, len(entries)) + listed + bytes(8)
    return head.ljust(16, b'\0') + content + listed


def _packed(samples, bits):
    """Each row's samples as one stream of bits, filled up to whole bytes."""
    rows = samples.reshape(len(samples), -1)
    wide = (rows[:, :, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(wide.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()
