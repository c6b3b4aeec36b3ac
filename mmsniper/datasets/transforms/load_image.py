"""Loading an image with the certainty that all of it is there, as its annotations mean it."""

from __future__ import annotations

import logging

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS
from mmengine.logging import print_log

from mmsniper.images import (
    PixelRules,
    decode_image,
    keeps_size,
    read_bytes,
    stored_orientation,
    turns,
)


@TRANSFORMS.register_module()
class LoadIntactImage(LoadImageFromFile):
    """Load an image like ``LoadImageFromFile``, but by one rule whatever the file's format.

    Decoders differ in what they make of orientation tags, alpha and 16 bits per sample, and return
    damaged images with grey or shifted pixels, saying nothing that a program could notice. A chip
    from there would teach the detector that its objects look so. Here an image is turned as its
    orientation tag says (unless ``color_type`` ends in ``_ignore_orientation``), loses its alpha
    without being multiplied by it, becomes 8 bits deep by a range that holds for all images, and
    is refused if it is not whole. docs/images.md has the rules in full. For chips
    :class:`LoadChip` does the same and reads less.

    Args:
        depth_range (tuple, optional): The sample values that become 0 and 255 in images of more
            than 8 bits, such as (0, 4095). Default: None, the whole range of 16 bits; images that
            hardly use it, and those of other types, are then refused.
        **kwargs: Those of :class:`mmcv.transforms.LoadImageFromFile`, except ``ignore_empty``: to
            go on without broken images, use ``ChipDataset(skip_broken_images=True)``, which counts
            them.

    Raises:
        BrokenImageError: The file is missing, cut short, damaged, or cannot be decoded.
        InputError: An argument cannot be used, or an image needs ``depth_range``.
    """

    def __init__(self, *args, depth_range: tuple[float, float] | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.rules = PixelRules(self.color_type, self.imdecode_backend, depth_range)
        self._told_of_turning = False

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']`` into ``results['img']``, shape (h, w, channels)."""
        path = results['img_path']
        content = read_bytes(path, self.backend_args)
        rules = self.rules
        image = decode_image(content, path, rules.color_type, rules.backend, rules.depth_range)
        if self._may_tell_of_turning(results):
            self._tell_of_turning(path, stored_orientation(content), image.shape[:2])
        if self.to_float32:
            image = image.astype(np.float32)
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results['ori_shape'] = image.shape[:2]
        return results

    def _may_tell_of_turning(self, results: dict) -> bool:
        turned = turns(self.color_type, self.imdecode_backend)
        return turned and 'height' in results and not self._told_of_turning

    def _tell_of_turning(self, path: str, orientation: int, shape: tuple[int, int]) -> None:
        """Warn, once, of an image that was turned while its annotation's size says nothing of it.

        Where turning changes the size, ``ChipSample`` compares it with the annotation's.
        """
        if not keeps_size(orientation, shape):
            return
        self._told_of_turning = True
        print_log(
            f'image {path} was turned as its EXIF orientation {orientation} says, which its '
            'annotated size can neither confirm nor deny; if its boxes are about the pixels as '
            f"stored, use {type(self).__name__}(color_type='{self.color_type}_ignore_orientation') "
            '(this is said once per process)',
            'current',
            logging.WARNING,
        )

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, depth_range={self.rules.depth_range})'
