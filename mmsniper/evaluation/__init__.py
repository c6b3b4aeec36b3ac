"""The evaluator that stands in front of any MMDetection metric and merges the views of an image."""

from .. import merging as _merging
from .merging_evaluator import MergingEvaluator

__all__ = ['MergingEvaluator']


def __getattr__(name: str):
    """What was here in mmsniper 0.1 and is in :mod:`mmsniper.merging` now."""
    if name in _merging.__all__:
        return getattr(_merging, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
