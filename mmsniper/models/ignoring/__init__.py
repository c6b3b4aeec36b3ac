"""Heads that learn from every location, cell or query, and leave out those on ignored objects."""

from .ignore_aware_head import MIXINS, build_ignore_aware_head, ignore_aware_class
from .left_out import anchors_left_out, points_left_out, queries_left_out
from .told import IGNORED_BOXES, Aware, tell

__all__ = [
    'IGNORED_BOXES',
    'MIXINS',
    'Aware',
    'anchors_left_out',
    'build_ignore_aware_head',
    'ignore_aware_class',
    'points_left_out',
    'queries_left_out',
    'tell',
]
