"""Merging on arrays: boxes that overlap become one box.

Shapes: n boxes, k groups. Classes are told apart exactly, and all is computed in float64. Equal
scores are told apart by the boxes themselves and by their classes, so the result does not depend on
the order boxes come in. Boxes or scores that are not finite are in no group.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .kernels import fuse, group_greedily
from .order import by_class, by_score

METRICS = ('iou', 'ios')
CONF_TYPES = ('avg', 'max')


class Groups(NamedTuple):
    """Boxes that became one box each, by falling score of that.

    Attributes:
        best: (k,) int64, the box of each group with the highest score, whose class the group has.
        boxes: (k, 4) float64 xyxy.
        scores: (k,) float64.
        members: (n,) int64, the group that each box went into, -1 for none.
    """

    best: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    members: np.ndarray


def nmm(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float,
    metric: str = 'iou',
    class_agnostic: bool = False,
) -> Groups:
    """Greedy non-maximum merging: what suppression would drop widens the box that stays.

    By falling score, each box that is in no group yet takes in all such boxes of its class that
    overlap it. It is the box as it came that must overlap them, not the group's, so a chain of
    boxes does not become one. The groups are those of SAHI's ``GreedyNMMPostprocess``, with two
    differences: an overlap of just the threshold is none, and all of a group is merged. SAHI looks
    once more whether the box merged so far overlaps the next one, and drops that one if it does
    not.

    Args:
        boxes (np.ndarray): (n, 4) floats xyxy.
        scores (np.ndarray): (n,) floats.
        labels (np.ndarray): (n,) integers; boxes of different labels meet only if asked to.
        iou_threshold (float): A larger overlap counts.
        metric (str): What an overlap is a share of: of the union ('iou'), or of the smaller box
            ('ios'), which joins a part with the whole. Defaults to 'iou'.
        class_agnostic (bool): Whether boxes of all labels meet. Defaults to False.

    Returns:
        Groups: The box of each is the smallest around all of its boxes, the score the highest.
    """
    classes = by_class(boxes, scores, labels, class_agnostic)
    by_smaller = METRICS.index(metric) == 1
    takers = group_greedily(classes.boxes, classes.starts, float(iou_threshold), by_smaller)
    firsts, numbers = _numbered(takers)
    united = classes.boxes[firsts]
    np.minimum.at(united[:, :2], numbers, classes.boxes[:, :2])
    np.maximum.at(united[:, 2:], numbers, classes.boxes[:, 2:])
    order = np.argsort(classes.ranks[firsts])
    return _groups(classes.order, firsts, numbers, united, classes.scores[firsts], order, boxes)


def wbf(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float = 0.55,
    conf_type: str = 'avg',
    num_views: int = 1,
    min_score: float = 0.0,
    class_agnostic: bool = False,
) -> Groups:
    """Weighted boxes fusion: the mean of boxes that overlap, by score (arXiv:1910.13302).

    By falling score, each box joins the group of its class whose fused box it overlaps most, or
    begins one. The fused box moves with each that joins.

    The method was made for several models that all look at everything, and lowers the score of what
    only some of them found. Views of a pyramid are no such models: an object is in the valid range
    of one level or two, and inside few tiles of it; the others cannot hold it, and their silence
    says nothing. So no score is lowered, unless ``num_views`` tells how many views can hold every
    object, such as 2 where each view is looked at flipped as well. With the number of models, the
    result is that of ``weighted_boxes_fusion`` of the package ``ensemble-boxes``.

    Args:
        boxes (np.ndarray): (n, 4) floats xyxy.
        scores (np.ndarray): (n,) floats, of 0 or more.
        labels (np.ndarray): (n,) integers; boxes of different labels meet only if asked to.
        iou_threshold (float): A larger IoU is an overlap. Defaults to 0.55.
        conf_type (str): The score of a group is the mean of its scores ('avg') or the highest one
            ('max'). Defaults to 'avg'.
        num_views (int): The mean of a group of fewer boxes is lowered by their share of this.
            Defaults to 1.
        min_score (float): Boxes with a lower score are left out. Defaults to 0.
        class_agnostic (bool): Whether boxes of all labels meet. Defaults to False.

    Returns:
        Groups: Boxes without area are groups of their own.
    """
    boxes, scores, labels = (np.asarray(each) for each in (boxes, scores, labels))
    left_out = scores < min_score
    if left_out.any():
        scores = np.where(left_out, np.nan, scores)
    classes = by_class(boxes, scores, labels, class_agnostic)
    takers, fused = fuse(classes.boxes, classes.scores, classes.starts, float(iou_threshold))
    firsts, numbers = _numbered(takers)
    fused, found = fused[firsts], classes.scores[firsts]
    if CONF_TYPES.index(conf_type) == 0:
        counts = np.bincount(numbers, minlength=len(firsts))
        found = np.bincount(numbers, classes.scores, len(firsts)) / counts
        found *= np.minimum(counts, num_views) / num_views
    order = by_score(fused, found, labels[classes.order[firsts]])
    return _groups(classes.order, firsts, numbers, fused, found, order, boxes)


def _numbered(takers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first box of each group, (k,) int64, and the number of each box's group, (n,) int64."""
    is_first = takers == np.arange(len(takers))
    return np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[takers]


def _groups(
    sorted_boxes: np.ndarray,
    firsts: np.ndarray,
    numbers: np.ndarray,
    merged: np.ndarray,
    scores: np.ndarray,
    order: np.ndarray,
    boxes: np.ndarray,
) -> Groups:
    """Groups in the order wanted, of boxes in the order that they came in."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    members = np.full(len(boxes), -1)
    members[sorted_boxes] = places[numbers]
    return Groups(sorted_boxes[firsts[order]], merged[order], scores[order], members)
