import math

import mmcv
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsniper.chips import Pyramid, box_sizes
from mmsniper.errors import InputError

LEVELS = ((1400, 2000), (800, 1280), (-1, 512))
RANGES = ((-1, 80), (32, 150), (120, -1))


def one_level(level):
    return Pyramid((level,), ((-1, -1),))


def test_factors_of_the_default_levels():
    factors = Pyramid(LEVELS, RANGES).scale_factors([480, 640, 400], [640, 480, 1200])
    assert factors.dtype == np.float64
    expected = [[1400 / 480, 800 / 480, 0.8]] * 2 + [[2000 / 1200, 1280 / 1200, 512 / 1200]]
    np.testing.assert_allclose(factors, expected, rtol=1e-15)


@pytest.mark.parametrize(
    'level, factor',
    [((-1, 512), 0.8), ((600, -1), 1.25), ((480, 512), 0.8), ((100, 512), 100 / 480), (1.5, 1.5)],
)
def test_bounds_and_factors(level, factor):
    assert one_level(level).scale_factors([480], [640])[0, 0] == pytest.approx(factor)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 3000), st.integers(0, 3000))
def test_agrees_with_mmcv_where_both_sides_are_bounded(height, width, short, more):
    factor = one_level((short, short + more)).scale_factors([height], [width])[0, 0]
    size, expected = mmcv.rescale_size((width, height), (short + more, short), return_scale=True)
    assert factor == expected
    assert size == (int(width * factor + 0.5), int(height * factor + 0.5))


def test_no_images_have_no_factors():
    assert Pyramid(LEVELS, RANGES).scale_factors([], []).shape == (0, 3)


@pytest.mark.parametrize(
    'heights, widths, part',
    [
        ([0], [5], 'height 0'),
        ([5], [-2], 'width -2'),
        ([4, math.nan], [4, 4], 'Image 1'),
        ([4], [4, 4], 'widths has 2'),
    ],
)
def test_factors_of_images_without_pixels(heights, widths, part):
    with pytest.raises(InputError, match=part):
        Pyramid(LEVELS, RANGES).scale_factors(heights, widths)


def test_ranges_are_half_open():
    in_range = Pyramid(LEVELS, RANGES).in_range(np.array([0, 31.99, 32, 79.99, 80, 120, 150, 1e6]))
    assert in_range.astype(int).tolist() == [
        [1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 1]
    ]  # fmt: skip


def test_a_size_that_is_nan_is_in_no_range():
    assert not Pyramid(LEVELS, RANGES).in_range(np.array([np.nan])).any()


def test_box_sizes():
    sizes = box_sizes(np.array([[1, 2, 5, 11], [0, 0, 0, 7], [5, 5, 3, 1]], np.float32))
    assert sizes.dtype == np.float32
    assert sizes.tolist() == [6, 0, 0]
    assert box_sizes(np.zeros((0, 4))).shape == (0,)
    assert np.isfinite(box_sizes(np.array([[0, 0, 1e25, 1e25]], np.float32))).all()


def test_lists_become_tuples():
    pyramid = Pyramid([[1400, 2000], 0.5], [[-1, 80], np.array([32, -1])])
    assert pyramid == Pyramid(((1400, 2000), 0.5), ((-1.0, 80.0), (32.0, -1.0)))
    assert hash(pyramid) == hash(Pyramid(((1400, 2000), 0.5), ((-1.0, 80.0), (32.0, -1.0))))
    assert pyramid.num_levels == 2
    assert pyramid.levels == ((1400, 2000), 0.5)
    assert isinstance(pyramid.valid_ranges[1][0], float)


@pytest.mark.parametrize(
    'level',
    [None, 'large', True, 0, -1.0, math.nan, math.inf, 800, (800,), (1, 2, 3), (-1, -1), (0, 5),
     (-2, 512), (2000, 1400), (800.5, 1280), ('800', '1280'), (None, 512), (math.nan, 512), {}],
    ids=repr,
)  # fmt: skip
def test_malformed_level(level):
    with pytest.raises(InputError, match='levels') as error:
        one_level(level)
    assert repr(level) in str(error.value)


@pytest.mark.parametrize(
    'bounds',
    [None, 'all', 80, (80,), (1, 2, 3), (150, 32), (32, 32), (-2, 80), (-1, -3), (-1, 0),
     (0, 0), (math.nan, 80), (0, math.inf), ('1', '2'), (None, 80), (False, 80)],
    ids=repr,
)  # fmt: skip
def test_malformed_range(bounds):
    with pytest.raises(InputError, match='valid_ranges') as error:
        Pyramid(((-1, 512),), (bounds,))
    assert repr(bounds) in str(error.value)


@pytest.mark.parametrize('value', [None, 'levels', 5, (), []], ids=repr)
def test_levels_and_ranges_must_be_lists(value):
    with pytest.raises(InputError, match='levels'):
        Pyramid(value, RANGES)
    with pytest.raises(InputError, match='valid_ranges'):
        Pyramid(LEVELS, value)


def test_as_many_ranges_as_levels():
    with pytest.raises(InputError, match='levels has 3 entries but valid_ranges has 2'):
        Pyramid(LEVELS, RANGES[:2])


@pytest.mark.parametrize(
    'levels',
    [
        (0.5, 1.0),
        ((800, 1280), (1400, 2000)),
        ((-1, 512), (800, 1280)),
        ((1400, 2000), (-1, 512), (480, 520)),
        ((600, 800), (600, 1000)),
        ((-1, 1000), (800, -1)),
    ],
    ids=repr,
)
def test_levels_go_from_fine_to_coarse(levels):
    with pytest.raises(InputError, match='ordered fine to coarse'):
        Pyramid(levels, ((-1, -1),) * len(levels))


@pytest.mark.parametrize(
    'levels',
    [
        (1.0, 1.0),
        (3, 1.667, (-1, 512)),
        ((1400, 2000), (800, 1280), (480, 512)),
        ((1400, -1), (800, 1280), (-1, 512)),
    ],
    ids=repr,
)
def test_ordered_levels_are_taken(levels):
    assert Pyramid(levels, ((-1, -1),) * len(levels)).num_levels == len(levels)


@pytest.mark.parametrize(
    'ranges, holes',
    [
        (((-1, 80), (32, 150), (120, -1)), []),
        (((-1, 80), (80, 150), (150, -1)), []),
        (((-1, 60), (90, 150), (120, -1)), [(60, 90)]),
        (((5, 20), (30, 40), (50, 60)), [(20, 30), (40, 50)]),
        (((-1, 60), (-1, -1), (90, -1)), []),
        (((10, 20), (12, 60), (50, 90)), []),
    ],
)
def test_holes_must_be_meant(ranges, holes):
    pyramid = Pyramid(LEVELS, ranges)
    sizes = np.arange(0, 300) + 0.5
    lows, highs = zip(*ranges)
    between = sizes >= (-np.inf if -1 in lows else min(lows))
    between &= sizes < (np.inf if -1 in highs else max(highs))
    missing = between & ~pyramid.in_range(sizes).any(axis=1)
    expected = np.zeros(len(sizes), bool)
    for low, high in pyramid.holes:
        expected |= (sizes >= low) & (sizes < high)
    assert pyramid.holes == holes
    assert np.array_equal(missing, expected)
    pyramid.check_ranges('a thing', allow_holes=True)
    if holes:
        with pytest.raises(InputError, match='of a thing holds objects from .*allow_holes=True'):
            pyramid.check_ranges('a thing')
    else:
        pyramid.check_ranges('a thing')


@pytest.mark.parametrize(
    'ranges, falls',
    [
        (((120, -1), (32, 150), (-1, 80)), True),
        (((-1, 80), (120, -1), (32, 150)), True),
        (((-1, -1), (-1, 80), (-1, 80)), True),
        (((32, 150), (-1, 150), (100, -1)), True),
        (((-1, -1), (-1, -1), (-1, -1)), False),
        (((-1, 20), (12, 50), (-1, -1)), False),
        (((-1, -1), (32, 150), (120, -1)), False),
    ],
)
def test_ranges_rise(ranges, falls):
    pyramid = Pyramid(LEVELS, ranges)
    if not falls:
        return pyramid.check_ranges('a thing')
    with pytest.raises(InputError, match='of a thing must rise from fine to coarse'):
        pyramid.check_ranges('a thing', allow_holes=True)


def test_factors_and_sizes_are_compared_in_images():
    pyramid = Pyramid((1.0, (-1, 512)), ((-1, 80), (60, -1)))
    names = np.array(['large.jpg', 'small.jpg'])
    pyramid.check_order_in(names[:1], [600], [800])
    pyramid.check_order_in(names, [600, 512], [800, 512])
    with pytest.raises(InputError, match=r'1 of 2 images, such as small.jpg of 300x200 pixels'):
        pyramid.check_order_in(names, [600, 200], [800, 300])
    # Ordered on square and on 2:1 images, and not on longer ones.
    wide = Pyramid(((1000, 1000), (500, 2000)), ((-1, 80), (60, -1)))
    wide.check_order_in(['a.jpg'], [500], [1000])
    with pytest.raises(InputError, match='a.jpg of 2000x500'):
        wide.check_order_in(['a.jpg'], [500], [2000])
