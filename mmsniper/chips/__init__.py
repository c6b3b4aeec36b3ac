"""Where to cut chips: pyramid levels, valid ranges and the greedy cover (NumPy and Numba only)."""

from .box_levels import BoxLevels, box_levels
from .negative import negative_chips
from .positive import positive_chips
from .pyramid import OPEN, Pyramid, box_sizes, in_valid_range
from .table import ChipTable
from .tile_overlap import lone_sizes, overlap_warning
from .views import pyramid_views

__all__ = [
    'OPEN',
    'BoxLevels',
    'ChipTable',
    'Pyramid',
    'box_levels',
    'box_sizes',
    'in_valid_range',
    'lone_sizes',
    'negative_chips',
    'overlap_warning',
    'positive_chips',
    'pyramid_views',
]
