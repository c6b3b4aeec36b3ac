"""Datasets, transforms and samplers of chips and views."""

from .chip_dataset import ChipDataset
from .samplers import InfiniteChipSampler, ViewSampler
from .transforms import (
    BrokenImageError,
    ChipSample,
    LoadChip,
    LoadChipAnnotations,
    LoadIntactImage,
    PackChipInputs,
    ScaleNormalize,
)

__all__ = [
    'BrokenImageError',
    'ChipDataset',
    'ChipSample',
    'InfiniteChipSampler',
    'LoadChip',
    'LoadChipAnnotations',
    'LoadIntactImage',
    'PackChipInputs',
    'ScaleNormalize',
    'ViewSampler',
]
