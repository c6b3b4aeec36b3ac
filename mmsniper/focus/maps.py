"""Where an image is to be looked at more closely: marked cells of a level."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Pixels of a level that is for objects of any size, of which smaller ones are looked at once more.
_OPEN_RANGE = 64.0
# A view begins at a whole pixel of the image, which is a whole number of cells but for rounding.
_ROUNDING = 1e-3


class FocusGrid:
    """The cells of an image at a level, and which of them are marked.

    Whatever the order in which views mark cells, the same are marked.

    Args:
        size: Width and height of the image in pixels.
        scale: The scale factor of the level.
        stride: The side of a cell in pixels of the level.

    Attributes:
        marked: Shape (h, w), bool: cell (i, j) has the pixels ``[j * stride, (j + 1) * stride)`` of
            the level to the right, and those of i downwards. The last ones may go beyond the image.
    """

    def __init__(self, size: tuple[int, int], scale: float, stride: int) -> None:
        self.scale = scale
        self.stride = stride
        columns, rows = (max(1, math.ceil(side * scale / stride - _ROUNDING)) for side in size)
        self.marked = np.zeros((rows, columns), bool)

    def mark_view(self, chip: np.ndarray, probabilities: np.ndarray, threshold: float) -> None:
        """Mark what a head says of a view.

        Cells of the view that lie on several cells of the image mark all of them.

        Args:
            chip: What the view shows, xyxy in pixels of the image, shape (4,).
            probabilities: Of its cells, shape (h, w), those of its padding not among them. Its
                first cell begins where the view does.
            threshold: The least probability that marks.
        """
        marks = probabilities >= threshold
        left, top = np.asarray(chip[:2], np.float64) * self.scale / self.stride
        for row in _covered(top):
            for column in _covered(left):
                part = self.marked[row:, column:][: marks.shape[0], : marks.shape[1]]
                part |= marks[: part.shape[0], : part.shape[1]]

    def mark_boxes(self, boxes: np.ndarray) -> None:
        """Mark the cells that boxes overlap, and the one in which a box without an area lies.

        Args:
            boxes: xyxy in pixels of the image, shape (n, 4), finite; their parts in the image
                count.
        """
        cells = np.asarray(boxes, np.float64).reshape(-1, 4) * (self.scale / self.stride)
        rows, columns = self.marked.shape
        low = np.floor(cells[:, :2] + 1e-9).astype(np.int64)
        high = np.maximum(np.ceil(cells[:, 2:] - 1e-9).astype(np.int64), low + 1)
        ends = np.array([columns, rows])
        inside = (low < ends).all(1) & (high > 0).all(1)
        low, high = np.clip(low[inside], 0, ends), np.clip(high[inside], 0, ends)
        _mark(self.marked, np.concatenate([low, high], axis=1))

    def holds_any(self, marked: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Which boxes hold a marked cell, or a part of one.

        Args:
            marked: Shape (h, w), bool.
            boxes: xyxy in pixels of the image, shape (n, 4).

        Returns:
            np.ndarray: Shape (n,), bool.
        """
        counts = np.zeros((marked.shape[0] + 1, marked.shape[1] + 1), np.int64)
        counts[1:, 1:] = marked.cumsum(0).cumsum(1)
        cells = np.asarray(boxes, np.float64) * (self.scale / self.stride)
        left, top = np.floor(cells[:, :2] + _ROUNDING).astype(np.int64).T
        right, bottom = np.ceil(cells[:, 2:] - _ROUNDING).astype(np.int64).T
        right, bottom = np.minimum(right, marked.shape[1]), np.minimum(bottom, marked.shape[0])
        found = counts[bottom, right] - counts[top, right]
        return found - counts[bottom, left] + counts[top, left] > 0

    def to_image(self, cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The pixels of an image that boxes of whole cells hold.

        Args:
            cells: xyxy in cells, half-open, shape (n, 4).
            size: Width and height of the image.

        Returns:
            np.ndarray: xyxy in whole pixels of the image, half-open, shape (n, 4), float32. What is
            in the cells is in them.
        """
        pixels = cells * (self.stride / self.scale)
        low = np.floor(pixels[:, :2] + _ROUNDING)
        high = np.minimum(np.ceil(pixels[:, 2:] - _ROUNDING), size)
        rows, columns = self.marked.shape
        high = np.where(cells[:, 2:] >= (columns, rows), size, high)
        return np.concatenate([low, high], axis=1).astype(np.float32)


def calling_sizes(
    scale: float,
    own_range: tuple[float, float],
    finer_range: tuple[float, float],
    sizes: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """The sizes of objects that call for a look at the next finer level.

    These are the ones that the finer level is for and this one is not, and of those that both are
    for, the smaller half: up to the geometric mean of the lower end of this level's valid range and
    the upper end of the finer one's. With the paper's ranges (arXiv:1805.09300) that is about what
    AutoFocus (arXiv:1812.01600) has as the end of what its head has not to learn, 90 pixels. A
    level with an open lower end has 64 of its own pixels as the upper bound.

    Args:
        scale: The scale factor of this level.
        own_range: Its valid range, on sqrt(w*h) in pixels of the image, -1 for an open end.
        finer_range: That of the finer level.
        sizes: What a user says instead, in pixels of this level. What the finer level is not for
            does not call all the same.

    Returns:
        tuple[float, float]: What lies above the first and below the second calls, on sqrt(w*h) in
        pixels of the image.
    """
    low, most = own_range[0], finer_range[1] if finer_range[1] >= 0 else math.inf
    if sizes is not None:
        return sizes[0] / scale, min(sizes[1] / scale, most)
    if low <= 0:
        return 0.0, min(_OPEN_RANGE / scale, most)
    return 0.0, math.sqrt(low * most) if most < math.inf else 2 * low


def _covered(offset: float) -> range:
    """The cells of the image that the first cell of a view lies on, given where it begins."""
    first = math.floor(offset + _ROUNDING)
    return range(first, first + (2 if offset - first > _ROUNDING else 1))


@njit(cache=True, nogil=True)
def _mark(marked, cells):
    for left, top, right, bottom in cells:
        marked[top:bottom, left:right] = True
