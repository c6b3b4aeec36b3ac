"""At which levels a box counts, against a slow reference, and that chips then show every one."""

import math

import numpy as np
import pytest

from mmsniper.chips import Pyramid, box_levels, box_sizes, positive_chips
from mmsniper.errors import InputError

PAPER = Pyramid(((1400, 2000), (800, 1280), (-1, 512)), ((-1, 80), (32, 150), (120, -1)))
PYRAMIDS = [
    (PAPER, 512),
    (Pyramid((3.0, 1.5, 0.7, 0.4), ((-1, 40), (30, 90), (60, 160), (120, -1))), 200),
    (Pyramid((2.0, 1.0), ((10, 40), (60, 400))), 300),
    (Pyramid((2.0, 1.0, 0.5), ((-1, 60), (12, 50), (12, 300))), 150),
]


def drawn_boxes(seed, num_images=30):
    """Boxes of all shapes, many long and thin, partly sticking out."""
    rng = np.random.default_rng(seed)
    heights, widths = rng.integers(100, 1200, (2, num_images))
    counts = rng.integers(0, 30, num_images)
    limits = np.stack([widths, heights], axis=1)[np.repeat(np.arange(num_images), counts)]
    sides = np.exp(rng.uniform(np.log(1), np.log(1200), (len(limits), 2)))
    corners = rng.uniform(-10, limits - 2)
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    boxes = boxes.clip(0, np.tile(limits, 2)).astype(np.float32)
    return boxes, np.concatenate([[0], np.cumsum(counts)]), heights, widths


def slow_levels(box, height, width, pyramid, chip_size):
    """The levels at which one box counts and what becomes of it, from the definition."""
    x1, y1, x2, y2 = box.tolist()
    size = float(box_sizes(box[None])[0])
    scales = pyramid.scale_factors([height], [width])[0]
    own, fits = [], []
    for (low, high), scale in zip(pyramid.valid_ranges, scales):
        own.append((low < 0 or size >= low) and (high < 0 or size < high))
        side = math.floor(chip_size / scale + 1e-6)
        fits.append(
            math.ceil(x2) - math.floor(x1) <= side and math.ceil(y2) - math.floor(y1) <= side
        )
    levels = [level for level in range(len(own)) if own[level]]
    if not levels:
        return [], 'out_of_range'
    fate = 'own'
    if not any(fits[level] for level in levels):
        coarser = [level for level in range(levels[-1] + 1, len(own)) if fits[level]]
        fate = 'promoted' if coarser else 'too_long'
        levels += coarser[:1]
    elif min(x2 - x1, y2 - y1) < 2 and not any(fits[level] for level in levels if level):
        fate = 'too_thin'
    return levels, fate


@pytest.mark.parametrize('pyramid, chip_size', PYRAMIDS)
def test_against_the_definition(pyramid, chip_size):
    data = drawn_boxes(0)
    boxes, starts, heights, widths = data
    found = box_levels(*data, pyramid, chip_size)
    fates = []
    for image, (height, width) in enumerate(zip(heights, widths)):
        for row in range(starts[image], starts[image + 1]):
            levels, fate = slow_levels(boxes[row], height, width, pyramid, chip_size)
            assert np.flatnonzero(found.valid[row]).tolist() == levels
            for name in ('out_of_range', 'promoted', 'too_long', 'too_thin'):
                assert getattr(found, name)[row] == (fate == name), (row, name, fate)
            for level in range(pyramid.num_levels):
                expected = fate == 'promoted' and level == levels[-1]
                assert found.promoted_to(level)[row] == expected
            fates.append(fate)
    assert {'own', 'promoted'} <= set(fates)


@pytest.mark.parametrize('pyramid, chip_size', PYRAMIDS)
def test_chips_show_every_box_that_fits_somewhere(pyramid, chip_size):
    data = drawn_boxes(1)
    boxes, starts, _, _ = data
    levels = box_levels(*data, pyramid, chip_size)
    for seed in range(3):
        chips = positive_chips(*data, pyramid, chip_size, seed=seed, valid=levels.valid)
        shown = np.zeros(len(boxes), bool)
        for image, level, chip in zip(chips.image, chips.level, chips.boxes):
            rows = np.arange(starts[image], starts[image + 1])
            of_image = boxes[rows]
            inside = (of_image[:, :2] >= chip[:2]).all(1) & (of_image[:, 2:] <= chip[2:]).all(1)
            shown[rows[inside & levels.valid[rows, level]]] = True
        assert (shown | levels.out_of_range | levels.too_long | levels.too_thin).all()


def test_a_long_thin_box_goes_to_the_next_coarser_level():
    # 850x8 has size 82: for the middle level, whose chips are 640 px wide here.
    box = np.array([[10, 10, 860, 18]], np.float32)
    levels = box_levels(box, [0, 1], [1000], [1000], PAPER)
    assert levels.in_range.tolist() == [[False, True, False]]
    assert levels.valid.tolist() == [[False, True, True]]
    chips = positive_chips(box, [0, 1], [1000], [1000], PAPER, valid=levels.valid)
    assert chips.level.tolist() == [2]
    assert len(positive_chips(box, [0, 1], [1000], [1000], PAPER)) == 0, 'as of the original'


def test_no_boxes():
    levels = box_levels([], [0, 0], [9], [9], PAPER)
    assert levels.valid.shape == (0, 3) and not levels.promoted.any()


def test_levels_of_other_boxes_are_refused():
    box = np.array([[10, 10, 60, 18]], np.float32)
    with pytest.raises(InputError, match=r'valid has shape \(2, 3\); it must be \(1, 3\)'):
        positive_chips(box, [0, 1], [100], [100], PAPER, valid=np.ones((2, 3), bool))
