"""Samplers that know about chips and about the views of an image."""

from .infinite_chip_sampler import InfiniteChipSampler
from .training_sampler import check_training_sampler
from .view_sampler import ViewSampler, deal_to_workers

__all__ = ['InfiniteChipSampler', 'ViewSampler', 'check_training_sampler', 'deal_to_workers']
