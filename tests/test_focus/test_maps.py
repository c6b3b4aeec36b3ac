"""Marking of cells against slow references."""

from __future__ import annotations

import numpy as np
import pytest

from mmsniper.focus import FocusGrid
from mmsniper.focus.maps import calling_sizes


def cells_of(grid, size):
    """Each cell's box in pixels of the image, cut at its borders."""
    side = grid.stride / grid.scale
    rows, columns = grid.marked.shape
    for row in range(rows):
        for column in range(columns):
            low = np.array([column, row]) * side
            yield (row, column), low, np.minimum(low + side, size)


@pytest.mark.parametrize('scale', [0.375, 1 / 3, 0.5, 1.7])
@pytest.mark.parametrize('stride', [8, 16])
def test_boxes_mark_the_cells_that_they_overlap(scale, stride):
    rng = np.random.default_rng(stride)
    size = 301, 177
    grid = FocusGrid(size, scale, stride)
    corners = rng.uniform(-40, 320, (12, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.5, 60, (12, 2))], axis=1)
    grid.mark_boxes(boxes)
    for cell, low, high in cells_of(grid, np.array(size) + 1e9):
        overlap = (boxes[:, :2] < high - 1e-6).all(1) & (boxes[:, 2:] > low + 1e-6).all(1)
        assert grid.marked[cell] == overlap.any(), cell
    assert 0 < grid.marked.sum() < grid.marked.size
    empty = FocusGrid(size, scale, stride)
    empty.mark_boxes([[20.3, 20.3, 20.3, 20.3]])
    assert empty.marked.sum() == 1


@pytest.mark.parametrize('chip', [(0, 0, 160, 96), (37, 50, 133, 120), (64, 32, 200, 130)])
def test_views_mark_all_cells_that_theirs_lie_on(chip):
    rng = np.random.default_rng(chip[0])
    size, scale, stride = (200, 130), 0.5, 8
    grid = FocusGrid(size, scale, stride)
    level = (np.array(chip) * scale).round().astype(int)
    shape = -(-(level[3] - level[1]) // stride), -(-(level[2] - level[0]) // stride)
    probabilities = rng.random(shape)
    grid.mark_view(np.array(chip), probabilities, 0.7)
    side = stride / scale
    for cell, low, high in cells_of(grid, np.array(size) + 1e9):
        expected = False
        for row in range(shape[0]):
            for column in range(shape[1]):
                corner = np.array(chip[:2]) + np.array([column, row]) * side
                overlaps = (corner < high - 1e-6).all() and (corner + side > low + 1e-6).all()
                expected |= bool(overlaps and probabilities[row, column] >= 0.7)
        assert grid.marked[cell] == expected, cell


def test_cells_in_pixels_of_the_image():
    grid = FocusGrid((101, 66), 0.3, 8)
    assert grid.marked.shape == (3, 4)
    cells = np.array([[0, 0, 4, 3], [1, 1, 2, 2]])
    found = grid.to_image(cells, (101, 66))
    assert found.tolist() == [[0, 0, 101, 66], [26, 26, 54, 54]]
    assert FocusGrid((64, 64), 0.5, 8).marked.shape == (4, 4)
    assert FocusGrid((3, 2), 0.1, 8).marked.shape == (1, 1)


def test_which_boxes_hold_a_marked_cell():
    rng = np.random.default_rng(3)
    grid = FocusGrid((300, 200), 0.5, 8)
    marked = rng.random(grid.marked.shape) < 0.05
    corners = rng.integers(0, 180, (40, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 60, (40, 2))], axis=1)
    boxes = np.minimum(boxes, [300, 200, 300, 200])
    expected = []
    for box in boxes:
        held = [
            (box[:2] < high).all() and (box[2:] > low).all()
            for cell, low, high in cells_of(grid, np.array([1e9, 1e9]))
            if marked[cell]
        ]
        expected.append(any(held))
    assert grid.holds_any(marked, boxes).tolist() == expected
    assert 0 < sum(expected) < 40


def test_which_sizes_call_for_a_finer_level():
    # The paper's ranges in testing, at the coarsest level of an image of 640 x 480 pixels.
    low, high = calling_sizes(0.8, (75, -1), (32, 180))
    assert low == 0 and 64 < high * 0.8 < 96
    assert calling_sizes(0.5, (-1, -1), (-1, -1)) == (0, 128)
    assert calling_sizes(0.5, (-1, -1), (-1, 90)) == (0, 90)
    assert calling_sizes(0.5, (50, -1), (-1, -1)) == (0, 100)
    assert calling_sizes(0.5, (75, -1), (32, 180), (5, 64)) == (10, 128)
    assert calling_sizes(0.5, (75, -1), (32, 100), (5, 64)) == (10, 100)
