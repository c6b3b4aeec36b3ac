"""One set of detections out of those of several views: where they lie, and which of them stay."""

from .geometry import in_valid_range, touches_tile_border, view_to_image
from .instances import check_nms, is_finite, merge_instances
from .masks import RLEMasks, masks_in_image
from .suppression import nms, soft_nms

__all__ = [
    'RLEMasks',
    'check_nms',
    'in_valid_range',
    'is_finite',
    'masks_in_image',
    'merge_instances',
    'nms',
    'soft_nms',
    'touches_tile_border',
    'view_to_image',
]
