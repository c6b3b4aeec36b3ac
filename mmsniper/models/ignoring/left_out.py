"""What lies on an ignored object and on no valid one.

Shapes: ``n`` points, anchors or queries, ``m`` ignored and ``k`` valid boxes, xyxy in pixels of the
network's input.
"""

from __future__ import annotations

from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

ANCHOR_IOU = 0.3  # the paper's (arXiv:1711.08189, section 5)
QUERY_SHARE = 0.5


def points_left_out(
    points: Tensor,
    ignored: Tensor,
    valid: Tensor,
    ignored_margin: Tensor | float = 0.0,
    valid_margin: Tensor | float = 0.0,
) -> Tensor:
    """Points inside an ignored box and inside no valid one.

    Args:
        points: ``(n, 2)``, x and y.
        ignored: ``(m, 4)``.
        valid: ``(k, 4)``.
        ignored_margin: How far beyond its sides an ignored box goes, in pixels, or ``(n, 2)``, to
            the sides and up and down, for each point.
        valid_margin: Likewise, of a valid box.

    Returns:
        ``(n,)``, bool.
    """
    return inside_any(points, ignored, ignored_margin) & ~inside_any(points, valid, valid_margin)


def inside_any(points: Tensor, boxes: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """Whether each point, ``(n, 2)``, is inside any of the boxes, or within a margin of it."""
    low, high = (points + margin)[:, None], (points - margin)[:, None]
    return ((low >= boxes[:, :2]) & (high < boxes[:, 2:])).all(-1).any(-1)


def anchors_left_out(anchors: Tensor, ignored: Tensor, valid: Tensor) -> Tensor:
    """Anchors that overlap an ignored box, and this more than any valid one.

    Args:
        anchors: ``(n, 4)``.
        ignored: ``(m, 4)``.
        valid: ``(k, 4)``.

    Returns:
        ``(n,)``, bool.
    """
    overlaps = bbox_overlaps(anchors, ignored).amax(-1)
    return (overlaps > ANCHOR_IOU) & (overlaps > _largest(bbox_overlaps(anchors, valid)))


def queries_left_out(boxes: Tensor, ignored: Tensor, valid: Tensor) -> Tensor:
    """Queries most of whose predicted box is on an ignored one that it overlaps more than others.

    So neither a query on a small valid object in front of a large ignored one is left out, nor one
    on a large valid object behind a small ignored one.

    Args:
        boxes: ``(n, 4)``, predicted.
        ignored: ``(m, 4)``.
        valid: ``(k, 4)``.

    Returns:
        ``(n,)``, bool.
    """
    shares = bbox_overlaps(boxes, ignored, mode='iof')
    return by_overlap(shares, bbox_overlaps(boxes, ignored), bbox_overlaps(boxes, valid))


def by_overlap(shares: Tensor, ignored: Tensor, valid: Tensor) -> Tensor:
    """The rule for queries, whatever their shapes are.

    Args:
        shares: ``(n, m)``, of each query's area on each ignored object.
        ignored: ``(n, m)``, its IoU with each ignored object.
        valid: ``(n, k)``, its IoU with each valid one.

    Returns:
        ``(n,)``, bool.
    """
    on_it = (shares > QUERY_SHARE) & (ignored > _largest(valid)[:, None])
    return on_it.any(-1)


def _largest(overlaps: Tensor) -> Tensor:
    """The largest of each row, 0 where there is none."""
    return overlaps.amax(-1) if overlaps.size(-1) else overlaps.new_zeros(len(overlaps))
