import numpy as np
import pytest
from scale_data import draw_annotations, log_uniform

from mmsniper.analysis.coco_boxes import Annotations, sample_images
from mmsniper.analysis.object_scales import ObjectScales
from mmsniper.analysis.scale_proposal import (
    CHIP_SIZES,
    MAX_LEVELS,
    build_pyramid,
    propose,
    widen_ranges,
)
from mmsniper.analysis.scale_statistics import measure_cost, uncovered_share, without_chip_share
from mmsniper.chips import Pyramid, box_sizes
from mmsniper.errors import InputError

SINGLE = Pyramid([(800, 1333)], [(-1, -1)])


def random_annotations(seed):
    """Anything from one object in one image to objects of all sizes in images of all sizes."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 30))
    largest = np.exp(rng.uniform(np.log(20), np.log(6000)))
    sides = np.exp(rng.uniform(np.log(largest / rng.choice([1, 1.5, 8])), np.log(largest), 2))
    vary = rng.choice([0, 0.3, 1.0])
    sizes = np.maximum(sides * np.exp(rng.normal(0, vary, (count, 1))), 8).astype(int)
    low, high = np.sort(np.exp(rng.uniform(np.log(2), np.log(largest), 2)))
    return draw_annotations(
        sizes,
        log_uniform(low, high * 1.01),
        int(rng.integers(1, 12)),
        seed,
        elongation=rng.choice([0, 0.3, 0.8]),
    )


def largest_only(data):
    """The data set of the image of the largest object with only that."""
    index = box_sizes(data.boxes).argmax()
    image = np.searchsorted(data.image_starts, index, side='right') - 1
    boxes, starts = data.boxes[index : index + 1], np.array([0, 1])
    return Annotations(boxes, starts, data.heights[[image]], data.widths[[image]])


@pytest.mark.parametrize('seed', range(60))
def test_every_pyramid_covers_all_objects(seed):
    data = random_annotations(seed)
    scales = ObjectScales(data)
    assert 0 < scales.least_finest <= scales.wanted_finest
    for chip_size in CHIP_SIZES:
        for finest in (scales.wanted_finest, scales.least_finest):
            pyramid = build_pyramid(scales, chip_size, finest)  # checks the order of the levels
            assert uncovered_share(data, pyramid) == 0
            assert 1 <= pyramid.num_levels <= MAX_LEVELS
            ranges = np.array(pyramid.valid_ranges)
            assert ranges[0, 0] == ranges[-1, 1] == -1
            # Not only these sizes: there is no gap, and neighbours overlap.
            assert (ranges[1:, 0] < ranges[:-1, 1]).all() and (np.diff(ranges[1:, 0]) > 0).all()
            factors = pyramid.scale_factors(data.heights, data.widths)
            assert (np.diff(factors, axis=1) <= 0).all()
            assert pyramid.in_range(box_sizes(data.boxes)).any(axis=0).all()
            assert without_chip_share(largest_only(data), pyramid, chip_size) == 0


@pytest.mark.parametrize('box', [(5, 5, 6, 6), (0, 0, 640, 480), (10, 10, 600, 14), (3, 4, 53, 60)])
def test_one_object(box):
    data = Annotations(
        np.array([box], np.float32), np.array([0, 1]), np.array([480]), np.array([640])
    )
    proposal = propose(data, 1.3, SINGLE)
    assert proposal.pyramid.num_levels == 1
    assert uncovered_share(data, proposal.pyramid) == 0
    assert proposal.cost.chips_per_image == (1 if min(box[2] - box[0], box[3] - box[1]) >= 2 else 0)


def coco_like(seed=0):
    """Sizes as of COCO: median 50 px, from some pixels up to the whole image."""
    sizes = [(480, 640), (640, 480), (427, 640), (640, 427), (640, 640)] * 30
    return draw_annotations(
        sizes, lambda rng, n: np.minimum(np.exp(rng.normal(3.95, 1.05, n)), 460), 7, seed
    )


@pytest.mark.parametrize('seed', range(3))
def test_coco_like_images_get_about_the_paper_s_settings(seed):
    data = coco_like(seed)
    # Scattered evenly, small objects need more chips than in COCO, where they stand together.
    proposal = propose(data, 1.8, SINGLE)
    paper = Pyramid([(1400, 2000), (800, 1280), (-1, 512)], [(-1, 80), (32, 150), (120, -1)])
    assert proposal.meets_budget and proposal.chip_size == 512
    assert proposal.pyramid.num_levels == 3
    ours, theirs = (
        pyramid.scale_factors(np.array([480]), np.array([640]))[0]
        for pyramid in (proposal.pyramid, paper)
    )
    assert (np.abs(np.log(ours / theirs)) < np.log(1.3)).all()
    ends, paper_ends = (
        np.array([high for _, high in p.valid_ranges[:-1]]) for p in (proposal.pyramid, paper)
    )
    assert (np.abs(np.log(ends / paper_ends)) < np.log(1.3)).all()
    assert 1 < proposal.cost.relative <= 1.8
    assert proposal.cost.mpx_pyramid > 2 * proposal.cost.mpx_per_image


def test_photographs_with_objects_of_all_sizes():
    data = draw_annotations([(3000, 4000)] * 40, log_uniform(10, 2000), 20)
    cheap = propose(data, 1.3, SINGLE)
    rich = propose(data, 20, SINGLE)
    assert not cheap.meets_budget and rich.meets_budget
    for proposal in (cheap, rich):
        levels = proposal.pyramid.levels
        assert 3 <= len(levels) <= 5
        # Objects of 10 px are not shrunk, and whole images fit into a chip at the end.
        assert levels[0] >= 1 and levels[-1] * 4000 <= proposal.chip_size
        assert without_chip_share(data, proposal.pyramid, proposal.chip_size) < 0.01
        steps = np.array(levels[:-1]) / levels[1:]
        assert (steps > 1.5).all() and (steps < 3).all()
    assert rich.pyramid.levels[0] > 2.5 > 1.1 > cheap.pyramid.levels[0]
    assert cheap.cost.mpx_per_image < rich.cost.mpx_per_image


@pytest.mark.parametrize('size, factor', [(20, 1.8), (100, 1.0), (400, 0.35)])
def test_objects_of_near_constant_size_get_one_level(size, factor):
    data = draw_annotations([(960, 1280)] * 20, log_uniform(0.9 * size, 1.1 * size), 10)
    proposal = propose(data, 5, SINGLE)
    assert proposal.pyramid.valid_ranges == ((-1, -1),)
    assert proposal.pyramid.levels == pytest.approx((factor,), rel=0.05)


def test_a_single_huge_object_adds_one_coarse_level():
    data = draw_annotations([(1536, 2048)] * 20, log_uniform(90, 110), 10)
    data.boxes[0] = (0, 0, 2000, 1500)
    pyramid = propose(data, 10, SINGLE, chip_sizes=[512]).pyramid
    assert pyramid.levels == (1.0, 0.25)
    assert without_chip_share(data, pyramid, 512) == 0


def test_a_smaller_budget_gives_a_coarser_finest_level():
    data = coco_like()
    costs, finest = [], []
    for budget in (3, 1, 0.7, 0.01):
        proposal = propose(data, budget, SINGLE)
        assert proposal.meets_budget == (proposal.cost.relative <= budget)
        measured = measure_cost(data, proposal.pyramid, proposal.chip_size, SINGLE)
        assert measured == proposal.cost
        costs.append(proposal.cost.relative)
        finest.append(proposal.finest)
    assert costs[0] > costs[1] > costs[2] >= costs[3] > 0.01
    assert finest[0] > finest[1] > finest[2] >= finest[3] == pytest.approx(1)
    assert not proposal.meets_budget


def test_a_test_budget_bounds_testing():
    data = coco_like()
    free = propose(data, 3, SINGLE)
    assert free.cost.relative_testing > 3
    for test_budget in (3, 2):
        bound = propose(data, 3, SINGLE, test_budget=test_budget)
        assert bound.meets_budget and bound.cost.relative_testing <= test_budget
        assert free.finest > bound.finest >= 1
    impossible = propose(data, 3, SINGLE, test_budget=0.1)
    assert not impossible.meets_budget and impossible.finest == pytest.approx(1)


def test_dense_small_images_are_taken_whole():
    """Two overlapping chips of 512 would cost more than one of the whole image."""
    data = draw_annotations([(480, 640)] * 20, log_uniform(80, 120), 40)
    proposal = propose(data, 1.3, SINGLE)
    assert (proposal.chip_size, proposal.cost.chips_per_image) == (640, 1)
    assert propose(data, 1.3, SINGLE, chip_sizes=[512]).chip_size == 512


def test_form_of_the_levels():
    small, large = [(480, 640)] * 20, [(1920, 2560)] * 20
    sizes = log_uniform(50, 60)
    one_size = draw_annotations(small, sizes, 5)
    assert ObjectScales(one_size).typical is None
    same_objects = draw_annotations(small + large, sizes, 5)
    assert ObjectScales(same_objects).typical is None
    growing = draw_annotations(
        small + large, lambda rng, n: sizes(rng, n) * np.repeat([1, 4], n // 2), 5
    )
    scales = ObjectScales(growing)
    assert scales.typical is not None
    assert build_pyramid(scales, 512, scales.wanted_finest).num_levels == 1


def test_measured_on_a_sample_but_proposed_for_all():
    data = coco_like()
    sample = sample_images(data, 20, 0)
    calls = []
    proposal = propose(data, 1.3, SINGLE, sample=sample, on_measured=lambda: calls.append(1))
    assert len(calls) >= len(CHIP_SIZES)
    assert uncovered_share(data, proposal.pyramid) == 0
    assert measure_cost(sample, proposal.pyramid, proposal.chip_size, SINGLE) == proposal.cost


@pytest.mark.parametrize('budget', [0, -1, float('nan')])
def test_bad_budget(budget):
    with pytest.raises(InputError, match='budget='):
        propose(coco_like(), budget, SINGLE)
    with pytest.raises(InputError, match='test_budget='):
        propose(coco_like(), 1, SINGLE, test_budget=budget)


def test_test_ranges_contain_those_of_training():
    train = [(-1, 80), (32, 150), (5, 6), (120, -1), (0, 3)]
    test = widen_ranges(train)
    for (low, high), (test_low, test_high) in zip(train, test):
        assert test_low == low if low <= 0 else 0.7 * low < test_low < low
        assert test_high == -1 if high == -1 else high < test_high < 1.4 * high
    Pyramid([1.0] * len(test), test)
