"""Loading an image with the certainty that all of it is there."""

from __future__ import annotations

import re

import mmcv
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS

from mmsniper.errors import InputError

# Not stuffed bytes and restart markers, which belong to scan data, and not fill bytes.
_JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]', re.DOTALL)


class BrokenImageError(InputError):
    """An image file that is missing, cut short or no image."""


@TRANSFORMS.register_module()
class LoadIntactImage(LoadImageFromFile):
    """Load an image like ``LoadImageFromFile``, but never half of one.

    Decoders return a JPEG or PNG that was cut short with its lower part grey, and say nothing that
    a program could notice. A chip from there would teach the detector that its objects look grey.
    This transform looks for the end marker of these two formats, and every error names the file.

    Args:
        **kwargs: Those of :class:`mmcv.transforms.LoadImageFromFile`, except ``ignore_empty``: to
            go on without broken images, use ``ChipDataset(skip_broken_images=True)``, which counts
            them.

    Raises:
        BrokenImageError: The file is missing, cut short, or cannot be decoded.
    """

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']`` into ``results['img']``, shape (h, w, channels)."""
        path = results['img_path']
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise BrokenImageError(
                f"image {path} does not exist; check the dataset's data_root and data_prefix"
            ) from error
        except OSError as error:
            raise BrokenImageError(f'image {path} cannot be read: {error}') from error
        if is_cut_short(content):
            raise BrokenImageError(f'image {path} is cut short ({len(content)} bytes); replace it')
        try:
            image = mmcv.imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
        except Exception as error:  # each decoding backend has its own exception classes
            raise BrokenImageError(f'image {path} cannot be decoded: {error}') from error
        if image is None:
            raise BrokenImageError(f'image {path} is not an image that can be decoded')
        if self.to_float32:
            image = image.astype(np.float32)
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results['ori_shape'] = image.shape[:2]
        return results


def is_cut_short(content: bytes) -> bool:
    """Whether the bytes of an image file end before the image does (JPEG and PNG; others pass).

    What stands behind the image's end, such as the video of a motion photo, does no harm.
    """
    if content.startswith(b'\xff\xd8'):
        # Nearly all files simply end with the end marker, which no scan data can contain.
        return not content.endswith(b'\xff\xd9') and not _jpeg_ends(content)
    if content.startswith(b'\x89PNG\r\n\x1a\n'):
        return not _png_ends(content)
    return not content


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


def _png_ends(content: bytes) -> bool:
    """Whether the chunk IEND is reached from the start, chunk by chunk."""
    position = 8
    while position + 12 <= len(content):
        if content[position + 4 : position + 8] == b'IEND':
            return True
        position += 12 + int.from_bytes(content[position : position + 4], 'big')
    return False
