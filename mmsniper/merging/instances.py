"""One set of detections out of those of several views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from . import fusion, suppression
from .device import is_better_there, nms_on_device
from .masks import unite_masks


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

    Where all boxes are on a GPU and many, 'nms' runs there, by MMCV's operator in float32. All else
    runs on the CPU, where a few thousand boxes take about a millisecond. The result does not depend
    on the order of the views.

    Fields other than boxes, scores and masks are those of the best box of what was merged. Its mask
    is what a merged detection has, too, unless the type is 'nmm', which unites the masks as it
    unites the boxes.

    Args:
        views: At least one. ``bboxes`` ``(n, 4)`` floats in image pixels, ``scores`` ``(n,)``
            floats, ``labels`` ``(n,)`` integers; further fields of length ``n`` are carried along.
        nms: See :func:`check_nms`. Soft-NMS and WBF change the scores, NMM and WBF the boxes.
        max_per_image: How many detections to keep at most; -1 for all.
        class_agnostic: Whether boxes of different classes meet.

    Returns:
        The merged detections by falling score, how many fewer they are by merging (with all that
        are not finite), and how many the limit cut off.
    """
    filled = [view for view in views if len(view)]
    if not filled:  # views without a detection may lack fields, so they are never concatenated
        return views[-1], 0, 0
    every = InstanceData.cat(filled)
    settings = {key: value for key, value in nms.items() if key != 'type'}
    settings['class_agnostic'] = class_agnostic
    kind = nms.get('type', 'nms')
    boxes, scores, labels = (each.detach() for each in (every.bboxes, every.scores, every.labels))
    lowered = groups = None
    if kind == 'nms' and is_better_there(boxes, labels, class_agnostic):
        keep = nms_on_device(boxes, scores, labels, **settings)
    else:
        arrays = [
            (field.double() if field.is_floating_point() else field).cpu().numpy()
            for field in (boxes, scores, labels)
        ]
        if kind in ('nmm', 'wbf'):
            groups = getattr(fusion, kind)(*arrays, **settings)
            keep, lowered = groups.best, groups.scores
        elif kind == 'soft_nms':
            keep, lowered = suppression.soft_nms(*arrays, **settings)
        else:
            keep = suppression.nms(*arrays, **settings)
        keep = torch.from_numpy(keep).to(boxes.device)
    limited = keep if max_per_image < 0 else keep[:max_per_image]
    merged = every[limited]
    if lowered is not None:
        merged.scores = torch.from_numpy(lowered[: len(limited)]).to(every.scores)
    if groups is not None:
        merged.bboxes = torch.from_numpy(groups.boxes[: len(limited)]).to(every.bboxes)
        if kind == 'nmm' and 'masks' in every:
            merged.masks = unite_masks(every.masks, groups.members, len(limited))
    return merged, len(every) - len(keep), len(keep) - len(limited)
