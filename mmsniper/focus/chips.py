"""From a map of where small objects may be to the chips that are looked at more closely.

Algorithm 1 of the AutoFocus paper (arXiv:1812.01600). A map has ``h`` rows and ``w`` columns of
cells; boxes are xyxy in whole cells, half-open.
"""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit


def grow(marked: np.ndarray, dilation: int) -> np.ndarray:
    """The cells that lie in a square around a marked one.

    Args:
        marked (np.ndarray): Shape (h, w), bool.
        dilation (int): The side of the square, an odd number of cells.

    Returns:
        np.ndarray: Shape (h, w), bool.
    """
    if dilation == 1 or marked.size == 0:
        return marked
    square = np.ones((dilation, dilation), np.uint8)
    return cv2.dilate(marked.astype(np.uint8), square).astype(bool)


def focus_chips(grown: np.ndarray, min_cells: int) -> np.ndarray:
    """Chips that hold all marked cells.

    A chip is the box around a connected part of the map (diagonal neighbours are connected), made
    as large as the least side around its middle, and moved into the map where that crosses its
    border. Chips that overlap become the one around them, until none do.

    Args:
        grown (np.ndarray): The marked cells after :func:`grow`, shape (h, w), bool.
        min_cells (int): The least side of a chip; a map that is smaller has the chip's place.

    Returns:
        np.ndarray: Shape (n, 4), int64, from the top down, then from left to right.
    """
    rows, columns = grown.shape
    if grown.size == 0 or not grown.any():
        return np.zeros((0, 4), np.int64)
    _, _, parts, _ = cv2.connectedComponentsWithStats(grown.astype(np.uint8), connectivity=8)
    left, top, width, height = parts[1:, :4].astype(np.int64).T  # the first is the background
    left, right = _at_least(left, left + width, min_cells, columns)
    top, bottom = _at_least(top, top + height, min_cells, rows)
    chips = merge_overlapping(np.stack([left, top, right, bottom], axis=1))
    return chips[np.lexsort((chips[:, 0], chips[:, 1]))]


def merge_overlapping(boxes: np.ndarray) -> np.ndarray:
    """Put the box around those that overlap in their place, again and again until none do.

    Boxes that only touch stay apart.

    Args:
        boxes (np.ndarray): Shape (n, 4), int64.

    Returns:
        np.ndarray: Shape (m, 4), int64, in no order to speak of, yet always the same.
    """
    while True:
        boxes = boxes[np.argsort(boxes[:, 0], kind='stable')]
        group = _overlapping_groups(boxes)
        around = np.zeros((group.max(initial=-1) + 1, 4), np.int64)
        if len(around) == len(boxes):
            return boxes
        around[group] = boxes  # any of a group, to begin with
        np.minimum.at(around[:, :2], group, boxes[:, :2])
        np.maximum.at(around[:, 2:], group, boxes[:, 2:])
        boxes = around


def _at_least(
    low: np.ndarray, high: np.ndarray, least: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals within [0, end), those that are shorter than ``least`` made longer."""
    length = np.maximum(high - low, min(least, end))
    low = np.clip(low - (length - (high - low)) // 2, 0, end - length)
    return low, low + length


@njit(cache=True, nogil=True)
def _overlapping_groups(boxes):
    """Number the groups of boxes, sorted by their left sides, that overlap one by one."""
    group = np.arange(len(boxes))
    for one in range(len(boxes)):
        for other in range(one + 1, len(boxes)):
            if boxes[other, 0] >= boxes[one, 2]:
                break
            if boxes[other, 1] < boxes[one, 3] and boxes[one, 1] < boxes[other, 3]:
                first, second = one, other
                while group[first] != first:
                    first = group[first]
                while group[second] != second:
                    second = group[second]
                group[max(first, second)] = min(first, second)
    number = 0
    for one in range(len(boxes)):
        # A group's root is its first box, whose number is known by now.
        if group[one] == one:
            group[one] = -1 - number
            number += 1
        else:
            root = group[one]
            while root >= 0:
                root = group[root]
            group[one] = root
    return -1 - group
