"""The compiled kernels against slow, obvious references."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsniper.chips import cover


def new_state(seed=0):
    return np.array([seed], dtype=np.uint64)


def random_below(bound, number, seed=0):
    state = new_state(seed)
    return np.array([cover._random_below(state, bound) for _ in range(number)])


def test_random_integers_are_in_bounds_and_even():
    drawn = random_below(7, 7000)
    assert drawn.min() == 0 and drawn.max() == 6
    # 1000 expected per value with a standard deviation of 29.
    assert abs(np.bincount(drawn) - 1000).max() < 5 * 29
    assert (random_below(1, 20) == 0).all()


def test_random_numbers_are_those_of_splitmix64():
    # The first outputs of the published generator for the state 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    golden = 0x9E3779B97F4A7C15
    states = [(1234567 + golden * step) % 2**64 for step in (1, 2, 3)]
    assert [int(cover._mix(np.uint64(state))) for state in states] == published
    assert random_below(2**31 - 1, 3, seed=1234567).tolist() == [
        (value >> 32) * (2**31 - 1) >> 32 for value in published
    ]


@settings(deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.floats(0.05, 8),
    st.integers(1, 64),
    st.integers(0, 63),
)
def test_grid_positions(length, side, scale, stride, offset):
    side, offset = min(side, length), offset % stride
    positions = cover._grid_positions(length, side, scale, stride, offset).tolist()
    last = length - side
    lines = (math.floor((offset + stride * k) / scale) for k in range(int(length * scale) + 1))
    assert positions == sorted({0, last} | {line for line in lines if line < last})


intervals = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair))),
    min_size=1,
    max_size=12,
)


def fewest_points(gaps):
    """Fewest points such that every interval holds one: one per interval of a disjoint chain."""
    number, reach = 0, -1
    for low, high in sorted(gaps, key=lambda gap: gap[1]):
        if low > reach:
            number, reach = number + 1, high
    return number


@settings(deadline=None)
@given(st.sets(st.integers(1, 48)), intervals, st.integers(0, 2**63))
def test_missing_positions(positions, gaps, seed):
    positions = sorted(positions | {0, 49})
    lows, highs = np.array(gaps).T
    merged = cover._add_missing_positions(
        np.array(positions), lows.copy(), highs.copy(), new_state(seed)
    ).tolist()
    assert merged == sorted(set(merged))
    assert set(positions) <= set(merged)
    assert all(any(low <= position <= high for position in merged) for low, high in gaps)
    missing = [gap for gap in gaps if not any(gap[0] <= at <= gap[1] for at in positions)]
    assert len(merged) - len(positions) == fewest_points(missing)


@settings(deadline=None)
@given(st.sets(st.integers(0, 48), min_size=1), intervals)
def test_index_ranges(positions, gaps):
    positions = sorted(positions)
    gaps = [gap for gap in gaps if any(gap[0] <= at <= gap[1] for at in positions)]
    if not gaps:
        return
    lows, highs = np.array(gaps).T
    kept, ranges = cover._index_ranges(np.array(positions), lows.copy(), highs.copy())
    for (low, high), first, last in zip(gaps, *ranges):
        assert kept[first : last + 1].tolist() == [at for at in positions if low <= at <= high]
    assert ranges.min() == 0 and ranges.max() == len(kept) - 1


@st.composite
def rectangles(draw):
    """Rows and columns of the cells that contain each of some boxes, and the size of the grid."""
    num_rows, num_columns = draw(st.integers(1, 9)), draw(st.integers(1, 9))

    def span(number):
        return st.tuples(st.integers(0, number - 1), st.integers(0, number - 1)).map(sorted)

    spans = st.tuples(span(num_rows), span(num_columns))
    boxes = np.array(draw(st.lists(spans, min_size=1, max_size=15)))
    rows, columns = np.ascontiguousarray(boxes.transpose(1, 2, 0))
    return rows, columns, num_rows, num_columns


def boxes_in_cell(row, column, rows, columns):
    return {
        box
        for box in range(rows.shape[1])
        if rows[0, box] <= row <= rows[1, box] and columns[0, box] <= column <= columns[1, box]
    }


@settings(max_examples=200, deadline=None)
@given(rectangles(), st.integers(0, 2**63))
def test_greedy_cover_always_takes_a_fullest_cell(grid, seed):
    rows, columns, num_rows, num_columns = grid
    taken = cover._greedy_cover(rows, columns, num_rows, num_columns, 1, new_state(seed))
    left = set(range(rows.shape[1]))
    for row, column in taken.tolist():
        fullest = max(
            len(left & boxes_in_cell(y, x, rows, columns))
            for y in range(num_rows)
            for x in range(num_columns)
        )
        gained = left & boxes_in_cell(row, column, rows, columns)
        assert len(gained) == fullest > 0
        left -= gained
    assert not left


def test_ties_are_broken_evenly():
    # One box in 3 x 4 cells of a larger grid, and another one at the same height elsewhere.
    rows = np.array([[1, 1], [3, 3]])
    columns = np.array([[0, 6], [3, 9]])
    hits = np.zeros((5, 10), dtype=int)
    state = new_state()
    for _ in range(2400):
        row, column = cover._greedy_cover(rows, columns, 5, 10, 1, state)[0]
        hits[row, column] += 1
    expected = np.zeros_like(hits)
    expected[1:4, 0:4] = expected[1:4, 6:10] = 100
    assert (hits[expected == 0] == 0).all()
    assert abs(hits - expected).max() < 50
