"""One set of detections out of those of several views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from ..errors import InputError
from ..utils.settings import is_number
from . import suppression
from .suppression import METHODS

# What each type of suppression takes, besides its type.
SETTINGS = {
    'nms': ('iou_threshold',),
    'soft_nms': ('iou_threshold', 'sigma', 'min_score', 'method'),
}
# What configs of MMDetection have there, and what says the same here.
_ELSEWHERE = {
    'iou_thr': 'nms=dict(iou_threshold=...)',
    'max_num': 'max_per_image beside nms',
    'class_agnostic': 'class_agnostic beside nms',
}


def check_nms(settings: Mapping) -> dict:
    """Checks the settings of the suppression and returns them as a plain dict.

    Args:
        settings: As in MMDetection's ``test_cfg``: ``type`` 'nms' (the default) or 'soft_nms', and
            what :func:`mmsniper.merging.nms` or :func:`mmsniper.merging.soft_nms` takes of
            ``iou_threshold`` (needed), ``sigma``, ``min_score`` and ``method``.

    Raises:
        InputError: If it is no dict, of another type, has other keys, or a value is impossible.
    """
    if not isinstance(settings, Mapping):
        raise InputError(
            f"nms={settings!r} is no dict: write e.g. nms=dict(type='nms', iou_threshold=0.5)."
        )
    kind = settings.get('type', 'nms')
    if kind not in tuple(SETTINGS):  # which may be no hashable value
        raise InputError(f"nms type {kind!r} cannot merge views: use 'nms' or 'soft_nms'.")
    unknown = [key for key in settings if key not in (*SETTINGS[kind], 'type')]
    if unknown:
        raise InputError(
            f'nms has the key {unknown[0]!r}, which merging by {kind!r} does not know: '
            + (f'set {_ELSEWHERE[unknown[0]]}; ' if unknown[0] in _ELSEWHERE else '')
            + f'it takes {", ".join(SETTINGS[kind])}.'
        )
    threshold = settings.get('iou_threshold')
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise InputError(f'nms iou_threshold is {threshold!r}: set a number from 0 to 1.')
    for key in ('sigma', 'min_score'):
        value = settings.get(key, 1)
        if not is_number(value) or not 0 <= value < float('inf') or (key, value) == ('sigma', 0):
            raise InputError(f'nms {key} is {value!r}: set a number above 0.')
    if settings.get('method', METHODS[0]) not in METHODS:
        raise InputError(
            f'nms method is {settings["method"]!r}: use one of {", ".join(map(repr, METHODS))}.'
        )
    return {**settings, 'type': kind}


def is_finite(boxes: Tensor, scores: Tensor) -> Tensor:
    """Which detections are neither NaN nor infinite.

    Args:
        boxes: ``(n, 4)`` floats.
        scores: ``(n,)`` floats.

    Returns:
        ``(n,)`` bool.
    """
    return boxes.isfinite().all(dim=1) & scores.isfinite()


def merge_instances(
    views: Sequence[InstanceData],
    nms: Mapping,
    max_per_image: int = 100,
    class_agnostic: bool = False,
) -> tuple[InstanceData, int, int]:
    """Merges the detections of all views of an image (arXiv:1805.09300, section 4.4 on inference).

    The suppression runs on the CPU, where a few thousand boxes take a few milliseconds. Its result
    does not depend on the order of the views.

    Args:
        views: At least one. ``bboxes`` ``(n, 4)`` floats in image pixels, ``scores`` ``(n,)``
            floats, ``labels`` ``(n,)`` integers; further fields of length ``n`` are carried along.
        nms: See :func:`check_nms`. Soft-NMS lowers the scores.
        max_per_image: How many detections to keep at most; -1 for all.
        class_agnostic: Whether boxes of different classes suppress each other.

    Returns:
        The merged detections by falling score, how many the suppression removed (with all that are
        not finite), and how many the limit cut off.
    """
    filled = [view for view in views if len(view)]
    if not filled:  # views without a detection may lack fields, so they are never concatenated
        return views[-1], 0, 0
    every = InstanceData.cat(filled)
    boxes, scores, labels = (
        field.detach().cpu().double().numpy() if field.is_floating_point() else field.cpu().numpy()
        for field in (every.bboxes, every.scores, every.labels)
    )
    keep, lowered = suppress(boxes, scores, labels, nms, class_agnostic)
    limited = keep if max_per_image < 0 else keep[:max_per_image]
    merged = every[torch.from_numpy(limited).to(every.bboxes.device)]
    if lowered is not None:
        merged.scores = torch.from_numpy(lowered[: len(limited)]).to(every.scores)
    return merged, len(every) - len(keep), len(keep) - len(limited)


def suppress(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    settings: Mapping,
    class_agnostic: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Runs the suppression that settings ask for.

    Args:
        boxes: ``(n, 4)`` floats xyxy.
        scores: ``(n,)`` floats.
        labels: ``(n,)`` integers.
        settings: See :func:`check_nms`.
        class_agnostic: Whether boxes of different classes suppress each other.

    Returns:
        The boxes that stay, ``(k,)`` int64 by falling score, and their new scores, ``(k,)`` float64
        or None where scores stay.
    """
    given = {key: value for key, value in settings.items() if key != 'type'}
    given['class_agnostic'] = class_agnostic
    if settings.get('type', 'nms') == 'soft_nms':
        return suppression.soft_nms(boxes, scores, labels, **given)
    return suppression.nms(boxes, scores, labels, **given), None
