"""Assigners that honour ignored instances, and what MMDetection's parts are exchanged for."""

from .chip_data_preprocessor import ChipDataPreprocessor
from .chip_multi_instance_roi_head import ChipMultiInstanceRoIHead
from .ignore_aware_assigner import IgnoreAwareAssigner
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
]

let_ssd_test()
