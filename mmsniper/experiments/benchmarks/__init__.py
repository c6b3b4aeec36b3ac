"""Comparing ways of training at equal cost: recipes, budgets, runs, tables and plots."""

from .pixel_counter import PixelCounterHook
from .repeatable_epochs import RepeatableEpochsHook
from .step_sampler import EqualPixelBatchSampler

__all__ = ['EqualPixelBatchSampler', 'PixelCounterHook', 'RepeatableEpochsHook']
