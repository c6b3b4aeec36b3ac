"""Coarse to fine (AutoFocus, arXiv:1812.01600): where the next finer level has to be looked at."""

from .labels import focus_labels

__all__ = ['focus_labels']
