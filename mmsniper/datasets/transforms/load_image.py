"""Loading an image with the certainty that all of it is there."""

from __future__ import annotations

import mmcv
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS

from mmsniper.errors import InputError


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

    In a JPEG, the last scan must be followed by an end marker. Neither marker can occur inside the
    entropy-coded data of a scan, and a thumbnail in the header ends before the last scan begins.
    """
    if content.startswith(b'\xff\xd8'):
        return content.rfind(b'\xff\xd9') < content.rfind(b'\xff\xda')
    if content.startswith(b'\x89PNG\r\n\x1a\n'):
        return b'IEND' not in content[-64:]
    return not content
