"""What lies on an ignored object and on no valid one.

Shapes: ``n`` points, anchors or queries, ``m`` ignored and ``k`` valid boxes, xyxy in pixels of the
network's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

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
    # The many points lie side by side in memory, which is several times faster.
    right, below = (points + margin).T.contiguous()
    left, above = (points - margin).T.contiguous()
    x1, y1, x2, y2 = boxes.T[..., None]
    return ((right >= x1) & (left < x2) & (below >= y1) & (above < y2)).any(0)


class Grid(NamedTuple):
    """The points of a map.

    Attributes:
        x: ``(w,)``, of its columns.
        y: ``(h,)``, of its rows.
        cell: How far they are apart, to the side and down.
    """

    x: Tensor
    y: Tensor
    cell: tuple[float, float]


def grids_left_out(
    grids: Sequence[Grid],
    ignored: Sequence[Tensor | None],
    valid: Sequence[Tensor],
    ignored_cells: float = 0.0,
    valid_cells: float = 0.0,
) -> list[Tensor]:
    """The rule for points, for all points of some maps of a batch.

    Args:
        grids: The maps.
        ignored: The ignored boxes of each image, ``(m, 4)``, or None.
        valid: The valid ones of each, ``(k, 4)``.
        ignored_cells: How many cells beyond its sides an ignored box goes.
        valid_cells: Likewise, of a valid box.

    Returns:
        ``(images, h, w)``, bool, for each map.
    """
    none = valid[0][:0]
    left_out = _covered(
        grids, [none if boxes is None else boxes for boxes in ignored], ignored_cells
    )
    spared = _covered(grids, valid, valid_cells)
    return [where & ~other for where, other in zip(left_out, spared)]


def _covered(grids: Sequence[Grid], boxes: Sequence[Tensor], cells: float) -> list[Tensor]:
    # Nothing is inside what is no number.
    boxes = pad_sequence(list(boxes), batch_first=True, padding_value=float('nan'))
    x1, y1, x2, y2 = boxes.unbind(-1)
    # Rows and columns by themselves, and then both: hardly any work compared to each point's.
    inside_x = _within(grids, 0, x1, x2, cells)
    inside_y = _within(grids, 1, y1, y2, cells)
    return [y.transpose(1, 2) @ x > 0 for x, y in zip(inside_x, inside_y)]


def _within(
    grids: Sequence[Grid], axis: int, low: Tensor, high: Tensor, cells: float
) -> tuple[Tensor, ...]:
    """Whether the columns or rows of each map are inside of each box, ``(images, m, w)``."""
    places = [grid[axis] for grid in grids]
    margin = torch.cat([torch.full_like(p, cells * g.cell[axis]) for p, g in zip(places, grids)])
    numbers, places = [len(part) for part in places], torch.cat(places)
    found = (places + margin >= low[..., None]) & (places - margin < high[..., None])
    return found.float().split(numbers, -1)


def rows_and_columns(grid: Grid, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows and columns of a map are inside of each box, ``(m, h)`` and ``(m, w)``, float."""
    x1, y1, x2, y2 = boxes.T[..., None]
    rows, columns = (grid.y >= y1) & (grid.y < y2), (grid.x >= x1) & (grid.x < x2)
    return rows.float(), columns.float()


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
    boxes = boxes.float()  # areas overflow half precision
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
