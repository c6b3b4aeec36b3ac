"""Python entry points."""

from .proposals import extract_proposals, unique_images
from .pyramid_detection import detect_on_pyramid, pyramid_dataset
from .sniperize import sniperize

__all__ = [
    'detect_on_pyramid',
    'extract_proposals',
    'pyramid_dataset',
    'sniperize',
    'unique_images',
]
