"""Focus chips against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest

from mmsniper.focus import focus_chips, grow


def slowly(marked, dilation, min_cells):
    """The paper's algorithm 1, cell by cell and box by box."""
    rows, columns = marked.shape
    reach = dilation // 2
    grown = np.zeros_like(marked)
    for i in range(rows):
        for j in range(columns):
            around = marked[max(0, i - reach) : i + reach + 1, max(0, j - reach) : j + reach + 1]
            grown[i, j] = around.any()
    left_over = {(i, j) for i in range(rows) for j in range(columns) if grown[i, j]}
    boxes = []
    while left_over:
        part, edge = set(), [left_over.pop()]
        while edge:
            i, j = edge.pop()
            part.add((i, j))
            near = {(i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)} & left_over
            left_over -= near
            edge += near
        box = []
        for axis, end in ((1, columns), (0, rows)):
            low, high = min(c[axis] for c in part), max(c[axis] for c in part) + 1
            length = max(high - low, min(min_cells, end))
            low -= (length - (high - low)) // 2
            low = min(max(low, 0), end - length)
            box.append((low, low + length))
        boxes.append([box[0][0], box[1][0], box[0][1], box[1][1]])
    still = False
    while not still:
        still = True
        for a in boxes:
            for b in boxes:
                if a is not b and a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
                    boxes.remove(a)
                    boxes.remove(b)
                    boxes.append([*np.minimum(a[:2], b[:2]), *np.maximum(a[2:], b[2:])])
                    still = False
                    break
            if not still:
                break
    return grown, sorted((box for box in boxes), key=lambda box: (box[1], box[0]))


@pytest.mark.parametrize('dilation', [1, 3, 5])
@pytest.mark.parametrize('min_cells', [1, 4, 9])
@pytest.mark.parametrize('share', [0.005, 0.03, 0.2])
def test_against_slow_reference(dilation, min_cells, share):
    rng = np.random.default_rng(round(share * 1000) + dilation + 10 * min_cells)
    for shape in ((40, 60), (3, 50), (1, 1), (25, 2)):
        marked = rng.random(shape) < share
        grown, expected = slowly(marked, dilation, min_cells)
        assert np.array_equal(grow(marked, dilation), grown)
        found = focus_chips(grown, min_cells)
        assert found.tolist() == [list(map(int, box)) for box in expected]


def test_nothing_and_everything():
    assert focus_chips(np.zeros((5, 7), bool), 3).shape == (0, 4)
    assert focus_chips(np.zeros((0, 7), bool), 3).shape == (0, 4)
    assert focus_chips(np.ones((5, 7), bool), 3).tolist() == [[0, 0, 7, 5]]
    assert focus_chips(np.ones((5, 7), bool), 99).tolist() == [[0, 0, 7, 5]]


def test_chips_that_touch_stay_apart_and_chains_become_one():
    marked = np.zeros((4, 30), bool)
    marked[0, [0, 5]] = True
    marked[0, 12] = True
    assert focus_chips(marked, 4).tolist() == [[0, 0, 4, 4], [4, 0, 8, 4], [11, 0, 15, 4]]
    assert focus_chips(marked, 5).tolist() == [[0, 0, 8, 5][:3] + [4], [10, 0, 15, 4]]


def test_many_chips_take_no_time():
    rng = np.random.default_rng(0)
    marked = np.zeros((2500, 2500), bool)
    marked[rng.integers(0, 2500, 20000), rng.integers(0, 2500, 20000)] = True
    found = focus_chips(marked, 4)
    held = np.zeros_like(marked)
    for left, top, right, bottom in found:
        assert not held[top:bottom, left:right].any()
        held[top:bottom, left:right] = True
    assert held[marked].all()
