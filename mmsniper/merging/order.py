"""The one order in which detections are looked at, whatever the order they come in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Classes(NamedTuple):
    """The finite ones of some detections, by class and in each class by falling score.

    Attributes:
        order: (m,) int64, which detections these are.
        boxes: (m, 4) float64.
        scores: (m,) float64.
        starts: (c + 1,) int64, where each class starts. All are of one where classes do not count.
        ranks: (m,) int64, the place of each by falling score over all classes.
    """

    order: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    starts: np.ndarray
    ranks: np.ndarray


def by_class(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, class_agnostic: bool
) -> Classes:
    """Sorts detections for the kernels, in float64, without those that are not finite."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    order = by_score(boxes, scores, labels)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        order = order[finite(boxes, scores)[order]]
    ranks = np.arange(len(order))
    starts = np.array([0, len(order)])
    if not class_agnostic and len(order):
        in_order = labels[order]
        ranks = np.argsort(_small(in_order), kind='stable')
        order = order[ranks]
        changes = np.flatnonzero(np.diff(in_order[ranks])) + 1
        starts = np.concatenate([[0], changes, [len(order)]])
    return Classes(order, boxes[order], scores[order], starts, ranks)


def by_score(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The order of falling scores, of equal ones by position and class: (n,) int64."""
    order = np.argsort(-scores)
    falling = scores[order]
    equal = falling[1:] == falling[:-1]
    if equal.any():
        places = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
        tied = np.sort(order[places])
        keys = [labels[tied], *boxes[tied].T[::-1], -scores[tied]]
        order[places] = tied[np.lexsort(keys)]
    return order


def finite(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Which boxes are finite and have a finite score, (n,) bool."""
    return np.isfinite(boxes).all(axis=1) & np.isfinite(scores)


def _small(labels: np.ndarray) -> np.ndarray:
    """The labels as 16 bits if they fit, which NumPy sorts many times faster."""
    if labels.min() >= 0 and labels.max() < 1 << 16:
        return labels.astype(np.uint16)
    return labels
