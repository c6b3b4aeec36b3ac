"""Hooks."""

from .chip_epoch_hook import ChipEpochHook
from .chip_merge_hook import ChipMergeHook

__all__ = ['ChipEpochHook', 'ChipMergeHook']
