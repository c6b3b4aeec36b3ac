"""Hooks."""

from .chip_epoch_hook import ChipEpochHook
from .chip_merge_hook import ChipMergeHook
from .hook_guard import HookGuard
from .online_negatives_hook import OnlineNegativesHook

__all__ = ['ChipEpochHook', 'ChipMergeHook', 'HookGuard', 'OnlineNegativesHook']
