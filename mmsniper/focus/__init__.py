"""AutoFocus (arXiv:1812.01600): finer levels are looked at only where small objects may be."""

from .chips import focus_chips, grow
from .labels import focus_labels
from .maps import FocusGrid
from .search import CoarseToFine, Level, Marks, View
from .settings import FocusSettings, focus_of, read_focus

__all__ = [
    'CoarseToFine',
    'FocusGrid',
    'FocusSettings',
    'Level',
    'Marks',
    'View',
    'focus_chips',
    'focus_labels',
    'focus_of',
    'grow',
    'read_focus',
]
