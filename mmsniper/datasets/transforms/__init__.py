"""Transforms of a pipeline that trains and tests on chips."""

from mmsniper.images import BrokenImageError

from .chip_sample import ChipSample
from .load_annotations import LoadChipAnnotations, load_masks_for_chips
from .load_chip import LoadChip
from .load_image import LoadIntactImage
from .pack_chip_inputs import PackChipInputs
from .scale_normalize import ScaleNormalize

__all__ = [
    'BrokenImageError',
    'ChipSample',
    'LoadChip',
    'LoadChipAnnotations',
    'LoadIntactImage',
    'PackChipInputs',
    'ScaleNormalize',
    'load_masks_for_chips',
]
