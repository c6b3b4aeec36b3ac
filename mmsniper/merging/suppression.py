"""Non-maximum suppression on arrays, class by class, in float64, compiled.

Shapes: n boxes, m boxes of one class. All kernels are in this file because Numba's cache does not
notice when a kernel that lives in another file has changed.

What overlaps a box is looked for on grids, one for each power of two: on the grid whose cells have
the side s lie the boxes whose longer side is between s / 2 and s, each in the cell of its upper
left corner. So time grows with the number of pairs that overlap, not with that of all pairs, in
pixels as in shares of the image.
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numba import njit

METHODS = ('linear', 'gaussian', 'naive')

# Fewer boxes are compared with each other without a grid.
FEW = 128
# Bits of a cell's number on each axis. The boxes of the last grid are too large for a cell.
CELL_BITS = 28
LAST_CELL = float((1 << CELL_BITS) - 1)
LAST_GRID = 126
# The grid whose cells have the side 1; the others have smaller and larger ones.
UNIT_GRID = 62
# A threshold is lowered by this share where overlaps are looked for, so that rounding loses none.
SLACK = 1e-6


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
    boxes, scores, order, starts = _by_class(boxes, scores, labels, class_agnostic)
    kept = order[_suppress(boxes[order], starts, float(iou_threshold))]
    return kept[_by_score(boxes[kept], scores[kept], labels[kept])]


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
    boxes, scores, order, starts = _by_class(boxes, scores, labels, class_agnostic)
    settings = float(iou_threshold), float(sigma), float(min_score), METHODS.index(method)
    found, lowered = _suppress_softly(boxes[order], scores[order], starts, *settings)
    kept = order[found]
    by_score = _by_score(boxes[kept], lowered, labels[kept])
    return kept[by_score], lowered[by_score]


def finite(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Which boxes are finite and have a finite score, (n,) bool."""
    return np.isfinite(boxes).all(axis=1) & np.isfinite(scores)


def _by_class(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, class_agnostic: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes and scores as float64, the finite ones by class and falling score, and class starts.

    All boxes are of one class where classes do not count.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    scores = np.asarray(scores, np.float64)
    usable = np.flatnonzero(finite(boxes, scores))
    class_first = not class_agnostic
    order = usable[_by_score(boxes[usable], scores[usable], labels[usable], class_first)]
    changes = np.flatnonzero(np.diff(labels[order])) + 1 if class_first else []
    starts = np.concatenate([[0], changes, [len(order)]]).astype(np.int64)
    return boxes, scores, order, starts


def _by_score(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, class_first: bool = False
) -> np.ndarray:
    """The order of falling scores, of equal ones by position and class: (n,) int64."""
    keys = [boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -scores]
    return np.lexsort([*keys, labels] if class_first else [labels, *keys])


@njit(cache=True, nogil=True)
def _iou(boxes, i, j):
    """IoU of two of some boxes, 0 where they have no area in common."""
    width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
    if width <= 0:
        return 0.0
    height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
    if height <= 0:
        return 0.0
    shared = width * height
    area = (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])
    other_area = (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1])
    return shared / (area + other_area - shared)


@njit(cache=True, nogil=True)
def _grid_of(box):
    """The number of the grid that a box lies on: the box is not longer than a cell of it."""
    longest = max(box[2] - box[0], box[3] - box[1], 0.0)
    return min(max(math.frexp(longest)[1] + UNIT_GRID, 0), LAST_GRID)


@njit(cache=True, nogil=True)
def _cell_side(grid):
    return math.ldexp(1.0, grid - UNIT_GRID)


@njit(cache=True, nogil=True)
def _cell(offset, side):
    """The cell of a coordinate on one axis; those far outside share the first or the last one."""
    return np.int64(min(max(math.floor(offset / side), 0.0), LAST_CELL))


@njit(cache=True, nogil=True)
def _key(grid, row, column):
    return (np.int64(grid) << 2 * CELL_BITS) | (row << CELL_BITS) | column


@njit(cache=True, nogil=True)
def _make_grids(boxes):
    """Sort boxes by grid, row and column.

    Args:
        boxes (np.ndarray): (m, 4) float64, m > 0.

    Returns:
        tuple: (m,) int64 keys of the boxes' cells, rising; (m,) int64 the box of each key; (g,)
        int64 the grids that have boxes and (g + 1,) int64 where the keys of each start; and the
        left and the top border of all boxes.
    """
    left, top = boxes[:, 0].min(), boxes[:, 1].min()
    keys = np.empty(len(boxes), np.int64)
    counts = np.zeros(LAST_GRID + 1, np.int64)
    for index in range(len(boxes)):
        grid = _grid_of(boxes[index])
        side = _cell_side(grid)
        row, column = _cell(boxes[index, 1] - top, side), _cell(boxes[index, 0] - left, side)
        keys[index] = _key(grid, row, column)
        counts[grid] += 1
    order = np.argsort(keys)
    used = np.flatnonzero(counts)
    starts = np.zeros(len(used) + 1, np.int64)
    starts[1:] = np.cumsum(counts[used])
    return keys[order], order, used, starts, left, top


@njit(cache=True, nogil=True)
def _first_not_below(keys, value, low, high):
    """The first of some rising keys, from ``low`` to ``high``, that is not below a value."""
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _find_near(box, grids, more_than, found):
    """Find the boxes that may have more than some IoU with a box, and some others.

    Args:
        box (np.ndarray): (4,) float64.
        grids (tuple): From ``_make_grids``.
        more_than (float): That IoU.
        found (np.ndarray): (m,) int64, filled with the indices of these boxes, in no order.

    Returns:
        int: How many.
    """
    keys, members, used, starts, left, top = grids
    more_than *= 1 - SLACK
    width, height = box[2] - box[0], box[3] - box[1]
    count = 0
    for grid, start, end in zip(used, starts[:-1], starts[1:]):
        side = _cell_side(grid)
        # Boxes of a small side cover too little of it.
        if min(width, side) * min(height, side) <= more_than * width * height:
            continue
        # On each axis the two share more than this part of the longer one's side, so that their
        # corners are closer than the rest of it.
        reach = (1 - more_than) * side
        first_row = _cell(box[1] - reach - top, side)
        last_row = _cell(box[3] - more_than * height - top, side)
        if grid == LAST_GRID or last_row - first_row >= end - start:  # more rows than boxes
            for position in range(start, end):
                found[count] = members[position]
                count += 1
            continue
        first_column = _cell(box[0] - reach - left, side)
        last_column = _cell(box[2] - more_than * width - left, side)
        for row in range(first_row, last_row + 1):
            last = _key(grid, row, last_column)
            position = _first_not_below(keys, _key(grid, row, first_column), start, end)
            while position < end and keys[position] <= last:
                found[count] = members[position]
                position += 1
                count += 1
    return count


@njit(cache=True, nogil=True)
def _suppress(boxes, starts, iou_threshold):
    """The boxes that stay, (k,) int64, of classes that are sorted by falling score.

    Args:
        boxes (np.ndarray): (n, 4) float64.
        starts (np.ndarray): (c + 1,) int64, where the boxes of each class start.
        iou_threshold (float): A larger IoU is an overlap.
    """
    gone = np.zeros(len(boxes), np.bool_)
    near = np.empty(len(boxes), np.int64)
    for start, end in zip(starts[:-1], starts[1:]):
        of_class = boxes[start:end]
        if end - start <= FEW:
            for box in range(start, end):
                for other in range(box + 1, end):
                    if not gone[box] and not gone[other]:
                        gone[other] = _iou(boxes, box, other) > iou_threshold
            continue
        grids = _make_grids(of_class)
        for box in range(end - start):
            if gone[start + box]:
                continue
            for slot in range(_find_near(of_class[box], grids, iou_threshold, near)):
                other = near[slot]
                if other > box and not gone[start + other]:
                    gone[start + other] = _iou(of_class, box, other) > iou_threshold
    return np.flatnonzero(~gone)


@njit(cache=True, nogil=True)
def _suppress_softly(boxes, scores, starts, iou_threshold, sigma, min_score, method):
    """The boxes that stay, (k,) int64, and their scores, (k,) float64.

    Args:
        boxes (np.ndarray): (n, 4) float64, classes sorted by falling score.
        scores (np.ndarray): (n,) float64.
        starts (np.ndarray): (c + 1,) int64, where the boxes of each class start.
        iou_threshold, sigma, min_score (float): See ``soft_nms``.
        method (int): Which of ``METHODS``.
    """
    scores = scores.copy()
    taken = np.zeros(len(boxes), np.bool_)
    near = np.empty(len(boxes), np.int64)
    more_than = 0.0 if method == 1 else iou_threshold
    for start, end in zip(starts[:-1], starts[1:]):
        if start == end:
            continue
        of_class = boxes[start:end]
        grids = _make_grids(of_class)
        queue = [(-scores[start + box], box) for box in range(end - start)]
        heapq.heapify(queue)
        while len(queue) > 0:
            waiting, box = heapq.heappop(queue)
            if scores[start + box] < min_score:
                continue
            if scores[start + box] != -waiting:  # scores only fall: back to its place
                heapq.heappush(queue, (-scores[start + box], box))
                continue
            taken[start + box] = True
            for slot in range(_find_near(of_class[box], grids, more_than, near)):
                other = near[slot]
                if taken[start + other]:
                    continue
                iou = _iou(of_class, box, other)
                if method == 1:
                    scores[start + other] *= math.exp(-iou * iou / sigma)
                elif iou > 0 and iou >= iou_threshold:
                    scores[start + other] *= 1 - iou if method == 0 else 0.0
    found = np.flatnonzero(taken)
    return found, scores[found]
