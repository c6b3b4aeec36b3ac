"""Suppression where the boxes are: MMCV's operator on a GPU.

Of the ways to merge, MMCV has only hard suppression for GPUs. Its ``soft_nms`` copies boxes to the
CPU, and compares all with all there. So everything else is copied to the CPU here, for the kernels
that know which boxes are near.
"""

from __future__ import annotations

import torch
from mmcv.ops import nms as mmcv_nms
from torch import Tensor

# A class takes several launches and waits for the last, while the CPU goes through so many boxes
# (measured on an H200).
FEWEST_PER_CLASS = 3000
# The operator notes for each pair of boxes whether they overlap, in a bit: 50 MB.
MOST_OF_CLASS = 20000


def is_better_there(boxes: Tensor, labels: Tensor, class_agnostic: bool) -> bool:
    """Whether suppression should run on the device that the boxes are on.

    Args:
        boxes: ``(n, 4)`` floats, n > 0.
        labels: ``(n,)`` integers.
        class_agnostic: Whether boxes of different classes meet.
    """
    if not boxes.is_cuda or boxes.dtype == torch.float64 or len(boxes) < FEWEST_PER_CLASS:
        return False
    return pays(torch.zeros_like(labels) if class_agnostic else labels)


def pays(labels: Tensor) -> bool:
    """Whether classes are large enough for the operator, and none is too large for the memory."""
    counts = labels.unique(return_counts=True)[1]
    return len(labels) >= FEWEST_PER_CLASS * len(counts) and int(counts.max()) <= MOST_OF_CLASS


def nms_on_device(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    class_agnostic: bool = False,
) -> Tensor:
    """As :func:`mmsniper.merging.nms` on tensors of any device, but overlaps are float32.

    Classes are one call each, because MMCV's ``batched_nms`` moves them apart, far enough in some
    images for float32 to lose pixels.

    Args:
        boxes: ``(n, 4)`` floats xyxy.
        scores: ``(n,)`` floats.
        labels: ``(n,)`` integers.
        iou_threshold: A larger IoU is an overlap.
        class_agnostic: Whether boxes of all labels meet.

    Returns:
        ``(k,)`` int64, the boxes that stay, by falling score.
    """
    order = (boxes.isfinite().all(dim=1) & scores.isfinite()).nonzero()[:, 0]
    for key in (labels, *boxes.T.flip(0), -scores):  # the last one counts most
        order = order[key[order].argsort(stable=True)]
    in_order = torch.zeros_like(labels[order]) if class_agnostic else labels[order]
    stays = torch.zeros(len(order), dtype=torch.bool, device=boxes.device)
    for label in in_order.unique():
        of_class = (in_order == label).nonzero()[:, 0]
        # Places instead of scores, so that equal scores keep their order.
        falling = torch.arange(len(of_class), 0, -1, device=boxes.device).float()
        kept = mmcv_nms(boxes[order[of_class]].float(), falling, iou_threshold)[1]
        stays[of_class[kept]] = True
    return order[stays]
