import math
import shlex

import numpy as np
import pytest
from scale_data import draw_annotations, log_uniform

from mmsniper.analysis.coco_boxes import Annotations
from mmsniper.analysis.finer_levels import finer_proposals, finer_settings, with_finer_level
from mmsniper.analysis.scale_proposal import propose
from mmsniper.analysis.scale_statistics import hardly_seen, measure_cost, uncovered_share
from mmsniper.chips import Pyramid

SINGLE = Pyramid([(800, 1333)], [(-1, -1)])
OPEN = [(-1, -1)]


def drone_like(sizes, per_image=50, images=8):
    return draw_annotations([(1500, 2000)] * images, sizes, per_image)


def of_all_sizes(rng, count):
    """As in VisDrone: median 25 px, a few much larger."""
    return np.minimum(np.exp(rng.normal(np.log(25), 0.75, count)), 700)


def budgets(options):
    """The values of ``--budget`` and ``--test-budget``."""
    words = shlex.split(options)
    given = dict(zip(words[::2], map(float, words[1::2])))
    return given['--budget'], given.get('--test-budget', math.inf)


@pytest.mark.parametrize('own', [(1.3, math.inf), (1.3, 4.5)])
@pytest.mark.parametrize('sizes, levels', [(of_all_sizes, 2), (log_uniform(8, 300), 3)])
def test_budgets_give_what_is_said(sizes, levels, own):
    data = drone_like(sizes)
    proposal = propose(data, own[0], SINGLE, test_budget=own[1])
    finer = finer_proposals(proposal)
    most = max(settings.pyramid.num_levels for settings in finer)
    assert most == levels > proposal.pyramid.num_levels
    before = proposal.pyramid
    for settings in finer:
        limits = budgets(settings.options)
        again = propose(data, limits[0], SINGLE, test_budget=limits[1])
        assert again.meets_budget
        assert (again.pyramid, again.chip_size) == (settings.pyramid, settings.chip_size)
        assert again.cost == settings.cost
        assert settings.pyramid.levels[0] > before.levels[0]
        before = settings.pyramid
    assert again.finest == again.wanted_finest, 'the last is all that can be had'


def test_no_lower_budget_gives_more_levels():
    data = drone_like(of_all_sizes, images=4)
    proposal = propose(data, 1.3, SINGLE)
    least = {
        settings.pyramid.num_levels: budgets(settings.options)[0]
        for settings in reversed(finer_proposals(proposal))
    }
    assert max(least) > proposal.pyramid.num_levels
    # To two digits, as budgets are named.
    for budget in [*(np.arange(13, 100, 4) / 10), *range(10, 30)]:
        possible = [levels for levels, needed in least.items() if needed <= budget]
        most = max([proposal.pyramid.num_levels, *possible])
        assert propose(data, budget, SINGLE).pyramid.num_levels <= most


def test_small_objects_of_one_size_by_hand():
    data = drone_like(log_uniform(8, 20), per_image=10)
    proposal = propose(data, 1.3, SINGLE)
    assert proposal.pyramid == Pyramid([1.0], OPEN)
    single = 1067 * 800
    # At factor 1 the image is less than a tile of 2048 px.
    assert proposal.cost.relative_testing == pytest.approx(2000 * 1500 / single)
    wanted, added = finer_settings(
        data, proposal.pyramid, proposal.chip_size, SINGLE, proposal=proposal
    )
    # 6000 x 4500 pixels in 4 x 3 tiles of at most 682 pixels of the image, three times as long
    # there. They share 172, so 629 x 615 are enough: 4 * 629 - 3 * 172 = 2000.
    assert (wanted.pyramid, wanted.chip_size) == (Pyramid([3.0], OPEN), 512)
    assert wanted.cost.views_per_level == (12,)
    assert wanted.cost.relative_testing == pytest.approx(12 * 3 * 629 * 3 * 615 / single)
    assert budgets(wanted.options)[0] >= wanted.cost.relative
    # 4000 x 3000 pixels in 3 x 2 tiles of 838 x 879 that share 257, and the level that was there.
    assert added.pyramid == Pyramid([2.0, 1.0], [(-1, 32), (18, -1)])
    assert added.cost.views_per_level == (6, 1)
    assert added.cost.relative_testing == pytest.approx(
        (6 * 2 * 838 * 2 * 879 + 2000 * 1500) / single
    )
    assert added.options == (
        '--levels "[2.0, 1.0]" --valid-ranges "[(-1, 32), (18, -1)]" --chip-size 512'
    )
    for settings in (wanted, added):
        assert not hardly_seen(data, settings.pyramid).any()
        measured = measure_cost(data, settings.pyramid, settings.chip_size, SINGLE)
        assert measured == settings.cost


def test_nothing_finer_where_nothing_is_too_small():
    data = drone_like(log_uniform(90, 110))
    proposal = propose(data, 20, SINGLE)
    assert proposal.finest == proposal.wanted_finest
    assert finer_proposals(proposal) == []
    assert finer_settings(data, proposal.pyramid, 512, SINGLE, proposal=proposal) == []
    assert finer_settings(data, Pyramid([1.0], OPEN), 512, SINGLE) == []
    assert len(finer_settings(data, Pyramid([0.1], OPEN), 512, SINGLE)) == 1


@pytest.mark.parametrize(
    'levels, ranges, finer_level, finer_ranges',
    [
        ([1.0], OPEN, 2.0, [(-1, 32), (18, -1)]),
        # No more than three times as large.
        ([2.0], OPEN, 3.0, [(-1, 16), (9, -1)]),
        ([(750, 1000)], OPEN, (1500, 2000), [(-1, 64), (37, -1)]),
        ([(-1, 1000), 0.1], [(-1, 100), (60, -1)], (-1, 2000), [(-1, 64), (37, 100), (60, -1)]),
        # Ranges that leave small objects out, or are for smaller ones only.
        ([1.0], [(20, -1)], 2.0, [(20, 32), (20, -1)]),
        ([1.0], [(40, -1)], 2.0, [(-1, 40), (40, -1)]),
        ([1.0, 0.5], [(-1, 20), (10, -1)], 2.0, [(-1, 20), (11, 20), (10, -1)]),
        ([2.5], OPEN, None, None),
    ],
)
def test_one_more_level(levels, ranges, finer_level, finer_ranges):
    data = drone_like(log_uniform(8, 60), images=2)
    finer = with_finer_level(Pyramid(levels, ranges), data)
    if finer_level is None:
        assert finer is None
        return
    assert finer.levels == (finer_level, *Pyramid(levels, ranges).levels)
    assert finer.valid_ranges == tuple(finer_ranges)
    assert uncovered_share(data, finer) <= uncovered_share(data, Pyramid(levels, ranges))


def test_hardly_seen_objects():
    boxes = [(0, 0, 7, 7), (0, 0, 9, 9), (0, 0, 4, 16), (0, 0, 15, 15), (0, 0, 17, 17)]
    data = Annotations(
        np.array(boxes, np.float32), np.array([0, 3, 5]), np.array([100, 50]), np.array([50, 100])
    )
    for pyramid in (Pyramid([2.0, 0.5], [(-1, 9), (9, -1)]), Pyramid([(100, 200)], OPEN)):
        assert hardly_seen(data, pyramid).tolist() == [True, False, False, False, False]
    assert hardly_seen(data, Pyramid([(-1, 100)], OPEN)).tolist() == [True] * 4 + [False]
