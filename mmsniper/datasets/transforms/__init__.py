"""Transforms of a pipeline that trains and tests on chips."""

from .chip_sample import ChipSample
from .load_image import BrokenImageError, LoadIntactImage
from .scale_normalize import ScaleNormalize

__all__ = ['BrokenImageError', 'ChipSample', 'LoadIntactImage', 'ScaleNormalize']
