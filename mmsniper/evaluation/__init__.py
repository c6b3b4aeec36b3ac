"""Merging the views of an image into one result in front of any MMDetection metric."""

from .geometry import in_valid_range, touches_tile_border, view_to_image
from .masks import RLEMasks, masks_in_image
from .merging import check_nms, merge_instances
from .merging_evaluator import MergingEvaluator

__all__ = [
    'MergingEvaluator',
    'RLEMasks',
    'check_nms',
    'in_valid_range',
    'masks_in_image',
    'merge_instances',
    'touches_tile_border',
    'view_to_image',
]
