"""Samplers that know about chips and about the views of an image."""

from .infinite_chip_sampler import InfiniteChipSampler
from .view_sampler import ViewSampler

__all__ = ['InfiniteChipSampler', 'ViewSampler']
