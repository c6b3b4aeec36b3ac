import numpy as np
import pytest

from mmsniper.experiments.generation.free_space import FreeSpace


@pytest.mark.parametrize('seed', range(8))
def test_rectangles_lie_on_the_canvas_and_never_overlap(seed):
    rng = np.random.default_rng(seed)
    canvas = np.zeros((90, 130), int)
    space = FreeSpace(130, 90)
    for _ in range(60):
        width, height = rng.integers(1, 50, 2).tolist()
        corner = space.place(rng, width, height)
        if corner is not None:
            x, y = corner
            assert 0 <= x <= 130 - width and 0 <= y <= 90 - height
            canvas[y : y + height, x : x + width] += 1
    free = np.zeros_like(canvas)
    for x, y, width, height in space.rectangles:
        free[y : y + height, x : x + width] += 1
    assert canvas.max() == 1
    assert (canvas + free == 1).all()  # nothing is lost either


def test_what_has_no_room_is_refused_and_takes_none():
    rng, space = np.random.default_rng(0), FreeSpace(40, 30)
    assert space.place(rng, 41, 1) is None
    assert space.place(rng, 40, 30) == (0, 0)
    assert space.largest() is None
    assert space.place(rng, 1, 1) is None


def test_the_larger_rest_stays_in_one_piece():
    space = FreeSpace(100, 50)
    space.place(np.random.default_rng(0), 20, 40)
    assert space.largest() == (80, 50)


def test_a_gap_that_fits_exactly_is_preferred():
    space = FreeSpace(100, 50)
    space.rectangles = [(0, 0, 60, 50), (60, 0, 40, 30)]
    assert space.place(np.random.default_rng(0), 40, 28)[0] == 60


def test_all_four_corners_are_used():
    corners = {FreeSpace(10, 8).place(np.random.default_rng(seed), 4, 3) for seed in range(40)}
    assert corners == {(0, 0), (6, 0), (0, 5), (6, 5)}
