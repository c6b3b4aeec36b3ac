"""The compiled loops of merging, class by class, in float64.

Shapes: n boxes, sorted by class, m boxes of one class, sorted by falling score. All kernels are in
this file because Numba's cache does not notice when a kernel that lives in another file has
changed.

What overlaps a box is looked for on grids. Their cells have sides that are powers of four, and each
box is in the cell of its upper left corner, on the grid whose cells are just larger: with square
cells for most boxes, and with long ones for long boxes. So time grows with the number of pairs that
overlap, not with that of all pairs, in pixels as in shares of the image. Cells are found by
hashing, and boxes come and go: only those lie on the grids that can still take others in.
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numba import njit

METHODS = ('linear', 'gaussian', 'naive')

# Bits of a cell's number on each axis, and of the number of the grid's side on this axis.
CELL_BITS = 25
LAST_CELL = float((1 << CELL_BITS) - 1)
SIDE_BITS = 6
# The last side of a cell, which longer boxes have as well, though they do not fit.
LAST_SIDE = (1 << SIDE_BITS) - 1
NUM_GRIDS = 1 << 2 * SIDE_BITS
# The number of the side 1; the others are smaller and larger ones.
UNIT_SIDE = 31
LENGTHS = 4.0 ** (np.arange(LAST_SIDE + 1) - UNIT_SIDE)
# Boxes for the cells of each side are from the one to below the other.
LEAST = np.append(0.0, LENGTHS[:-1])
MOST = np.append(LENGTHS[:-1], np.inf)
# Cells are square for boxes whose sides' numbers do not differ by more, and for the longer side.
ALIKE = 2
# A threshold is lowered by this share where overlaps are looked for, so that rounding loses none.
SLACK = 1e-6
# 2^64 by the golden ratio, which spreads the keys of neighbouring cells.
HASH = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def _overlap(box, other, over_smaller):
    """What two boxes share of their union or of the smaller one, 0 where that has no area."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    if width <= 0:
        return 0.0
    height = min(box[3], other[3]) - max(box[1], other[1])
    if height <= 0:
        return 0.0
    shared = width * height
    area = (box[2] - box[0]) * (box[3] - box[1])
    other_area = (other[2] - other[0]) * (other[3] - other[1])
    return shared / (min(area, other_area) if over_smaller else area + other_area - shared)


@njit(cache=True, nogil=True)
def _side_of(length):
    """The number of the side of the cells for boxes of this length on an axis, which fit it."""
    exponent = math.frexp(min(max(length, 0.0), LENGTHS[-1]))[1]
    return min(max((exponent + 1) // 2 + UNIT_SIDE, 0), LAST_SIDE)


@njit(cache=True, nogil=True)
def _cell(offset, length):
    """The cell of a coordinate on one axis; those far outside share the first or the last one."""
    return np.int64(min(max(math.floor(offset / length), 0.0), LAST_CELL))


@njit(cache=True, nogil=True)
def _key(grid, row, column):
    return (np.int64(grid) << 2 * CELL_BITS) | (row << CELL_BITS) | column


@njit(cache=True, nogil=True)
def _cell_of(box, left, top):
    """The key of the cell that a box lies in."""
    high, wide = _side_of(box[3] - box[1]), _side_of(box[2] - box[0])
    if abs(high - wide) <= ALIKE:
        high = wide = max(high, wide)
    row, column = _cell(box[1] - top, LENGTHS[high]), _cell(box[0] - left, LENGTHS[wide])
    return _key(high << SIDE_BITS | wide, row, column)


@njit(cache=True, nogil=True)
def _empty_grids(boxes):
    """Grids for boxes that lie where some boxes lie, with room for as many.

    A box is a link of two chains: number i of that of its cell, number m + i of that of its grid.

    Args:
        boxes (np.ndarray): (m, 4) float64, m > 0.

    Returns:
        tuple: Where each chain begins, those of cells by the hash of their key before those of
        grids; (2, 2 * m) what comes before and after each link; (m,) int64 the cell of each box;
        (NUM_GRIDS,) the number of boxes on each grid, and the grids that ever had one, -1 behind
        them; and the left and the top border of all boxes.
    """
    bits = 1
    while 1 << bits < 2 * len(boxes):
        bits += 1
    chains = np.full((1 << bits) + NUM_GRIDS, -1, np.int32)
    links = np.empty((2, 2 * len(boxes)), np.int32)
    cells = np.empty(len(boxes), np.int64)
    sizes = np.zeros(NUM_GRIDS, np.int32)
    used = np.full(NUM_GRIDS + 1, -1, np.int32)
    return chains, links, cells, sizes, used, boxes[:, 0].min(), boxes[:, 1].min()


@njit(cache=True, nogil=True)
def _hash(key, num_chains):
    """The chain of a cell; the number of cells' chains is a power of two."""
    spread = (np.uint64(key) * HASH) >> np.uint64(32)
    return np.int64(spread) & (num_chains - NUM_GRIDS - 1)


@njit(cache=True, nogil=True)
def _link(chains, links, link, chain):
    first = chains[chain]
    links[0, link], links[1, link] = -1, first
    if first >= 0:
        links[0, first] = link
    chains[chain] = link


@njit(cache=True, nogil=True)
def _unlink(chains, links, link, chain):
    before, after = links[0, link], links[1, link]
    if before >= 0:
        links[1, before] = after
    else:
        chains[chain] = after
    if after >= 0:
        links[0, after] = before


@njit(cache=True, nogil=True)
def _put(grids, box, index):
    """Put the box of this index on its grid."""
    chains, links, cells, sizes, used, left, top = grids
    key = _cell_of(box, left, top)
    grid = key >> 2 * CELL_BITS
    cells[index] = key
    sizes[grid] += 1
    if sizes[grid] == 1:
        place = 0
        while used[place] >= 0 and used[place] != grid:
            place += 1
        used[place] = grid
    _link(chains, links, index, _hash(key, len(chains)))
    _link(chains, links, len(cells) + index, len(chains) - NUM_GRIDS + grid)


@njit(cache=True, nogil=True)
def _take(grids, index):
    """Take the box of this index off its grid."""
    chains, links, cells, sizes, _, _, _ = grids
    grid = cells[index] >> 2 * CELL_BITS
    sizes[grid] -= 1
    _unlink(chains, links, index, _hash(cells[index], len(chains)))
    _unlink(chains, links, len(cells) + index, len(chains) - NUM_GRIDS + grid)


@njit(cache=True, nogil=True)
def _find_near(box, grids, more_than, found):
    """Find the boxes on grids that may have more than some IoU with a box, and some others.

    Args:
        box (np.ndarray): (4,) float64.
        grids (tuple): From ``_empty_grids``.
        more_than (float): That IoU.
        found (np.ndarray): (m,) int64, filled with the indices of these boxes, in no order.

    Returns:
        int: How many.
    """
    chains, links, cells, sizes, used, left, top = grids
    width, height = box[2] - box[0], box[3] - box[1]
    if width <= 0 or height <= 0:
        return 0
    # On each axis the two share more than this part of the longer one's side.
    more_than *= 1 - SLACK
    longer = max(width, height)
    count = place = 0
    while used[place] >= 0:
        grid = used[place]
        place += 1
        high, wide = grid >> SIDE_BITS, grid & LAST_SIDE
        if sizes[grid] == 0:
            continue
        if high == wide:
            if more_than * longer >= MOST[high] or more_than * LEAST[high] >= longer:
                continue
        elif (
            more_than * height >= MOST[high]
            or more_than * LEAST[high] >= height
            or more_than * width >= MOST[wide]
            or more_than * LEAST[wide] >= width
        ):
            continue
        # So their corners are closer than the rest of it.
        length = LENGTHS[high]
        first_row = _cell(box[1] - (1 - more_than) * length - top, length)
        last_row = _cell(box[3] - more_than * height - top, length)
        length = LENGTHS[wide]
        first_column = _cell(box[0] - (1 - more_than) * length - left, length)
        last_column = _cell(box[2] - more_than * width - left, length)
        num_cells = (last_row - first_row + 1) * (last_column - first_column + 1)
        if high == LAST_SIDE or wide == LAST_SIDE or num_cells > sizes[grid]:
            link = chains[len(chains) - NUM_GRIDS + grid]
            while link >= 0:
                found[count] = link - len(cells)
                count += 1
                link = links[1, link]
            continue
        for row in range(first_row, last_row + 1):
            for column in range(first_column, last_column + 1):
                key = _key(grid, row, column)
                link = chains[_hash(key, len(chains))]
                while link >= 0:
                    if cells[link] == key:
                        found[count] = link
                        count += 1
                    link = links[1, link]
    return count


@njit(cache=True, nogil=True)
def group_greedily(boxes, starts, threshold, over_smaller):
    """Which box takes each box in: the best one that stays and overlaps it, itself if none does.

    Args:
        boxes (np.ndarray): (n, 4) float64.
        starts (np.ndarray): (c + 1,) int64, where the boxes of each class start.
        threshold (float): A larger overlap counts.
        over_smaller (bool): Whether an overlap is a share of the smaller box, not of the union.

    Returns:
        np.ndarray: (n,) int64.
    """
    takers = np.arange(len(boxes))
    near = np.empty(len(boxes), np.int64)
    more_than = 0.0 if over_smaller else threshold
    for start, end in zip(starts[:-1], starts[1:]):
        if start == end:
            continue
        of_class = boxes[start:end]
        grids = _empty_grids(of_class)  # on them are those that stay
        for box in range(end - start):
            taker = box
            for slot in range(_find_near(of_class[box], grids, more_than, near)):
                other = near[slot]
                if other < taker:
                    if _overlap(of_class[box], of_class[other], over_smaller) > threshold:
                        taker = other
            if taker == box:
                _put(grids, of_class[box], box)
            takers[start + box] = start + taker
    return takers


@njit(cache=True, nogil=True)
def suppress_softly(boxes, scores, starts, iou_threshold, sigma, min_score, method):
    """Lower the scores of boxes that overlap better ones.

    Args:
        boxes (np.ndarray): (n, 4) float64.
        scores (np.ndarray): (n,) float64.
        starts (np.ndarray): (c + 1,) int64, where the boxes of each class start.
        iou_threshold, sigma, min_score (float): See :func:`mmsniper.merging.soft_nms`.
        method (int): Which of ``METHODS``.

    Returns:
        tuple: The boxes that stay, (k,) int64, and their scores, (k,) float64.
    """
    scores = scores.copy()
    stays = np.zeros(len(boxes), np.bool_)
    near = np.empty(len(boxes), np.int64)
    more_than = 0.0 if method == 1 else iou_threshold
    for start, end in zip(starts[:-1], starts[1:]):
        if start == end:
            continue
        of_class = boxes[start:end]
        grids = _empty_grids(of_class)  # on them are those that wait
        for box in range(end - start):
            _put(grids, of_class[box], box)
        queue = [(-scores[start + box], box) for box in range(end - start)]
        heapq.heapify(queue)
        while len(queue) > 0:
            waiting, box = heapq.heappop(queue)
            if scores[start + box] < min_score:
                continue
            if scores[start + box] != -waiting:  # scores only fall: back to its place
                heapq.heappush(queue, (-scores[start + box], box))
                continue
            stays[start + box] = True
            _take(grids, box)
            for slot in range(_find_near(of_class[box], grids, more_than, near)):
                other = near[slot]
                iou = _overlap(of_class[box], of_class[other], False)
                if method == 1:
                    scores[start + other] *= math.exp(-iou * iou / sigma)
                elif iou > 0 and iou >= iou_threshold:
                    scores[start + other] *= 1 - iou if method == 0 else 0.0
    found = np.flatnonzero(stays)
    return found, scores[found]


@njit(cache=True, nogil=True)
def fuse(boxes, scores, starts, iou_threshold):
    """Which box each box is fused with, and what comes of it (arXiv:1910.13302).

    Args:
        boxes (np.ndarray): (n, 4) float64.
        scores (np.ndarray): (n,) float64, the weights; those below 0 are as 0.
        starts (np.ndarray): (c + 1,) int64, where the boxes of each class start.
        iou_threshold (float): A larger IoU is an overlap.

    Returns:
        tuple: (n,) int64 the first box of each box's group, and (n, 4) float64 what the boxes of a
        group are fused to, at the place of its first one.
    """
    firsts = np.arange(len(boxes))
    near = np.empty(len(boxes), np.int64)
    weights = np.maximum(scores, 0.0)
    sums = boxes * weights.reshape(-1, 1)
    fused = boxes.copy()
    for start, end in zip(starts[:-1], starts[1:]):
        if start == end:
            continue
        of_class = fused[start:end]  # each is as it came until it is fused
        grids = _empty_grids(of_class)  # on them are the fused ones
        for box in range(end - start):
            first, best = box, iou_threshold
            for slot in range(_find_near(of_class[box], grids, iou_threshold, near)):
                other = near[slot]
                iou = _overlap(of_class[box], of_class[other], False)
                if iou > best or (iou == best and other < first < box):
                    first, best = other, iou
            firsts[start + box] = start + first
            if first < box:
                sums[start + first] += sums[start + box]
                weights[start + first] += weights[start + box]
                if weights[start + first] == 0:
                    continue
                of_class[first] = sums[start + first] / weights[start + first]
                _take(grids, first)
            _put(grids, of_class[first], first)
    return firsts, fused
