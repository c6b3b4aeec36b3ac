"""Assigners and heads that honour ignored instances, and what parts of MMDetection give way to."""

from .chip_data_preprocessor import ChipDataPreprocessor
from .chip_multi_instance_roi_head import ChipMultiInstanceRoIHead
from .ignore_aware_assigner import IgnoreAwareAssigner
from .ignoring import build_ignore_aware_head
from .rle_mask_heads import RLECondInstMaskHead, RLEFCNMaskHead
from .ssd_head import let_ssd_test
from .valid_range_assigner import ValidRangeAssigner

__all__ = [
    'ChipDataPreprocessor',
    'ChipMultiInstanceRoIHead',
    'IgnoreAwareAssigner',
    'RLECondInstMaskHead',
    'RLEFCNMaskHead',
    'ValidRangeAssigner',
    'build_ignore_aware_head',
]

let_ssd_test()
