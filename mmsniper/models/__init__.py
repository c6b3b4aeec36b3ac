"""Assigners and heads that ignore, the focus head, and what parts of MMDetection give way to."""

from .chip_data_preprocessor import ChipDataPreprocessor
from .chip_multi_instance_roi_head import ChipMultiInstanceRoIHead
from .chip_point_rend_roi_head import ChipPointRendRoIHead
from .chip_yolact_head import ChipYOLACTHead
from .focus_detector import build_focus_detector
from .focus_head import FocusHead
from .ignore_aware_assigner import IgnoreAwareAssigner
from .ignoring import build_ignore_aware_head
from .rle_mask_heads import RLECondInstMaskHead, RLEFCNMaskHead
from .ssd_head import let_ssd_test
from .valid_range_assigner import ValidRangeAssigner

__all__ = [
    'ChipDataPreprocessor',
    'ChipMultiInstanceRoIHead',
    'ChipPointRendRoIHead',
    'ChipYOLACTHead',
    'FocusHead',
    'IgnoreAwareAssigner',
    'RLECondInstMaskHead',
    'RLEFCNMaskHead',
    'ValidRangeAssigner',
    'build_focus_detector',
    'build_ignore_aware_head',
]

let_ssd_test()
