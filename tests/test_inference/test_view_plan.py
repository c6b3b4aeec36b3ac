"""Which views of an image are looked at."""

import numpy as np
import pytest
from log_capture import log_of

from mmsniper.errors import InputError
from mmsniper.inference import ViewPlan

WHOLE = dict(whole_level=(640, 640), tile_size=640)


def seen(plan, width, height):
    """How often each pixel is seen, by level."""
    views = plan.views(width, height)
    counts = np.zeros((len(views.scales), height, width), int)
    for (left, top, right, bottom), level in zip(views.boxes.astype(int), views.levels):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        counts[level, top:bottom, left:right] += 1
    return views, counts


@pytest.mark.parametrize(
    'size, scales',
    [
        ((640, 480), [1.0]),
        ((100, 50), [6.4]),
        ((700, 500), [640 / 700]),
        ((800, 500), [1.0, 0.8]),
        ((5000, 3000), [1.0, 0.128]),
        ((6000, 100), [1.0, 0.25, 640 / 6000]),
        ((21000, 20), [1.0, 0.25, 0.0625, 640 / 21000]),
    ],
)
def test_a_detector_of_whole_images(size, scales):
    views, counts = seen(ViewPlan(**WHOLE), *size)
    assert views.scales == pytest.approx(scales)
    assert (counts >= 1).all()
    assert (counts[-1] == 1).all() and (views.levels == len(scales) - 1).sum() == 1
    sides = (views.boxes[:, 2:] - views.boxes[:, :2]) * np.array(views.scales)[views.levels, None]
    assert sides.max() <= 640 + 1e-3
    assert all(bounds == (-1, -1) for bounds in views.valid_ranges)


def test_no_tiles():
    plan = ViewPlan(**WHOLE).with_settings(tile_size=-1)
    assert plan.views(9000, 6000).boxes.tolist() == [[0, 0, 9000, 6000]]


@pytest.mark.parametrize('overlap', [0.0, 0.25, 0.5])
def test_small_objects_are_whole_in_a_tile(overlap):
    plan = ViewPlan(whole_level=(100, 100), tile_size=100, tile_overlap=overlap)
    views = plan.views(437, 291)
    tiles = views.boxes[views.levels == 0]
    rng = np.random.default_rng(0)
    side = int(100 * overlap)
    for left, top in rng.integers(0, (437 - side, 291 - side), (500, 2)):
        inside = (tiles[:, :2] <= (left, top)).all(1)
        inside &= (tiles[:, 2:] >= (left + side, top + side)).all(1)
        assert inside.any()


def test_levels_of_chips():
    plan = ViewPlan([1.0, 0.5], [(-1, 50), (40, -1)])
    views = plan.views(2000, 1000)
    assert len(views) == 2 and views.valid_ranges == ((-1, 50), (40, -1))
    views, counts = seen(plan, 3000, 1000)  # too large to be seen whole at the finest level
    sizes = views.boxes[:, 2:] - views.boxes[:, :2]
    assert (sizes[views.levels == 0] <= 1024).all() and (counts >= 1).all()
    assert (views.levels == 1).sum() == 1
    other = plan.with_settings(levels=[1.0])
    assert other.views(300, 300).valid_ranges == ((-1, -1),)
    assert plan.with_settings(tile_overlap=0.5, tile_size=None).valid_ranges == plan.valid_ranges


@pytest.mark.parametrize(
    'settings, sentence',
    [
        (dict(WHOLE, tile_size=31), 'tile_size=31 is too small'),
        (dict(WHOLE, tile_size=0), 'tile_size=0'),
        (dict(WHOLE, tile_overlap=1), 'tile_overlap=1 '),
        (dict(WHOLE, tile_overlap=-0.1), 'tile_overlap=-0.1'),
        (dict(WHOLE, valid_ranges=[(-1, -1)]), 'give levels'),
        (dict(levels=[0.5, 1.0]), 'fine to coarse'),
    ],
)
def test_impossible_plans(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        ViewPlan(**settings)


def test_tiles_that_share_too_little_are_told_of_once(caplog):
    ranges = [(-1, 400), (300, -1)]
    plan = ViewPlan(levels=[1.0, 0.25], valid_ranges=ranges, tile_size=1000)

    def look():
        plan.views(900, 900)  # a single tile
        plan.views(4000, 3000)
        plan.views(4001, 3000)

    _, log = log_of(caplog, look)
    assert log.count('tiles share 250 px with the next one') == 1
    assert 'PyramidInferencer: ' in log and 'Set tile_overlap=0.3 or a larger tile_size' in log
    caplog.clear()
    # Levels in pixels differ from picture to picture, and what is needed with them.
    plan = ViewPlan(
        levels=[(4000, 6000), (1200, -1)], valid_ranges=[(-1, 300), (200, -1)], tile_size=1000
    )
    _, log = log_of(caplog, lambda: [plan.views(2000 + 9 * i, 1500) for i in range(9)])
    assert log.count('tiles share 250 px') == 1
    # Levels whose order depends on the picture were never refused.
    ViewPlan(levels=[1.0, (800, 1333)], valid_ranges=ranges, tile_size=512).views(640, 480)
    caplog.clear()
    plan = ViewPlan(levels=[1.0, 0.25], valid_ranges=ranges, tile_size=1000)
    enough = plan.with_settings(tile_overlap=0.3)
    assert log_of(caplog, lambda: enough.views(4000, 3000))[1] == ''
