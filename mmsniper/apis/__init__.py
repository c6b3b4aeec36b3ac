"""Python entry points."""

from .proposals import extract_proposals, unique_images
from .pyramid_detection import detect_on_pyramid, pyramid_dataset
from .pyramid_inferencer import PyramidInferencer
from .sniperize import sniperize

__all__ = [
    'PyramidInferencer',
    'detect_on_pyramid',
    'extract_proposals',
    'pyramid_dataset',
    'sniperize',
    'unique_images',
]
