"""Transforms that move pixels, and noticing that an image was moved before its chip is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from mmcv import transforms as mmcv_transforms
from mmdet.datasets import transforms

from mmsniper.errors import InputError

from .chip_window import whole_shape

RESIZING = (
    mmcv_transforms.Resize,
    mmcv_transforms.RandomResize,
    mmcv_transforms.RandomChoiceResize,
    transforms.ResizeShortestEdge,
)
CROPPING = (
    transforms.RandomCrop,
    transforms.MinIoURandomCrop,
    transforms.Expand,
    transforms.RandomCenterCropPad,
    transforms.RandomShift,
    mmcv_transforms.CenterCrop,
)
MIXING = (
    transforms.Mosaic,
    transforms.CachedMosaic,
    transforms.MixUp,
    transforms.CachedMixUp,
    transforms.RandomAffine,
)
# InstaBoost is not among them: it has to come before LoadAnnotations, changes what that loads, and
# leaves objects about where they are.
MOVING = (
    *RESIZING,
    *CROPPING,
    *MIXING,
    mmcv_transforms.Pad,
    mmcv_transforms.RandomFlip,
    mmcv_transforms.MultiScaleFlipAug,
    mmcv_transforms.TestTimeAug,
    transforms.GeomTransform,
    transforms.CopyPaste,
    transforms.SegRescale,
)

# Of boxes in pixels, by which they may differ from the annotation without having been moved.
_ROUNDING = 1.0


class MovedImageError(InputError):
    """An image that is not as in its file, or whose boxes are not, when its chip is to be cut."""


def all_transforms(transform: object) -> Iterator:
    """A transform and all that it holds, at any depth.

    Args:
        transform: A transform, or a list of such.

    Yields:
        The transforms.
    """
    if isinstance(transform, (list, tuple)):
        for inner in transform:
            yield from all_transforms(inner)
    elif callable(transform):
        yield transform
        yield from all_transforms(getattr(transform, 'transforms', ()))
        branches = getattr(transform, 'branch_pipelines', {})  # of MultiBranch
        yield from all_transforms(list(branches.values()))


def moves_pixels(transform: object) -> bool:
    """Whether a transform is known to move pixels or to mix in those of other images."""
    # Not by hasattr, since mmcv's cache_randomness cannot be looked up in a class.
    mixes = any('get_indexes' in vars(base) for base in type(transform).__mro__)
    return mixes or isinstance(transform, MOVING)


def check_unmoved(results: dict) -> None:
    """Raise a MovedImageError where it is to be seen that an image or its boxes were moved.

    What a transform does to pixels alone cannot be known.

    Args:
        results (dict): The results of a pipeline before its chip, ``results['chip']``, is cut.
    """
    if results.keys() & {'scale_factor', 'homography_matrix'} or results.get('flip'):
        raise MovedImageError(_message('an image was resized, flipped, rotated or otherwise moved'))
    if _boxes_were_moved(results):
        raise MovedImageError(_message(f'boxes of image {results.get("img_path")} were moved'))


def check_image_size(results: dict, shape: Sequence[int]) -> None:
    """Raise an InputError where an image has not the size that its annotation states.

    Args:
        results (dict): The results of a pipeline before its chip is cut.
        shape (Sequence[int]): Height and width of the whole image.
    """
    height, width = shape
    expected = (results.get('height', height), results.get('width', width))
    if (height, width) == expected:
        return
    found = f'image {results.get("img_path")} is {width}x{height} pixels'
    if tuple(results.get('ori_shape', ())) == expected:  # as it was loaded
        raise MovedImageError(
            _message(f'{found} and was {expected[1]}x{expected[0]} when it was loaded: it changed')
        )
    hint = (
        'it may carry an EXIF rotation, which LoadChip and LoadIntactImage apply with '
        "color_type='color' and leave out with 'color_ignore_orientation'"
        if (width, height) == expected
        else 'correct the annotation or the file'
    )
    raise InputError(f'{found}, but its annotation says {expected[1]}x{expected[0]}: {hint}')


def _message(what: str) -> str:
    return (
        f'{what} before ChipSample cut its chip, which is about the image as it is in the file: '
        'move all transforms of that kind behind ScaleNormalize'
    )


def _boxes_were_moved(results: dict) -> bool:
    """Whether boxes of the annotation are missing while there are some that it has not.

    All may have been clipped to the image, some may have been left out or some added.
    """
    boxes, instances = results.get('gt_bboxes'), results.get('instances')
    if boxes is None or instances is None or len(boxes) == 0:
        return False
    height, width = whole_shape(results)
    limits = np.array([width, height, width, height])
    annotated = np.array([instance['bbox'] for instance in instances], np.float64).reshape(-1, 4)
    boxes, annotated = (np.clip(corners, 0, limits) for corners in (boxes.numpy(), annotated))
    if len(boxes) == len(annotated) and np.abs(boxes - annotated).max() <= _ROUNDING:
        return False
    same = (np.abs(boxes[:, None] - annotated) <= _ROUNDING).all(axis=2)
    return not same.any(axis=1).all() and not same.any(axis=0).all()
