"""Loading masks in every form that annotations have, for chips to be cut out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from mmdet.datasets.transforms import CachedMixUp, CachedMosaic, LoadAnnotations
from mmdet.registry import TRANSFORMS

from mmsniper.datasets.segmentation import NO_MASK, has_mask
from mmsniper.errors import InputError

from .chip_masks import AnnotatedMasks

WITHOUT_MASK = ('error', 'ignore')


@TRANSFORMS.register_module()
class LoadChipAnnotations(LoadAnnotations):
    """MMDetection's ``LoadAnnotations`` with masks that lose nothing and that chips are cut out of.

    MMDetection ignores objects whose segmentation is RLE with ``poly2mask=False``, and makes a
    bitmap of the whole image for each object without it. Here polygons and RLE, compressed or not,
    give exactly the pixels that pycocotools gives, and only the chip's part becomes bitmaps.

    In the pipeline of :class:`mmsniper.datasets.ChipDataset` it takes the place of
    ``LoadAnnotations(with_mask=True)`` by itself.

    Args:
        without_mask (str): What an object is whose segmentation is missing or unusable. Defaults to
            'error', which stops the run; 'ignore' makes it an ignored object, box and all.
        **kwargs: Arguments of ``LoadAnnotations``. With ``poly2mask=False`` the masks of a chip
            stay polygons wherever cutting them keeps their pixels: they are lighter, but some of
            MMDetection's augmentations cannot do with them, or with polygons in one chip and
            bitmaps in the other.

    Raises:
        InputError: An object has no mask and ``without_mask`` is 'error'.
    """

    def __init__(self, without_mask: str = 'error', **kwargs) -> None:
        super().__init__(**kwargs)
        if without_mask not in WITHOUT_MASK:
            raise InputError(
                f'without_mask must be one of {", ".join(WITHOUT_MASK)}, but is {without_mask!r}'
            )
        self.without_mask = without_mask

    @classmethod
    def in_place_of(cls, step: LoadAnnotations) -> LoadChipAnnotations:
        """The transform that does the same as one of MMDetection's."""
        loader = cls()
        loader.__dict__.update(vars(step))
        return loader

    def _load_masks(self, results: dict) -> None:
        instances = results.get('instances', [])
        shape = results.get('image_shape', results['ori_shape'])
        image = results.get('img_path', '')
        segmentations, flags = [], []
        for instance in instances:
            segmentation, ignored = instance.get('mask'), bool(instance['ignore_flag'])
            if not has_mask(segmentation, shape):
                if self.without_mask == 'error' and not ignored:
                    raise InputError(no_mask_message(image, instance))
                segmentation, ignored = None, True
            segmentations.append(segmentation)
            flags.append(ignored)
        results['gt_ignore_flags'] = np.array(flags, bool)
        masks = AnnotatedMasks(segmentations, *shape, self.poly2mask, image)
        if 'image_shape' in results:
            # Behind ChipSample, as in testing, what is true of the whole image is wanted.
            masks = masks.crop(np.array([0, 0, masks.width, masks.height]))
        results['gt_masks'] = masks

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, without_mask={self.without_mask!r})'


def no_mask_message(image: str, instance: dict, before: str = '') -> str:
    """The sentence about an object without a mask.

    Args:
        image (str): Path of its image.
        instance (dict): The object, with its bbox.
        before (str): What to say first. Defaults to ''.
    """
    box = ', '.join(f'{side:g}' for side in instance['bbox'])
    return (
        f'{before}the object of image {image} with the box [{box}] (xyxy) has {NO_MASK}: correct '
        "the annotations, or ignore such objects with LoadChipAnnotations(without_mask='ignore')"
    )


def load_masks_for_chips(steps: Sequence[Callable]) -> list[Callable]:
    """Put ``LoadChipAnnotations`` where MMDetection's ``LoadAnnotations`` loads masks.

    Args:
        steps (Sequence[Callable]): The transforms of a pipeline.

    Returns:
        list[Callable]: The same ones, but for these.
    """
    steps = [
        LoadChipAnnotations.in_place_of(step)
        if type(step) is LoadAnnotations and step.with_mask
        else step
        for step in steps
    ]
    if any(isinstance(step, (CachedMosaic, CachedMixUp)) for step in steps):
        for step in steps:
            if isinstance(step, LoadChipAnnotations):
                step.poly2mask = True  # masks of several chips can be joined only if they are alike
    return steps
