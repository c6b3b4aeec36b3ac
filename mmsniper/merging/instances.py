"""One set of detections out of those of several views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmcv.ops import batched_nms
from mmengine.structures import InstanceData

from ..errors import InputError


def check_nms(nms: Mapping) -> dict:
    """Checks the settings of the suppression and returns them as a plain dict.

    Args:
        nms: As in MMDetection's ``test_cfg``: ``type`` 'nms' or 'soft_nms', ``iou_threshold``, and
            what mmcv's function of that name takes.

    Raises:
        InputError: If it is no dict, of another type, or without a threshold inside [0, 1].
    """
    if not isinstance(nms, Mapping):
        raise InputError(
            f"nms={nms!r} is no dict: write e.g. nms=dict(type='nms', iou_threshold=0.5)."
        )
    if nms.get('type', 'nms') not in ('nms', 'soft_nms'):
        raise InputError(f"nms type {nms['type']!r} cannot merge views: use 'nms' or 'soft_nms'.")
    threshold = nms.get('iou_threshold')
    if (
        isinstance(threshold, bool)
        or not isinstance(threshold, (int, float))
        or not 0 <= threshold <= 1
    ):
        raise InputError(f'nms iou_threshold is {threshold!r}: set a number from 0 to 1.')
    return dict(nms)


def merge_instances(
    views: Sequence[InstanceData],
    nms: Mapping,
    max_per_image: int = 100,
    class_agnostic: bool = False,
) -> tuple[InstanceData, int, int]:
    """Merges the detections of all views of an image (arXiv:1805.09300, section 4.4 on inference).

    Args:
        views: At least one. ``bboxes`` ``(n, 4)`` floats in image pixels, ``scores`` ``(n,)``
            floats, ``labels`` ``(n,)`` integers; further fields of length ``n`` are carried along.
        nms: See :func:`check_nms`. Soft-NMS lowers the scores.
        max_per_image: How many detections to keep at most; -1 for all.
        class_agnostic: Whether boxes of different classes suppress each other.

    Returns:
        The merged detections by falling score, how many the suppression removed, and how many the
        limit cut off.
    """
    filled = [view for view in views if len(view)]
    if not filled:  # views without a detection may lack fields, so they are never concatenated
        return views[-1], 0, 0
    every = InstanceData.cat(filled)
    # batched_nms moves the classes apart by their number: small numbers keep float32 exact enough.
    classes = every.labels.unique(return_inverse=True)[1]
    dets, keep = batched_nms(
        every.bboxes.float(), every.scores.float(), classes, dict(nms), class_agnostic
    )
    scores, order = dets[:, -1].sort(descending=True, stable=True)
    limited = order if max_per_image < 0 else order[:max_per_image]
    merged = every[keep[limited]]
    if nms.get('type') == 'soft_nms':
        merged.scores = scores[: len(limited)].to(every.scores.dtype)
    return merged, len(every) - len(keep), len(order) - len(limited)
