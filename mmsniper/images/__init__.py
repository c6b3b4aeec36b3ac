"""Pixels of image files, by one rule each for orientation, alpha, depth and damage.

docs/images.md says what the rules are.
"""

from .damage import BrokenImageError
from .decoding import check_decoding, decode_image, read_bytes, read_image
from .depth import check_depth_range
from .header import stated_image_size
from .image_cache import ImageCache
from .orientation import keeps_size, stored_orientation
from .rules import PixelRules
from .tiled_set import tile_set
from .tiled_tiff import write_tiled_tiff
from .windows import image_orientation, image_size, read_window

__all__ = [
    'BrokenImageError',
    'ImageCache',
    'PixelRules',
    'check_decoding',
    'check_depth_range',
    'decode_image',
    'image_orientation',
    'image_size',
    'keeps_size',
    'read_bytes',
    'read_image',
    'read_window',
    'stated_image_size',
    'stored_orientation',
    'tile_set',
    'write_tiled_tiff',
]
