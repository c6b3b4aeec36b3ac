"""Pixels of image files, by one rule each for orientation, alpha, depth and damage.

docs/images.md says what the rules are.
"""

from .damage import BrokenImageError
from .decoding import check_decoding, decode_image, read_bytes, read_image, turns
from .depth import check_depth_range
from .orientation import keeps_size, stored_orientation

__all__ = [
    'BrokenImageError',
    'check_decoding',
    'check_depth_range',
    'decode_image',
    'keeps_size',
    'read_bytes',
    'read_image',
    'stored_orientation',
    'turns',
]
