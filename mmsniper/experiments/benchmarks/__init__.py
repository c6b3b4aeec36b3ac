"""Comparing ways of training at equal cost: recipes, budgets, runs, tables and plots."""

from .false_positives import FalsePositiveCocoMetric
from .pixel_counter import PixelCounterHook
from .repeatable_epochs import RepeatableEpochsHook
from .step_sampler import EqualPixelBatchSampler

__all__ = [
    'EqualPixelBatchSampler',
    'FalsePositiveCocoMetric',
    'PixelCounterHook',
    'RepeatableEpochsHook',
]
