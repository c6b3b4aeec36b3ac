"""From the bytes of an image file to pixels.

Shapes: h, w of the picture; c channels.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import mmcv
import mmengine.fileio as fileio
import numpy as np
from mmcv.image import io as mmcv_io
from PIL import Image

from mmsniper.errors import InputError

from .damage import BrokenImageError, captured_errors, check_bytes, check_complaints
from .depth import to_8_bits
from .formats import has_8_bits, is_jpeg, is_tiff
from .orientation import UPRIGHT, stored_orientation, turn_upright
from .tiff import (
    ALPHA,
    BITS_PER_SAMPLE,
    COMPRESSION,
    EXTRA_SAMPLES,
    MOST_BANDS_OF_OPENCV,
    MULTIPLIED_ALPHA,
    ORIENTATION,
    PHOTOMETRIC,
    PLANES,
    SAMPLES_PER_PIXEL,
    UNKNOWN_TO_OPENCV,
    TiffTags,
    opencv_misreads,
)

_IGNORING = '_ignore_orientation'
_REDUCED = {
    color_type + _IGNORING: {
        reduction: getattr(cv2, f'IMREAD_REDUCED_{name}_{reduction}')
        | cv2.IMREAD_IGNORE_ORIENTATION
        for reduction in (2, 4, 8)
    }
    for color_type, name in (('color', 'COLOR'), ('grayscale', 'GRAYSCALE'))
}
COLOR_TYPES = ('color', 'grayscale', 'color' + _IGNORING, 'grayscale' + _IGNORING, 'unchanged')


def read_image(path: str | Path, backend_args: dict | None = None, **kwargs: Any) -> np.ndarray:
    """Read an image file.

    Args:
        path: Of the file, or an address that ``backend_args`` are for.
        backend_args: Those of ``mmengine.fileio.get``.
        **kwargs: Those of :func:`decode_image`.

    Returns:
        np.ndarray: As :func:`decode_image` gives it.

    Raises:
        BrokenImageError: The file is missing, or it is not whole.
        InputError: Its depth needs a range.
    """
    return decode_image(read_bytes(path, backend_args), str(path), **kwargs)


def read_bytes(path: str | Path, backend_args: dict | None = None) -> bytes:
    """The bytes of an image file, or a BrokenImageError that names it."""
    try:
        return fileio.get(str(path), backend_args=backend_args)
    except FileNotFoundError as error:
        raise BrokenImageError(
            f"image {path} does not exist; check the dataset's data_root and data_prefix"
        ) from error
    except OSError as error:
        raise BrokenImageError(f'image {path} cannot be read: {error}') from error


def decode_image(
    content: bytes,
    name: str,
    color_type: str = 'color',
    backend: str | None = 'cv2',
    depth_range: tuple[float, float] | None = None,
    reduction: int = 1,
) -> np.ndarray:
    """Decode an image file by the rules of docs/images.md.

    Args:
        content: The bytes of the file.
        name: What it is called in errors.
        color_type: ``'color'`` or ``'grayscale'``, turned as the file's orientation tag says;
            the same with ``'_ignore_orientation'``, as stored; or ``'unchanged'``, as stored in
            channels, depth and orientation alike.
        backend: What decodes: ``'cv2'``, ``'pillow'`` or ``'turbojpeg'``, or ``'tifffile'``, which
            gives everything as it is stored, whatever the color type; None is mmcv's choice.
        depth_range: The sample values that become 0 and 255 in images of more than 8 bits.
        reduction: 2, 4 or 8 decode a JPEG at a half, a quarter or an eighth of its size, rounded
            up; with the backend ``'cv2'``, colour and grey only.

    Returns:
        np.ndarray: (h, w, 3) uint8 BGR for colour and (h, w) uint8 for grey, never multiplied by
        alpha; else as stored.

    Raises:
        BrokenImageError: The file is not whole or cannot be decoded.
        InputError: The depth cannot be told and no range is given.
    """
    check_bytes(content, name)
    backend = backend or mmcv_io.imread_backend
    if backend == 'tifffile':
        color_type = 'unchanged'
    # All turning is done below, whatever the decoders make of the tag.
    flag = color_type if color_type == 'unchanged' else color_type.split('_')[0] + _IGNORING
    with captured_errors() as complaints:
        try:
            image, bits = _decode(content, flag, backend, reduction)
        except InputError as error:
            raise InputError(f'image {name} {error}') from error
        except Exception as error:  # each decoding backend has its own exception classes
            raise BrokenImageError(f'image {name} cannot be decoded: {error}') from error
    check_complaints(content, name, complaints)
    if image is None:
        raise BrokenImageError(f'image {name} is not an image that can be decoded')
    if color_type != 'unchanged':
        image = _in_color_type(image, flag, name, depth_range, bits)
    if turns(color_type, backend):
        image = turn_upright(image, stored_orientation(content))
    return image


def turns(color_type: str, backend: str | None) -> bool:
    """Whether images are turned as their orientation tag says."""
    backend = backend or mmcv_io.imread_backend
    return color_type in ('color', 'grayscale') and backend != 'tifffile'


def check_decoding(color_type: str, backend: str | None) -> None:
    """Raise an InputError for a color type or backend that no image can be decoded with."""
    if color_type not in COLOR_TYPES:
        raise InputError(f'color_type={color_type!r} must be one of {", ".join(COLOR_TYPES)}')
    if backend not in (None, *mmcv_io.supported_backends):
        known = ', '.join(mmcv_io.supported_backends)
        raise InputError(f'imdecode_backend={backend!r} must be one of {known}')
    for name, module, package in (
        ('turbojpeg', mmcv_io.TurboJPEG, 'PyTurboJPEG'),
        ('tifffile', mmcv_io.tifffile, 'tifffile'),
    ):
        if backend == name and module is None:
            raise InputError(
                f'imdecode_backend={backend!r} needs the package {package}: install it'
            )


def _decode(
    content: bytes, flag: str, backend: str, reduction: int
) -> tuple[np.ndarray | None, int | None]:
    """The pixels as a decoder gives them, and how many bits of a sample are used, if stated."""
    if backend == 'tifffile':
        return mmcv.imfrombytes(content, flag, backend=backend), None
    if reduction > 1:
        return cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[flag][reduction]), 8
    bits = _stated_bits(content)
    if bits != 8 and flag != 'unchanged':  # other decoders know no colour of more than 8 bits
        flag, backend = 'unchanged', 'cv2'
    if is_tiff(content):
        content = _plain_tiff(content, backend)
    if backend == 'pillow' and flag != 'unchanged':
        image = _by_pillow(content, flag)
    elif backend == 'turbojpeg':  # it never turns, and has no name for that
        image = mmcv.imfrombytes(content, flag.replace(_IGNORING, ''), backend=backend)
    else:
        image = mmcv.imfrombytes(content, flag, backend=backend)
    if backend != 'cv2' and is_jpeg(content):
        # Only for OpenCV's messages on damage; Pillow hides them.
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    if backend == 'cv2' and bits in range(9, 16) and image is not None:
        image = image >> (16 - bits)  # OpenCV moves samples of 10 to 14 bits up
    return image, bits


def _stated_bits(content: bytes) -> int | None:
    """How many bits of a sample are used, 8 for less; None where only decoding can tell."""
    if is_tiff(content):
        return max(8, *TiffTags(content).numbers(BITS_PER_SAMPLE).tolist(), 0)
    return 8 if has_8_bits(content) else None


def _plain_tiff(content: bytes, backend: str) -> bytes:
    """A TIFF that the decoder leaves as it is stored.

    OpenCV always turns TIFFs. It multiplies colour by alpha unless that has been done already, and
    Pillow divides by it where it has; so each is told what makes it do nothing.
    """
    tags = TiffTags(content)
    if backend == 'cv2':
        _check_known(tags)
    alphas = (ALPHA, MULTIPLIED_ALPHA)
    content = tags.with_numbers(EXTRA_SAMPLES, *(alphas if backend == 'cv2' else alphas[::-1]))
    tags = TiffTags(content)
    for orientation in tags.numbers(ORIENTATION)[:1].tolist():
        content = tags.with_numbers(ORIENTATION, orientation, UPRIGHT)
    return content


def _check_known(tags: TiffTags) -> None:
    def first(tag: int, default: int) -> int:
        return ([*tags.numbers(tag)[:1].tolist(), default])[0]

    compression, num_bands = first(COMPRESSION, 1), first(SAMPLES_PER_PIXEL, 1)
    by_tifffile = "load it with LoadChip and tifffile (pip install 'mmsniper[images]')"
    if compression in UNKNOWN_TO_OPENCV or num_bands > MOST_BANDS_OF_OPENCV:
        raise InputError(
            f'has {num_bands} bands with compression {compression}, which OpenCV cannot '
            f'decode: {by_tifffile}'
        )
    photometric, bits = first(PHOTOMETRIC, 0), first(BITS_PER_SAMPLE, 1)
    if opencv_misreads(photometric, first(PLANES, 1), num_bands, bits):
        raise InputError(
            f'has {num_bands} bands of {bits} bits that OpenCV would mix up: {by_tifffile}, and '
            'with bands=(3, 2, 1) if they are red, green and blue but the file does not say so'
        )


def _by_pillow(content: bytes, flag: str) -> np.ndarray:
    """(h, w, 3) BGR or (h, w) pixels without alpha; mmcv would lay grey with alpha on a colour."""
    with Image.open(io.BytesIO(content)) as picture:
        picture = picture.convert('L' if picture.mode == 'LA' else 'RGB')
        if flag.startswith('grayscale'):
            return np.array(picture.convert('L'))
        return np.array(picture.convert('RGB'))[:, :, ::-1]


def _in_color_type(
    image: np.ndarray,
    flag: str,
    name: str,
    depth_range: tuple[float, float] | None,
    bits: int | None,
) -> np.ndarray:
    """Colour or grey of 8 bits from whatever was decoded."""
    if image.ndim == 3:
        image = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, 0]
    image = np.ascontiguousarray(to_8_bits(image, name, depth_range, bits))
    if flag.startswith('color') and image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if flag.startswith('grayscale') and image.ndim == 3:
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return image
