"""Negative chips against a slow, obvious reference."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsniper.chips import ChipTable, Pyramid, box_sizes, negative_chips, positive_chips
from mmsniper.errors import InputError

DEFAULT = Pyramid(((1400, 2000), (800, 1280), (-1, 512)), ((-1, 80), (32, 150), (120, -1)))
COARSE = Pyramid(DEFAULT.levels[1:], DEFAULT.valid_ranges[1:])
# At these factors a stride of 1 makes every whole pixel a position.
EVERY_PIXEL = Pyramid((2.0, 1.0), ((-1, 9), (6, -1)))
SOME_PIXELS = Pyramid((1.7, (-1, 40)), ((-1, 10), (6, -1)))
ALL = 10**6
NO_CHIPS = ChipTable(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))


def boxes_of_images(draw, counts, rng, heights, widths):
    """Boxes in clusters, some of them sticking out, with whole or fractional corners."""
    boxes = []
    for count, height, width in zip(counts, heights, widths):
        centres = rng.uniform(0, (width, height), (3, 2))
        centre = centres[rng.integers(3, size=count)] + rng.normal(0, 5, (count, 2))
        half = np.exp(rng.uniform(np.log(0.6), np.log(14), (count, 2)))
        boxes.append(np.concatenate([centre - half, centre + half], axis=1))
    boxes = np.concatenate([np.zeros((0, 4)), *boxes])
    return (np.rint(boxes) if draw(st.booleans()) else boxes).astype(np.float32)


@st.composite
def data_sets(draw):
    """Images with clusters of proposals, and the positive chips of a few objects."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    num_images = draw(st.integers(1, 3))
    heights, widths = rng.integers(8, 64, (2, num_images))
    counts = rng.integers(0, 60, num_images) * (rng.random(num_images) < 0.9)
    proposals = boxes_of_images(draw, counts, rng, heights, widths)
    starts = np.concatenate([[0], np.cumsum(counts)])
    objects = rng.integers(0, 3, num_images)
    boxes = boxes_of_images(draw, objects, rng, heights, widths)
    return (proposals, starts, heights, widths), (boxes, np.concatenate([[0], np.cumsum(objects)]))


def options(**fixed):
    return st.fixed_dictionaries(
        dict(
            dict(
                pyramid=st.sampled_from((EVERY_PIXEL, SOME_PIXELS)),
                chip_size=st.integers(12, 40),
                stride=st.integers(1, 20),
                min_proposals=st.one_of(
                    st.none(),
                    st.integers(1, 12),
                    st.lists(st.integers(1, 9), min_size=2, max_size=2),
                ),
                seed=st.integers(0, 2**64),
                max_negatives=st.just(ALL),
            ),
            **fixed,
        )
    )


def positives_of(data, objects, options):
    boxes, starts = objects
    grid = {key: options[key] for key in ('pyramid', 'chip_size', 'stride')}
    return positive_chips(boxes, starts, data[2], data[3], seed=1, **grid)


def contains(chip, box):
    return chip[0] <= box[0] and chip[1] <= box[1] and chip[2] >= box[2] and chip[3] >= box[3]


def candidates(data, positives, image, level, pyramid, side):
    """The proposals that chips of one level of one image are chosen for, clipped to the image."""
    proposals, starts, heights, widths = data
    low, high = pyramid.valid_ranges[level]
    shown = [
        chip
        for chip, i, at in zip(positives.boxes.tolist(), positives.image, positives.level)
        if (i, at) == (image, level)
    ]
    found = []
    for box in proposals[starts[image] : starts[image + 1]]:
        size = box_sizes(box)[0]
        if size < low or (high != -1 and size >= high):
            continue
        x1, y1, x2, y2 = box.tolist()
        x1, y1 = max(x1, 0), max(y1, 0)
        x2, y2 = min(x2, int(widths[image])), min(y2, int(heights[image]))
        shorter = min(x2 - x1, y2 - y1)
        if shorter <= 0 or (level == 0 and shorter < 2):
            continue
        if math.ceil(x2) - math.floor(x1) > side or math.ceil(y2) - math.floor(y1) > side:
            continue
        if not any(contains(chip, (x1, y1, x2, y2)) for chip in shown):
            found.append((x1, y1, x2, y2))
    return found


def most_at_any(left, lefts, tops, side_x, side_y):
    """How many of the boxes left the best chip with one of these borders holds."""
    if not left:
        return 0
    x1, y1, x2, y2 = np.array(left).T[:, None]
    lefts, tops = np.array(lefts)[:, None], np.array(tops)[:, None]
    across = ((lefts <= x1) & (lefts + side_x >= x2)).astype(int)
    down = ((tops <= y1) & (tops + side_y >= y2)).astype(int)
    return (down @ across.T).max()


def assert_greedy(data, objects, options, every_pixel):
    """Assert that the chips are those of a greedy cover of exactly the right proposals."""
    pyramid, least = options['pyramid'], options['min_proposals']
    least = [25, 10] if least is None else [least] * 2 if isinstance(least, int) else least
    positives = positives_of(data, objects, options)
    chips = negative_chips(*data, positives=positives, **options)
    assert chips.negative.all() and len(chips.negative) == len(chips)
    keys = list(zip(chips.image.tolist(), chips.level.tolist()))
    assert keys == sorted(keys)
    heights, widths = data[2:]
    scales = pyramid.scale_factors(heights, widths)
    for image, level in itertools.product(range(len(heights)), range(2)):
        height, width = int(heights[image]), int(widths[image])
        side = math.floor(options['chip_size'] / scales[image, level] + 1e-6)
        side_x, side_y = min(side, width), min(side, height)
        if every_pixel:
            grid = range(width - side_x + 1), range(height - side_y + 1)
        else:  # what every grid has, wherever it starts
            grid = [0, width - side_x], [0, height - side_y]
        left = candidates(data, positives, image, level, pyramid, side)
        mine = chips.boxes[(chips.image == image) & (chips.level == level)].tolist()
        for number, (x1, y1, x2, y2) in enumerate(mine):
            assert all(value == int(value) for value in (x1, y1))
            assert 0 <= x1 and 0 <= y1 and x2 <= width and y2 <= height
            assert (x2 - x1, y2 - y1) == (side_x, side_y)
            gains = [sum(contains(chip, box) for box in left) for chip in mine[number:]]
            assert gains[0] >= least[level]
            assert gains[0] == max(gains)
            best = most_at_any(left, *grid, side_x, side_y)
            assert gains[0] == best if every_pixel else gains[0] >= best
            left = [box for box in left if not contains(mine[number], box)]
        assert most_at_any(left, *grid, side_x, side_y) < least[level]


@settings(max_examples=80, deadline=None)
@given(data_sets(), options(stride=st.just(1), pyramid=st.just(EVERY_PIXEL)))
def test_no_chip_at_any_pixel_holds_more(data, options):
    assert_greedy(*data, options, every_pixel=True)


@settings(max_examples=120, deadline=None)
@given(data_sets(), options())
def test_greedy_on_any_grid(data, options):
    assert_greedy(*data, options, every_pixel=False)


@settings(max_examples=60, deadline=None)
@given(data_sets(), options(min_proposals=st.integers(1, 3)), st.integers(0, 3))
def test_at_most_so_many_of_an_image(data, options, number):
    data, objects = data
    positives = positives_of(data, objects, options)
    pool = negative_chips(*data, positives=positives, **options)
    drawn = negative_chips(*data, positives=positives, **dict(options, max_negatives=number))
    counts = np.bincount(pool.image, minlength=len(data[2]))
    expected = np.minimum(counts, number).tolist()
    assert np.bincount(drawn.image, minlength=len(data[2])).tolist() == expected
    # Those drawn are chips of the pool, in its order.
    rest = iter(zip(pool.image, pool.level, map(tuple, pool.boxes)))
    assert all(row in rest for row in zip(drawn.image, drawn.level, map(tuple, drawn.boxes)))


def chips_at(boxes, height=480, width=640, pyramid=DEFAULT, positives=NO_CHIPS, **options):
    """The chips of one image with these proposals."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    starts = [0, len(boxes)]
    return negative_chips(boxes, starts, [height], [width], pyramid, positives, **options)


def square(side, x=300.0, y=200.0):
    return [x, y, x + side, y + side]


@pytest.mark.parametrize(
    'side, number, levels',
    [
        (20, 24, []),
        (20, 25, [0]),
        (60, 9, []),
        (60, 10, [1]),
        (60, 24, [1]),
        (60, 25, [0, 1]),
        (100, 9, []),
        (100, 10, [1]),
        (140, 9, []),
        (140, 10, [1, 2]),
        (200, 9, []),
        (200, 10, [2]),
    ],
)
def test_25_proposals_at_the_finest_level_and_10_at_the_others(side, number, levels):
    assert chips_at([square(side)] * number).level.tolist() == levels


@pytest.mark.parametrize('number, levels', [(9, []), (10, []), (24, []), (25, [0])])
def test_the_finest_of_two_levels(number, levels):
    assert chips_at([square(60)] * number, pyramid=COARSE).level.tolist() == levels


def test_thresholds_of_each_level():
    boxes = [square(60)] * 3 + [square(200)] * 2
    for least, levels in (
        (2, [0, 1, 2]),
        (3, [0, 1]),
        ([4, 3, 2], [1, 2]),
        (np.array([3, 4, 3]), [0]),
    ):
        chips = chips_at(boxes, min_proposals=least, max_negatives=ALL)
        assert chips.level.tolist() == levels


def test_proposals_count_once():
    # Each chip of the first ones also holds some of the second, which alone are too few.
    far = [square(10, x, 5) for x in (0, 12, 24, 36)]
    pyramid = Pyramid((1.0,), ((-1, -1),))
    kept = dict(pyramid=pyramid, height=20, chip_size=36, stride=1, width=200, max_negatives=ALL)
    assert len(chips_at(far, min_proposals=3, **kept)) == 1
    assert len(chips_at(far, min_proposals=1, **kept)) == 2


def positive_at(*chips, image=0, level=0):
    number = len(chips)
    return ChipTable(
        np.full(number, image), np.full(number, level), np.array(chips, np.float32).reshape(-1, 4)
    )


def test_positive_chips_of_the_level_count():
    boxes = [square(60)] * 25
    around = [200, 100, 400, 300]
    assert chips_at(boxes, positives=positive_at(around)).level.tolist() == [1]
    assert chips_at(boxes, positives=positive_at(around, level=1)).level.tolist() == [0]
    assert chips_at(boxes, positives=positive_at(around, level=2)).level.tolist() == [0, 1]
    exactly = positive_at(square(60))
    assert chips_at(boxes, positives=exactly).level.tolist() == [1]
    for side in range(4):
        cut = square(60)
        cut[side] += 1 if side < 2 else -1
        assert chips_at(boxes, positives=positive_at(cut)).level.tolist() == [0, 1]


def test_one_covered_proposal_can_make_the_difference():
    boxes = [square(20, x=300 + i) for i in range(25)]
    assert chips_at(boxes).level.tolist() == [0]
    for covered in (boxes[0], boxes[24]):
        assert len(chips_at(boxes, positives=positive_at(covered))) == 0


def test_positive_chips_of_other_images_do_not_count():
    boxes = np.array([square(20)] * 75, np.float32)
    sides = [480] * 3, [640] * 3
    for image in range(3):
        positives = positive_at([200, 100, 400, 300], image=image)
        chips = negative_chips(boxes, [0, 25, 50, 75], *sides, DEFAULT, positives)
        assert chips.image.tolist() == [i for i in range(3) if i != image]


def test_images_without_objects_get_chips():
    objects = np.array([square(30)], np.float32)
    sides = [480] * 3, [640] * 3
    positives = positive_chips(objects, [0, 0, 1, 1], *sides, DEFAULT)
    proposals = np.array([square(30)] * 75, np.float32)
    chips = negative_chips(proposals, [0, 25, 50, 75], *sides, DEFAULT, positives)
    assert chips.image.tolist() == [0, 2]  # the object's own chip shows the second one's
    assert len(negative_chips(proposals[:0], [0] * 4, *sides, DEFAULT, positives)) == 0


@pytest.mark.parametrize('empty', [[], np.zeros((0, 4), np.float32)])
@pytest.mark.parametrize('starts, sides', [([0], []), ([0, 0], [48]), ([0, 0, 0], [48, 64])])
def test_no_proposals(starts, sides, empty):
    chips = negative_chips(empty, starts, sides, sides, DEFAULT, NO_CHIPS)
    assert len(chips) == 0 and chips.boxes.shape == (0, 4)


def test_proposals_sticking_out_count_with_the_part_inside():
    out = [[-25, 10, 30, 40]] * 13 + [[-9, -30, 30, 38]] * 12
    chips = chips_at(out)
    assert chips.level.tolist() == [0, 1]
    assert contains(chips.boxes[0], [0, 0, 30, 40])
    shown = positive_at([0, 0, 30, 40])
    assert chips_at(out, positives=shown).level.tolist() == [1]
    outside = [[-60, 10, -5, 40]] * 30 + [[650, 10, 690, 40]] * 30 + [[640, 0, 660, 20]] * 30
    assert len(chips_at(outside)) == 0


def test_proposals_larger_than_a_chip():
    # The chips of the finest level are 512 / (1400 / 480) = 175 pixels wide.
    assert chips_at([[100, 10, 275, 30]] * 25).level.tolist() == [0, 1]
    assert chips_at([[100, 10, 276, 30]] * 25).level.tolist() == [1]
    assert chips_at([[0, 0, 640, 480]] * 10).level.tolist() == [2]


def test_thin_proposals_are_left_out_at_the_finest_level():
    assert len(chips_at([[10, 10, 11.9, 60]] * 30)) == 0
    assert chips_at([[10, 10, 12, 60]] * 30).level.tolist() == [0]


def test_an_image_smaller_than_a_chip():
    chips = chips_at([[1, 2, 20, 30]] * 25, 40, 50, Pyramid((2.0,), ((-1, -1),)))
    assert chips.boxes.tolist() == [[0, 0, 50, 40]]


# Chips of 20 pixels, each with 10 proposals that fit at no other position.
CLUSTERS = [square(20, 25 * cluster, 0) for cluster in range(5)]
POOL = dict(height=20, width=120, pyramid=Pyramid((1.0,), ((-1, -1),)), chip_size=20, stride=8)


def drawn_pairs(seeds):
    for seed in seeds:
        chips = chips_at(CLUSTERS * 10, min_proposals=10, seed=seed, **POOL)
        yield tuple((chips.boxes[:, 0] / 25).tolist())


def test_every_chip_can_be_drawn():
    pool = chips_at(CLUSTERS * 10, min_proposals=10, max_negatives=ALL, **POOL)
    assert sorted(pool.boxes.tolist()) == CLUSTERS
    pairs = list(drawn_pairs(range(600)))
    assert {len(set(pair)) for pair in pairs} == {2}
    counts = np.bincount(np.array(pairs, int).ravel(), minlength=5)
    # 240 expected of each with a standard deviation of 12.
    assert abs(counts - 240).max() < 60
    assert len({frozenset(pair) for pair in pairs}) == 10


def test_images_are_drawn_from_one_by_one():
    boxes = np.array(CLUSTERS * 400, np.float32)
    chips = negative_chips(
        boxes,
        np.arange(201) * 10,
        [20] * 200,
        [120] * 200,
        POOL['pyramid'],
        NO_CHIPS,
        min_proposals=2,
        chip_size=20,
    )
    assert chips.image.tolist() == np.repeat(np.arange(200), 2).tolist()
    # Images that look alike do not all get the same two.
    assert len({tuple(pair) for pair in chips.boxes[:, 0].reshape(-1, 2).tolist()}) > 7


def test_the_same_chips_on_every_machine():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, (560, 400), (400, 2))
    boxes = np.concatenate([corners, corners + rng.integers(10, 80, (400, 2))], axis=1)
    chips = chips_at(boxes, seed=7, max_negatives=3)
    assert chips.level.tolist() == [0, 0, 1]
    assert chips.boxes.astype(int).tolist() == [
        [412, 254, 587, 429],
        [116, 287, 291, 462],
        [274, 173, 581, 480],
    ]
    assert (chips.image.dtype, chips.level.dtype) == (np.int64, np.int64)
    assert (chips.boxes.dtype, chips.negative.dtype) == (np.float32, bool)
    again = chips_at(boxes, seed=7, max_negatives=3)
    np.testing.assert_array_equal(chips.boxes, again.boxes)
    others = {str(chips_at(boxes, seed=seed).boxes.tolist()) for seed in range(20)}
    assert len(others) > 15


def test_a_generator_serves_as_seed():
    first, second = (
        chips_at([square(20)] * 25, seed=np.random.default_rng(3)).boxes for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    generator = np.random.default_rng(3)
    drawn = {str(chips_at([square(20)] * 25, seed=generator).boxes.tolist()) for _ in range(10)}
    assert len(drawn) > 7


def test_read_only_and_strided_arrays():
    boxes = np.array(square(20))[None].repeat(50, axis=0)[::2]
    boxes.flags.writeable = False
    starts = np.array([0, 25], np.int32)
    starts.flags.writeable = False
    positives = positive_at([0, 0, 10, 10], [5, 5, 15, 15])[np.array([True, False])]
    for array in (positives.image, positives.level, positives.boxes):
        array.flags.writeable = False
    chips = negative_chips(boxes, starts, [480], [640], DEFAULT, positives)
    np.testing.assert_array_equal(chips.boxes, chips_at([square(20)] * 25).boxes)
    assert len(chips) == 1


GOOD = dict(
    proposals=np.array([[1, 1, 9, 9]], np.float32),
    image_starts=[0, 1],
    heights=[20],
    widths=[20],
    pyramid=DEFAULT,
    positives=NO_CHIPS,
)


@pytest.mark.parametrize(
    'change, part',
    [
        (dict(proposals=np.array([[1, 1, math.nan, 9]])), r'proposals\[0\] of image 0 is .*nan'),
        (dict(proposals=np.array([[1, 1, math.inf, 9]])), r'proposals\[0\] of image 0 is .*inf'),
        (dict(proposals=np.zeros((1, 5))), r'proposals has shape \(1, 5\)'),
        (dict(image_starts=[0, 2]), 'must rise from 0 to the number of proposals, 1'),
        (dict(heights=[0]), 'Image 0 has height 0'),
        (dict(chip_size=0), 'chip_size=0 must be'),
        (dict(stride=-3), 'stride=-3 must be'),
        (dict(seed=1.5), 'seed=1.5 must be'),
        (dict(min_proposals=0), 'min_proposals=0 must be'),
        (dict(min_proposals=-1), 'min_proposals=-1 must be'),
        (dict(min_proposals=2.0), 'min_proposals=2.0 must be'),
        (dict(min_proposals=True), 'min_proposals=True must be'),
        (dict(min_proposals='123'), "min_proposals='123' must be"),
        (dict(min_proposals=[5, 5]), r'min_proposals=\[5, 5\] must be .* 3 levels'),
        (dict(min_proposals=[5, 0, 5]), r'min_proposals=\[5, 0, 5\] must be'),
        (dict(min_proposals=[5, [5], 5]), 'must be a positive whole number'),
        (dict(min_proposals=np.array(2.5)), 'must be a positive whole number'),
        (dict(min_proposals=np.ones((3, 1), int)), 'must be a positive whole number'),
        (dict(min_proposals=2**70), 'must be a positive whole number'),
        (dict(max_negatives=-1), 'max_negatives=-1 must be'),
        (dict(max_negatives=1.5), 'max_negatives=1.5 must be'),
        (dict(max_negatives=None), 'max_negatives=None must be'),
        (dict(positives=positive_at([0, 0, 9, 9], level=3)), 'a chip of level 3, but .* 3 levels'),
        (
            dict(positives=ChipTable(np.array([1, 0]), np.zeros(2, int), np.zeros((2, 4)))),
            'positives must be ordered by image',
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_bad_input(change, part):
    with pytest.raises(InputError, match=part):
        negative_chips(**{**GOOD, **change})


def test_joined_tables_are_in_the_order_of_the_images():
    positives = ChipTable(np.array([0, 0, 2]), np.array([0, 1, 1]), np.full((3, 4), 1.0))
    negatives = ChipTable(
        np.array([0, 1]), np.array([0, 2]), np.full((2, 4), 2.0), np.ones(2, bool)
    )
    joined = ChipTable.join([positives, negatives])
    assert joined.image.tolist() == [0, 0, 0, 1, 2]
    assert joined.level.tolist() == [0, 0, 1, 2, 1]
    assert joined.negative.tolist() == [False, True, False, True, False]
    assert joined.boxes[:, 0].tolist() == [1, 2, 1, 2, 1]
