"""Heads of MMDetection made to ignore, chosen by config."""

from __future__ import annotations

import functools

from mmdet.registry import MODELS
from torch import nn

from mmsniper.errors import InputError

from .branches import (
    IgnoresGlobalContext,
    IgnoresLocationBranch,
    IgnoresObjectness,
    IgnoresSegmentation,
)
from .maps import (
    IgnoresAnchors,
    IgnoresCentrePoints,
    IgnoresCentres,
    IgnoresCorners,
    IgnoresGrids,
    IgnoresLocations,
    IgnoresTouchedPoints,
)
from .queries import (
    IgnoresDistinctQueries,
    IgnoresMaskQueries,
    IgnoresQueries,
    IgnoresRoIQueries,
)
from .told import Aware, Tells

# What each head of MMDetection, and with it those that derive from it, needs to ignore.
MIXINS: dict[str, type] = {
    'FCOSHead': IgnoresLocations,
    'FoveaHead': IgnoresTouchedPoints,
    'AutoAssignHead': IgnoresLocations,
    'VFNetHead': IgnoresLocations,
    'CenterNetUpdateHead': IgnoresCentrePoints,
    'CenterNetHead': IgnoresCentres,
    'CornerHead': IgnoresCorners,
    'SOLOHead': IgnoresGrids,
    'FreeAnchorRetinaHead': IgnoresAnchors,
    'YOLOXHead': IgnoresObjectness,
    'GuidedAnchorHead': IgnoresLocationBranch,
    'YOLACTProtonet': IgnoresSegmentation,
    'SCNetRoIHead': IgnoresGlobalContext,
    'DETRHead': IgnoresQueries,
    'DDQDETRHead': IgnoresDistinctQueries,
    'MaskFormerHead': IgnoresMaskQueries,
    'SparseRoIHead': IgnoresRoIQueries,
    'YOLOV3Head': Tells,
    'CascadeRPNHead': Tells,
}


@MODELS.register_module(name='IgnoreAwareHead')
def build_ignore_aware_head(head: str | type, **settings) -> nn.Module:
    """Build a head that leaves ignored instances out of what it learns.

    It has the parameters of the head that it is made of, so checkpoints fit both, and in testing it
    is that head. Without an ignored instance in a batch its losses are those of that head to the
    last digit, unless there is no object at all: MMDetection's ``CenterNetUpdateHead`` and
    ``SparseRoIHead`` have losses of millions then, as chips would often show. It is for heads that
    MMDetection gives no assigner which could ignore; the others have
    :class:`mmsniper.models.IgnoreAwareAssigner`. In a config::

        bbox_head=dict(type='IgnoreAwareHead', head='FCOSHead', num_classes=80, ...)

    What becomes of an ignored instance:

    - Points and cells inside its box, and inside no valid one, are neither positive nor background.
    - Queries that no valid object is matched to have no weight if most of their predicted box, or
      mask, is on it and overlaps no valid one more.

    Args:
        head (str | type): The name or class of the head, one of MMDetection's or derived from it.
        **settings: Its settings.

    Returns:
        nn.Module: The head.

    Raises:
        InputError: It is not known how the head could ignore.
    """
    kind = _class_of(head)
    made_aware = ignore_aware_class(kind)
    made = kind(**settings)
    # Not built as a subclass: DETR's head asks whether it is exactly itself.
    made.__class__ = made_aware
    made.become_aware()
    return made


@functools.cache
def ignore_aware_class(head: type) -> type:
    """The class that ``IgnoreAwareHead`` builds.

    Args:
        head (type): The class of the head.

    Returns:
        type: One that derives from it.

    Raises:
        InputError: It is not known how the head could ignore.
    """
    mixin = next((MIXINS[kind.__name__] for kind in head.__mro__ if kind.__name__ in MIXINS), None)
    if mixin is None:
        raise InputError(
            f'IgnoreAwareHead does not know how {head.__name__} could ignore, which derives from '
            f'none of {", ".join(MIXINS)}; wrap its assigner in IgnoreAwareAssigner if it has one, '
            "or use ScaleNormalize(mode='erase')"
        )
    return type(f'IgnoreAware{head.__name__}', (mixin, Aware, head), {'__module__': __name__})


def _class_of(head: str | type) -> type:
    kind = head if isinstance(head, type) else MODELS.get(head)
    if not isinstance(kind, type):
        raise InputError(f'head must be the name of a registered head, but is {head!r}')
    return kind
