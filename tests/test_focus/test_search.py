"""The search from coarse to fine, level by level."""

from __future__ import annotations

import numpy as np
import pytest

from mmsniper.chips import Pyramid, pyramid_views
from mmsniper.errors import InputError
from mmsniper.focus import CoarseToFine, FocusSettings, Level, Marks

OPEN = (-1, -1)
RANGES = [(-1, 60), (40, 150), (100, -1)]
NONE = np.zeros((0, 4)), np.zeros(0)


def levels(scales, tile_size=None, ranges=None):
    ranges = ranges or [OPEN] * len(scales)
    return [Level(scale, bounds, tile_size) for scale, bounds in zip(scales, ranges)]


def search(size, scales=(1.0, 0.5, 0.25), tile_size=None, ranges=None, **settings):
    return CoarseToFine(size, levels(scales, tile_size, ranges), FocusSettings(**settings))


def look_at_all(search, found=NONE, order=None):
    """Show a search the same at every view, and give all views that it asks for."""
    looked_at = []
    while views := list(search.views):
        for view in order(views) if order else views:
            search.see(search.marks(view.chip, *found))
        looked_at += views
    return looked_at


@pytest.mark.parametrize('tile_size', [None, 64, 100])
@pytest.mark.parametrize('scales', [(1.0, 0.5, 0.25), (1.31, 0.4), (0.7,)])
@pytest.mark.parametrize('source', ['auto', 'detections', 'head'])
def test_at_threshold_0_it_looks_at_the_whole_pyramid(tile_size, scales, source):
    for size in ((301, 177), (64, 500), (9, 5), (400, 400)):
        own = search(size, scales, tile_size, threshold=0, source=source)
        looked_at = []
        while views := list(own.views):
            for view in views:
                sides = (view.chip[2:] - view.chip[:2]) * scales[view.level]
                shape = tuple(-(-int(side + 0.5) // 16) for side in sides[::-1])
                focus_map = None if source == 'detections' else (np.zeros(shape), 16)
                own.see(own.marks(view.chip, *NONE, focus_map))
            looked_at += views
        looked_at.sort(key=lambda view: view.number)
        pyramid = Pyramid(scales, [OPEN] * len(scales))
        table = pyramid_views([size[1]], [size[0]], pyramid, tile_size)
        assert [view.level for view in looked_at] == table.level.tolist()
        assert np.array_equal([view.chip for view in looked_at], table.boxes)
        assert np.allclose(own.pixels, own.pyramid_pixels)


def test_nothing_calls_for_nothing():
    own = search((300, 200), threshold=0.5)
    (view,) = look_at_all(own)
    assert view.level == 2 and view.chip.tolist() == [0, 0, 300, 200]
    assert own.pixels.tolist() == [0, 0, 75 * 50]
    broken = search((300, 200), threshold=0)
    broken.stop()
    assert len(look_at_all(broken)) == 1


def test_focus_chips_of_a_small_object_down_to_the_finest_level():
    own = search((800, 600), ranges=RANGES, threshold=0.3, dilation=1, min_cells=4)
    box = np.array([[400.0, 300, 430, 330]]), np.array([0.4])
    first, second, third = look_at_all(own, box)
    # Cells of 32 px: columns 12 and 13, rows 9 and 10, and one more on each side.
    assert second.chip.tolist() == [352, 256, 480, 384]
    # Cells of 16 px: columns 25 and 26, rows 18 to 20.
    assert third.chip.tolist() == [384, 288, 448, 352]
    assert [view.level for view in (first, second, third)] == [2, 1, 0]
    assert own.pixels.tolist() == [64 * 64, 64 * 64, 200 * 150]
    # Of the size that the middle level is for, but not the finest one.
    box = np.array([[400.0, 300, 470, 370]]), np.array([0.4])
    assert [view.level for view in look_at_all(search((800, 600), ranges=RANGES), box)] == [2, 1]
    box = np.array([[400.0, 300, 430, 330]]), np.array([0.2])
    assert len(look_at_all(search((800, 600), ranges=RANGES, threshold=0.3), box)) == 1
    box = np.array([[400.0, 300, np.nan, 330], [400, 300, np.inf, 330]]), np.ones(2)
    assert len(look_at_all(search((800, 600), ranges=RANGES), box)) == 1


@pytest.mark.parametrize('size', [(640, 400), (333, 777)])
@pytest.mark.parametrize('tile_size', [None, 96])
@pytest.mark.parametrize('dilation, min_cells', [(1, 1), (3, 6)])
def test_every_object_that_calls_is_whole_in_a_view(size, tile_size, dilation, min_cells):
    rng = np.random.default_rng(dilation)
    corners = rng.uniform(0, np.array(size) - 24, (9, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(6, 23, (9, 2))], axis=1)
    settings = dict(threshold=0.5, dilation=dilation, min_cells=min_cells)

    def seen(order=None):
        own = search(size, tile_size=tile_size, **settings)
        return look_at_all(own, (boxes, np.ones(9)), order)

    views = seen()
    for level, scale in enumerate((1.0, 0.5, 0.25)):
        chips = np.array([view.chip for view in views if view.level == level])
        inside = (chips[:, None, :2] <= boxes[:, :2]).all(-1)
        inside &= (chips[:, None, 2:] >= boxes[:, 2:]).all(-1)
        assert inside.any(0).all(), 'every box is whole in some view'
        assert (chips == chips.round()).all() and (chips[:, :2] >= 0).all()
        assert (chips[:, 2:] <= size).all() and (chips[:, 2:] > chips[:, :2]).all()
        assert tile_size is None or (chips[:, 2:] - chips[:, :2]).max() * scale <= tile_size
    again = seen(lambda each: rng.permutation(np.array(each, object)))
    key = [(view.level, view.number, *view.chip) for view in views]
    assert sorted(key) == sorted((v.level, v.number, *v.chip) for v in again)


def test_tiles_without_a_marked_cell_are_never_looked_at():
    boxes = np.array([[10.0, 10, 20, 20], [1500, 1500, 1510, 1510]])
    settings = dict(threshold=0.5, dilation=1, min_cells=250)  # one chip: the whole image
    own = search((1600, 1600), (1.0, 0.25), 256, **settings)
    finest = [view for view in look_at_all(own, (boxes, np.ones(2))) if view.level == 0]
    assert [view.chip.tolist() for view in finest] == [[0, 0, 256, 256], [1344, 1344, 1600, 1600]]


def test_a_head_says_where_to_look():
    own = search((640, 640), (1.0, 0.5), threshold=0.5, dilation=1, min_cells=1)
    (view,) = own.views
    focus_map = np.zeros((20, 20))
    focus_map[3, 5] = 0.5
    own.see(own.marks(view.chip, *NONE, (focus_map, 16)))
    (view,) = own.views
    assert view.chip.tolist() == [160, 96, 192, 128]
    with pytest.raises(InputError, match="source='head', but the detector has no focus head"):
        headless = search((64, 64), source='head')
        headless.marks(headless.views[0].chip, *NONE)


@pytest.mark.parametrize('cells', [[], [4], [0, 1, 2, 7, 9, 10], list(range(50))])
def test_marks_are_the_same_again(cells):
    marks = Marks(8, np.array(cells, np.int64))
    again = Marks.from_json(marks.to_json())
    assert again.stride == 8 and again.cells.tolist() == cells


def test_settings_of_each_step():
    settings = FocusSettings(threshold=(0.02, 0.2), dilation=3, min_cells=(16, 20))
    own = CoarseToFine((4096, 4096), levels((1.0, 0.5, 0.25)), settings)
    box = np.array([[2000.0, 2000, 2030, 2030]]), np.array([0.1])
    assert [view.level for view in look_at_all(own, box)] == [2, 1]
    with pytest.raises(InputError, match='threshold of focus has 2 entries, but there are 1 steps'):
        CoarseToFine((64, 64), levels((1.0, 0.5)), settings)
