import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsniper.chips import Pyramid, box_sizes, positive_chips
from mmsniper.errors import InputError

DEFAULT = Pyramid(((1400, 2000), (800, 1280), (-1, 512)), ((-1, 80), (32, 150), (120, -1)))
PYRAMIDS = (
    DEFAULT,
    Pyramid((2.0, 1.0, (-1, 64)), ((-1, 20), (12, 50), (-1, -1))),
    Pyramid(((-1, 100),), ((5, 90),)),
    Pyramid((1.5,), ((-1, -1),)),
)


@st.composite
def data_sets(draw):
    """Some images with boxes, partly sticking out, reversed, empty or with fractional corners."""
    numbers = np.random.default_rng(draw(st.integers(0, 2**32)))
    shapes = draw(st.lists(st.tuples(st.integers(1, 250), st.integers(1, 250)), max_size=4))
    heights, widths = (np.array(sides, np.int64) for sides in zip(*shapes)) if shapes else ([], [])
    counts = np.array([draw(st.integers(0, 12)) for _ in shapes], dtype=np.int64)
    per_box = np.repeat(np.array(shapes, np.float64).reshape(-1, 2), counts, axis=0)[:, ::-1]
    corners = numbers.uniform(-20, 1.1 * per_box)
    sides = np.exp(numbers.uniform(0, np.log(260), per_box.shape))
    boxes = np.concatenate((corners, corners + sides), axis=1)
    if draw(st.booleans()):
        boxes = np.rint(boxes)
    reverse = numbers.random(len(boxes)) < 0.05
    boxes[reverse] = boxes[reverse][:, [2, 3, 0, 1]]
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return boxes.astype(np.float32), starts, np.asarray(heights, int), np.asarray(widths, int)


options = st.fixed_dictionaries(
    dict(
        pyramid=st.sampled_from(PYRAMIDS),
        chip_size=st.integers(10, 130),
        stride=st.integers(1, 60),
        seed=st.integers(0, 2**64),
        cover_long=st.booleans(),
    )
)


def boxes_to_cover(box_list, size_list, height, width, level, scale, options):
    """The boxes of one image that chips of one level have to contain, clipped to the image."""
    pyramid, chip_size = options['pyramid'], options['chip_size']
    low, high = pyramid.valid_ranges[level]
    side = math.floor(chip_size / scale + 1e-6)
    wanted = []
    for (x1, y1, x2, y2), size in zip(box_list, size_list):
        if size < low or (high != -1 and size >= high):
            continue
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        shorter, longer = min(x2 - x1, y2 - y1), max(x2 - x1, y2 - y1)
        if shorter <= 0 or (level == 0 and shorter < 2):
            continue
        if math.ceil(x2) - math.floor(x1) > side or math.ceil(y2) - math.floor(y1) > side:
            continue
        coarsest = level == pyramid.num_levels - 1
        limit = (chip_size - options['stride'] - 1) / scale
        if not options['cover_long'] and not coarsest and longer >= limit:
            continue
        wanted.append((x1, y1, x2, y2))
    return wanted


def contains(chip, box):
    return chip[0] <= box[0] and chip[1] <= box[1] and chip[2] >= box[2] and chip[3] >= box[3]


@settings(max_examples=300, deadline=None)
@given(data_sets(), options)
def test_chips_cover_the_valid_boxes_greedily(data, options):
    boxes, starts, heights, widths = data
    chips = positive_chips(*data, **options)
    keys = list(zip(chips.image.tolist(), chips.level.tolist()))
    assert keys == sorted(keys)
    sizes, scales = box_sizes(boxes), options['pyramid'].scale_factors(heights, widths)
    for image in range(len(heights)):
        height, width = int(heights[image]), int(widths[image])
        own = slice(starts[image], starts[image + 1])
        for level in range(options['pyramid'].num_levels):
            scale = scales[image, level]
            mine = chips.boxes[(chips.image == image) & (chips.level == level)].tolist()
            left = boxes_to_cover(
                boxes[own].tolist(), sizes[own].tolist(), height, width, level, scale, options
            )
            for index, (x1, y1, x2, y2) in enumerate(mine):
                assert all(value == int(value) for value in (x1, y1, x2, y2))
                assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
                for side in (x2 - x1, y2 - y1):
                    assert math.floor(side * scale + 0.5) <= options['chip_size']
                gains = [sum(contains(chip, box) for box in left) for chip in mine[index:]]
                assert gains[0] == max(gains) > 0
                left = [box for box in left if not contains(mine[index], box)]
            assert not left


@settings(max_examples=50, deadline=None)
@given(data_sets(), options)
def test_chips_depend_on_the_seed_and_the_own_image_alone(data, options):
    boxes, starts, heights, widths = data
    chips = positive_chips(*data, **options)
    again = positive_chips(*data, **options)
    np.testing.assert_array_equal(chips.boxes, again.boxes)
    if len(heights) < 2:
        return
    # The boxes of all images but the last one are gone.
    other_starts = np.where(np.arange(len(starts)) < len(heights), 0, len(boxes) - starts[-2])
    alone = positive_chips(boxes[starts[-2] :], other_starts, heights, widths, **options)
    last = chips.image == len(heights) - 1
    np.testing.assert_array_equal(alone.image, chips.image[last])
    np.testing.assert_array_equal(alone.level, chips.level[last])
    np.testing.assert_array_equal(alone.boxes, chips.boxes[last])


def test_chips_of_an_image_do_not_depend_on_the_others():
    boxes = np.array([[30, 40, 50, 60], [80, 300, 95, 320], [300, 200, 330, 230]], np.float32)
    sides = [480] * 3, [640] * 3
    every = positive_chips(boxes, [0, 1, 2, 3], *sides, DEFAULT)
    alone = positive_chips(boxes[2:], [0, 0, 0, 1], *sides, DEFAULT)
    np.testing.assert_array_equal(every.boxes[every.image == 2], alone.boxes)
    assert alone.image.tolist() == [2]


def chips_of(boxes, height=480, width=640, pyramid=DEFAULT, **options):
    boxes = np.array(boxes, np.float32)
    return positive_chips(boxes, [0, len(boxes)], [height], [width], pyramid, **options)


def test_the_same_chips_on_every_machine():
    chips = chips_of([[100, 100, 140, 150], [500, 300, 560, 400], [20, 30, 400, 420]], seed=7)
    assert chips.image.tolist() == [0] * 5
    assert chips.level.tolist() == [0, 0, 1, 1, 2]
    assert chips.boxes.astype(int).tolist() == [
        [6, 2, 181, 177],
        [434, 232, 609, 407],
        [63, 0, 370, 307],
        [313, 158, 620, 465],
        [0, 0, 640, 480],
    ]
    assert (chips.image.dtype, chips.level.dtype) == (np.int64, np.int64)
    assert chips.boxes.dtype == np.float32 and len(chips) == 5


def test_other_seeds_and_images_give_other_chips():
    tables = [chips_of([[300, 200, 330, 230]], seed=seed).boxes.tolist() for seed in range(20)]
    assert len({str(table) for table in tables}) > 15
    same_box = np.tile(np.array([[300, 200, 330, 230]], np.float32), (20, 1))
    chips = positive_chips(same_box, np.arange(21), [480] * 20, [640] * 20, DEFAULT)
    finest = chips.boxes[chips.level == 0]
    assert len(finest) == 20 and len(np.unique(finest, axis=0)) > 12


def test_a_generator_serves_as_seed():
    boxes = [[300, 200, 330, 230]]
    first = chips_of(boxes, seed=np.random.default_rng(3))
    np.testing.assert_array_equal(first.boxes, chips_of(boxes, seed=np.random.default_rng(3)).boxes)
    generator = np.random.default_rng(3)
    drawn = {str(chips_of(boxes, seed=generator).boxes.tolist()) for _ in range(10)}
    assert len(drawn) > 7


@pytest.mark.parametrize(
    'side, levels',
    [(31.9, [0]), (32, [0, 1]), (79.9, [0, 1]), (80, [1]), (119.9, [1]), (120, [1, 2]), (150, [2])],
)
def test_valid_ranges_are_half_open(side, levels):
    assert chips_of([[200, 150, 200 + side, 150 + side]]).level.tolist() == levels


def test_long_boxes_between_grid_positions():
    # 512 pixels hold the box, but no chip on a grid of 32 pixels does.
    pyramid = Pyramid((1.0, (-1, 512)), ((-1, 400), (400, -1)))
    box = [[700.0, 700.0, 1205.0, 720.0]]
    for seed in range(10):
        chip = chips_of(box, 2000, 2000, pyramid, seed=seed).boxes[0]
        assert contains(chip, box[0])
    assert len(chips_of(box, 2000, 2000, pyramid, cover_long=False)) == 0


def test_the_coarsest_level_covers_long_boxes_in_any_case():
    chips = chips_of([[0, 0, 640, 480]], cover_long=False)
    assert chips.level.tolist() == [2]
    assert chips.boxes.tolist() == [[0, 0, 640, 480]]


def test_whole_image_smaller_than_a_chip():
    chips = chips_of([[1, 2, 20, 30]], 40, 50, Pyramid((2.0,), ((-1, -1),)))
    assert chips.boxes.tolist() == [[0, 0, 50, 40]]


def test_boxes_sticking_out_count_with_the_part_inside():
    chips = chips_of([[-30, 10, 12, 40], [630, 470, 660, 500], [700, 10, 720, 30]])
    finest = chips.boxes[chips.level == 0]
    assert len(finest) == 2
    assert any(contains(chip, [0, 10, 12, 40]) for chip in finest)
    assert any(contains(chip, [630, 470, 640, 480]) for chip in finest)


def test_thin_boxes_are_left_out_at_the_finest_level():
    assert len(chips_of([[10, 10, 11.9, 60], [10, 10, 60, 11]])) == 0
    assert chips_of([[10, 10, 12, 60]]).level.tolist() == [0]


@pytest.mark.parametrize('starts, sides', [([0], []), ([0, 0], [48]), ([0, 0, 0], [48, 64])])
def test_nothing_to_cover(starts, sides):
    for empty in ([], np.zeros((0, 4), np.float32)):
        chips = positive_chips(empty, starts, sides, sides, DEFAULT)
        assert len(chips) == 0 and chips.boxes.shape == (0, 4)


def test_images_without_boxes_between_others():
    boxes = np.array([[10, 10, 30, 30], [10, 10, 30, 30]], np.float32)
    chips = positive_chips(boxes, [0, 0, 1, 1, 2, 2], [99] * 5, [99] * 5, DEFAULT)
    assert set(chips.image.tolist()) == {1, 3}


def test_read_only_and_strided_arrays():
    boxes = np.arange(64, dtype=np.float64).reshape(8, 8)[:, ::2]
    boxes.flags.writeable = False
    starts = np.array([0, 3, 8])
    starts.flags.writeable = False
    plain = positive_chips(boxes.astype(np.float32), [0, 3, 8], [80, 80], [80, 80], DEFAULT)
    np.testing.assert_array_equal(
        positive_chips(boxes, starts, np.array([80, 80], np.int32), [80, 80], DEFAULT).boxes,
        plain.boxes,
    )
    assert len(plain)


def test_a_large_crowded_image():
    numbers = np.random.default_rng(0)
    corners = numbers.uniform(0, 19800, (20000, 2))
    boxes = np.concatenate((corners, corners + numbers.uniform(3, 160, (20000, 2))), axis=1)
    pyramid = Pyramid((3.0, (-1, 512)), ((-1, -1), (-1, -1)))
    chips = chips_of(boxes, 20000, 20000, pyramid)
    assert chips.boxes[chips.level == 1].tolist() == [[0, 0, 20000, 20000]]
    finest = chips.boxes[chips.level == 0]
    assert len(finest) < 15000
    boxes = boxes.astype(np.float32)[::50]
    inside = (boxes[:, None, :2] >= finest[:, :2]) & (boxes[:, None, 2:] <= finest[:, 2:])
    assert inside.all(axis=2).any(axis=1).all()


GOOD = dict(
    boxes=np.array([[1, 1, 9, 9]], np.float32),
    image_starts=[0, 1],
    heights=[20],
    widths=[20],
    pyramid=DEFAULT,
)


@pytest.mark.parametrize(
    'change, part',
    [
        (dict(boxes=np.array([[1, 1, math.nan, 9]])), r'boxes\[0\] of image 0 is .*nan'),
        (dict(boxes=np.array([[1, 1, math.inf, 9]])), r'boxes\[0\] of image 0 is .*inf'),
        (dict(boxes=np.zeros((1, 5))), r'boxes has shape \(1, 5\)'),
        (dict(boxes=np.ones(4)), r'boxes has shape \(4,\)'),
        (dict(image_starts=[0]), 'image_starts has 1 entries for 1 images'),
        (dict(image_starts=[0, 2]), r'image_starts=\[0, 2\] must rise from 0'),
        (dict(image_starts=[1, 1]), r'image_starts=\[1, 1\] must rise from 0'),
        (dict(image_starts=[0, 2, 1], heights=[9, 9], widths=[9, 9]), 'must rise'),
        (dict(image_starts=[0.0, 1.0]), 'image_starts .* float64'),
        (dict(heights=[20.5]), 'heights .* float64'),
        (dict(heights=[0]), 'Image 0 has height 0'),
        (dict(widths=[20, 20]), 'heights has 1 entries but widths has 2'),
        (dict(chip_size=0), 'chip_size=0 must be'),
        (dict(chip_size=512.0), 'chip_size=512.0 must be'),
        (dict(stride=-3), 'stride=-3 must be'),
        (dict(stride=True), 'stride=True must be'),
        (dict(stride=None), 'stride=None must be'),
        (dict(seed=1.5), 'seed=1.5 must be'),
        (dict(seed=None), 'seed=None must be'),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_bad_input(change, part):
    with pytest.raises(InputError, match=part):
        positive_chips(**{**GOOD, **change})
