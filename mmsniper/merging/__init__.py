"""One set of detections out of those of several views: where they lie, and what becomes of them."""

from .fusion import Groups, nmm, wbf
from .geometry import in_valid_range, touches_tile_border, view_to_image
from .instances import is_finite, merge_instances
from .masks import RLEMasks, masks_in_image, unite_masks
from .settings import check_nms
from .suppression import nms, soft_nms
from .views import map_view

__all__ = [
    'Groups',
    'RLEMasks',
    'check_nms',
    'in_valid_range',
    'is_finite',
    'map_view',
    'masks_in_image',
    'merge_instances',
    'nmm',
    'nms',
    'soft_nms',
    'touches_tile_border',
    'unite_masks',
    'view_to_image',
    'wbf',
]
