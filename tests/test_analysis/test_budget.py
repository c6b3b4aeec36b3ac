import argparse
import math

import pytest

from mmsniper.analysis.budget import Budget, at_least, pixel_limit
from mmsniper.analysis.scale_statistics import ScaleCost
from mmsniper.errors import InputError

COST = ScaleCost((1.0, 2.0), (0.5, 1.0), (1.0, 4.0), (2.0, 4.0), 0.5, 5.0)  # 3 x and 12 x


@pytest.mark.parametrize(
    'text, relative', [('1.3', 1.3), ('1.3x', 1.3), ('2X', 2), ('3Mpx', 6), ('0.5mpx', 1)]
)
def test_limits_as_users_write_them(text, relative):
    assert pixel_limit(text).relative(0.5) == pytest.approx(relative)


@pytest.mark.parametrize('text', ['', 'x', 'Mpx', '0', '-1x', 'nan', 'inf', '0Mpx', '3 mp', '2kpx'])
def test_what_is_no_limit(text):
    with pytest.raises(argparse.ArgumentTypeError):
        pixel_limit(text)


@pytest.mark.parametrize(
    'budget, allowed',
    [((3,), True), ((2.9,), False), ((3, 12), True), ((3, 11), False), ((2, 12), False)],
)
def test_both_bounds_hold(budget, allowed):
    assert Budget(*budget).allows(COST) == allowed


@pytest.mark.parametrize('budget', [(0,), (math.nan,), (1, 0), (1, -1), (1, math.nan)])
def test_bad_budget(budget):
    with pytest.raises(InputError, match='budget='):
        Budget(*budget)


@pytest.mark.parametrize(
    'limit, cost, enough',
    [
        (0, 25.39, 26),
        (0, 8.53, 8.6),
        (0, 3.8, 3.8),
        (0, 0.0123, 0.013),
        (0, 0, 0),
        (0, 312, 320),
        (4.123, 4, 4.123),
        (4.123, 4.2, 4.2),
        (math.inf, 7, math.inf),
    ],
)
def test_limits_that_allow_a_cost(limit, cost, enough):
    assert at_least(limit, cost) == pytest.approx(enough)
