"""What annotations say of an object's pixels: polygons, or RLE in either form of COCO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_util

from mmsniper.errors import InputError
from mmsniper.merging.rle import rle_counts, rle_to_runs

NO_MASK = (
    'no segmentation that can be used (it is missing or empty, a polygon of fewer than three '
    'corners, or RLE of another size than the image)'
)


def has_mask(segmentation: Any, shape: Sequence[int]) -> bool:
    """Whether a segmentation can give a mask.

    Args:
        segmentation: Polygons, each a list of x, y, x, y, ... in pixels, or RLE: ``size`` and
            ``counts``, compressed (str or bytes) or a list of numbers.
        shape: ``(height, width)`` of the image in pixels.

    Returns:
        bool: False for what :data:`NO_MASK` lists.
    """
    if not isinstance(segmentation, dict):
        return any(map(_is_polygon, _parts(segmentation)))
    size, counts = segmentation.get('size'), segmentation.get('counts')
    if counts is None or size is None or [*size] != [*shape]:
        return False
    if isinstance(counts, (str, bytes)):
        return bool(mask_util.area(dict(size=[*size], counts=counts)) > 0)
    return sum(counts[1::2]) > 0


def usable_polygons(segmentation: Any) -> list[np.ndarray]:
    """The polygons of a segmentation with at least three corners.

    Args:
        segmentation: As above.

    Returns:
        list[np.ndarray]: x, y, x, y, ... of each, float64; none of anything else than polygons.
    """
    return [np.asarray(part, np.float64) for part in filter(_is_polygon, _parts(segmentation))]


def _parts(segmentation: Any) -> Sequence:
    return segmentation if isinstance(segmentation, (list, tuple)) else ()


def _is_polygon(part: Any) -> bool:
    known = isinstance(part, (list, tuple, np.ndarray))
    return known and len(part) >= 6 and len(part) % 2 == 0


def segmentation_to_runs(segmentation: Any, shape: Sequence[int]) -> np.ndarray:
    """The pixels of a segmentation, exactly those that pycocotools gives.

    Polygons become RLE at the image's own resolution, which costs what their outlines are long, and
    not what the image has pixels.

    Args:
        segmentation: As above. What cannot be used has no pixel.
        shape: ``(height, width)`` of the image in pixels.

    Returns:
        np.ndarray: Runs, see :mod:`mmsniper.merging.rle`, shape (r, 3), int64.

    Raises:
        InputError: The RLE is damaged or a corner is not finite.
    """
    height, width = (int(side) for side in shape)
    if isinstance(segmentation, dict):
        return _checked_runs(segmentation, height, width)
    polygons = usable_polygons(segmentation)
    if not polygons:
        return np.zeros((0, 3), np.int64)
    if not all(np.isfinite(polygon).all() for polygon in polygons):
        raise InputError('a polygon has a corner that is not finite')
    return rle_to_runs(mask_util.merge(mask_util.frPyObjects(polygons, height, width)))


def _checked_runs(rle: dict, height: int, width: int) -> np.ndarray:
    if not has_mask(rle, (height, width)):
        return np.zeros((0, 3), np.int64)
    try:
        counts = rle_counts(rle)
        damaged = (counts < 0).any() or counts.sum() > height * width
    except (TypeError, ValueError):
        damaged = True
    if damaged:
        raise InputError(f'the counts of an RLE are damaged and do not fit {width}x{height} pixels')
    return rle_to_runs(rle)
