"""Assigners that honour ignored instances, and mask heads for large images."""

from .ignore_aware_assigner import IgnoreAwareAssigner
from .rle_mask_heads import RLECondInstMaskHead, RLEFCNMaskHead
from .ssd_head import let_ssd_test
from .valid_range_assigner import ValidRangeAssigner

__all__ = ['IgnoreAwareAssigner', 'RLECondInstMaskHead', 'RLEFCNMaskHead', 'ValidRangeAssigner']

let_ssd_test()
