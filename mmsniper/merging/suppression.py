"""Non-maximum suppression on arrays: of boxes that overlap the best stays.

Shapes: n boxes. Classes are told apart exactly, and all is computed in float64.
"""

from __future__ import annotations

import numpy as np

from .kernels import METHODS, group_greedily, suppress_softly
from .order import by_class, by_score


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float,
    class_agnostic: bool = False,
) -> np.ndarray:
    """Hard suppression: a box goes if it overlaps one of its class that stays and scores higher.

    Equal scores are told apart by the boxes themselves and by their classes, so the result does not
    depend on the order they come in. Boxes or scores that are not finite are never kept.

    Args:
        boxes (np.ndarray): (n, 4) floats xyxy.
        scores (np.ndarray): (n,) floats.
        labels (np.ndarray): (n,) integers; boxes of different labels meet only if asked to.
        iou_threshold (float): A larger IoU is an overlap.
        class_agnostic (bool): Whether boxes of all labels meet. Defaults to False.

    Returns:
        np.ndarray: (k,) int64, the boxes that stay, by falling score.
    """
    classes = by_class(boxes, scores, labels, class_agnostic)
    takers = group_greedily(classes.boxes, classes.starts, float(iou_threshold), False)
    kept = np.flatnonzero(takers == np.arange(len(takers)))
    return classes.order[kept[np.argsort(classes.ranks[kept])]]


def soft_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = 'linear',
    class_agnostic: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Soft suppression: overlaps lower the score of the lesser box (arXiv:1704.04503).

    Args:
        boxes (np.ndarray): (n, 4) floats xyxy.
        scores (np.ndarray): (n,) floats.
        labels (np.ndarray): (n,) integers; boxes of different labels meet only if asked to.
        iou_threshold (float): The least IoU that counts, with 'linear' and 'naive'.
        sigma (float): Width of the method 'gaussian'. Defaults to 0.5.
        min_score (float): Boxes go whose score falls or lies below. Defaults to 0.001.
        method (str): A score is multiplied by 1 - IoU ('linear'), by exp(-IoU^2 / sigma)
            ('gaussian') or by 0 ('naive'). Defaults to 'linear'.
        class_agnostic (bool): Whether boxes of all labels meet. Defaults to False.

    Returns:
        tuple[np.ndarray, np.ndarray]: (k,) int64, the boxes that stay, by falling score, and (k,)
            float64, their scores.
    """
    classes = by_class(boxes, scores, labels, class_agnostic)
    settings = float(iou_threshold), float(sigma), float(min_score), METHODS.index(method)
    stays, lowered = suppress_softly(classes.boxes, classes.scores, classes.starts, *settings)
    kept = classes.order[stays]
    by_lowered = by_score(classes.boxes[stays], lowered, np.asarray(labels)[kept])
    return kept[by_lowered], lowered[by_lowered]
