"""Assigners that honour ignored instances."""

from .ignore_aware_assigner import IgnoreAwareAssigner

__all__ = ['IgnoreAwareAssigner']
