"""Which objects only one level is for, and what tiles have to share for them."""

import re

import numpy as np
import pytest

from mmsniper.chips import lone_sizes, overlap_warning


@pytest.mark.parametrize(
    ('ranges', 'expected'),
    [
        ([(-1, 64), (34, 170), (95, -1)], [34, 95, np.inf]),
        ([(-1, 64), (64, -1)], [64, np.inf]),
        ([(-1, 64), (64, 90)], [64, 90]),
        ([(-1, -1), (-1, -1)], [0, np.inf]),
        # As no one would set them: a coarser level for some of the sizes in the middle, and one
        # that is for all that the finer one is for.
        ([(-1, 80), (30, 50)], [80, 50]),
        ([(-1, 50), (40, 80), (30, -1)], [30, 0, np.inf]),
    ],
)
def test_sizes_that_only_one_level_is_for(ranges, expected):
    assert lone_sizes(ranges) == expected


def test_random_ranges():
    for seed in range(200):
        check_random_ranges(np.random.default_rng(seed))


def check_random_ranges(rng):
    ranges = []
    for _ in range(int(rng.integers(1, 5))):
        low, high = sorted(rng.choice(12, 2, replace=False).tolist())
        ranges.append((low if rng.random() < 0.8 else -1, high if rng.random() < 0.8 else -1))
    sizes = np.arange(0, 30, 0.25)
    within = np.array(
        [(sizes >= low) & ((sizes < high) | (high < 0)) for low, high in ranges], bool
    )
    for level, found in enumerate(lone_sizes(ranges)):
        alone = sizes[within[level] & ~within[level + 1 :].any(axis=0)]
        expected = 0 if not len(alone) else alone.max() + 0.25
        assert found == (np.inf if expected == 30 else expected)


def test_what_is_advised_is_enough():
    for needed in range(1, 100):
        check_advice(needed)


def check_advice(needed):
    ranges, scales = [(-1, needed), (needed, -1)], np.array([[1.0, 0.5]])
    settings = dict(valid_ranges=ranges, scales=scales, is_tiled=np.array([[True, True]]))
    sentence = overlap_warning(**settings, tile_size=100, tile_overlap=0.0)
    share = float(re.search(r'tile_overlap=([\d.]+)', sentence)[1])
    assert share == pytest.approx(needed / 100)
    assert overlap_warning(**settings, tile_size=100, tile_overlap=share) is None
