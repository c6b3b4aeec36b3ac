import numpy as np
import pytest

from mmsniper.analysis.coco_boxes import Annotations
from mmsniper.analysis.scale_statistics import (
    measure_cost,
    promoted_share,
    scale_histograms,
    tile_size_in_testing,
    uncovered_share,
    without_chip_share,
)
from mmsniper.chips import Pyramid, box_sizes, positive_chips

SINGLE = Pyramid([(800, 1333)], [(-1, -1)])
PAPER = Pyramid([(1400, 2000), (800, 1280), (-1, 512)], [(-1, 80), (32, 150), (120, -1)])


def random_annotations(seed, num_images=12, max_size=500):
    rng = np.random.default_rng(seed)
    heights, widths = rng.integers(60, 700, num_images), rng.integers(60, 700, num_images)
    counts = rng.integers(0, 12, num_images)
    counts[0] = 3
    image = np.repeat(np.arange(num_images), counts)
    limits = np.stack([widths, heights], axis=1)[image]
    sides = np.minimum(np.exp(rng.uniform(0, np.log(max_size), (len(image), 2))), limits)
    corners = rng.uniform(0, 1, sides.shape) * (limits - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return Annotations(boxes, np.concatenate([[0], np.cumsum(counts)]), heights, widths)


def test_costs_of_one_image():
    boxes = np.array([[10, 10, 60, 50], [300, 200, 500, 400]], np.float32)
    data = Annotations(boxes, np.array([0, 2, 2]), np.array([480, 480]), np.array([640, 640]))
    cost = measure_cost(data, PAPER, 512, SINGLE)
    # The first box counts at two levels, the second at one; the second image has none.
    assert cost.chips_per_level == (0.5, 0.5, 0.5)
    assert cost.chips_per_image == 1.5
    area = (round(175 * 1400 / 480) ** 2 + round(307 * 800 / 480) ** 2 + 512 * 384) / 2e6
    assert cost.mpx_per_image == pytest.approx(area)
    assert cost.mpx_single_scale == pytest.approx(1067 * 800 / 1e6)
    assert cost.mpx_pyramid == pytest.approx((1867 * 1400 + 1067 * 800 + 512 * 384) / 1e6)
    assert cost.relative == pytest.approx(area / (1067 * 800 / 1e6))


def least_tiles(length, tile):
    """The fewest tiles, and the shortest, that cover a length and share a quarter, and a pixel."""
    number, step = 1, int(tile * 0.75)
    while tile + (number - 1) * step < length:
        number += 1
    side = min(tile, length)
    while number > 1 and number * (side - 1) - (number - 1) * (tile - step + 1) >= length:
        side -= 1
    return number, side


def tiled_area(height, width, factor, tile_size):
    """Views and pixels of an image at a level, tile by tile."""
    if max(height, width) * factor <= tile_size:
        tiles = [(height, width)]
    else:
        (rows, tall), (columns, wide) = (
            least_tiles(length, int(tile_size / factor)) for length in (height, width)
        )
        tiles = [(tall, wide)] * (rows * columns)
    return len(tiles), sum(int(h * factor + 0.5) * int(w * factor + 0.5) for h, w in tiles)


@pytest.mark.parametrize('chip_size', [64, 100, 512])
def test_testing_looks_at_every_tile(chip_size):
    data = random_annotations(1)
    pyramid = Pyramid([1.7, 0.9, 0.3], [(-1, 60), (40, 150), (120, -1)])
    cost = measure_cost(data, pyramid, chip_size, SINGLE)
    for level, factor in enumerate(pyramid.levels):
        found = [tiled_area(*sides, factor, 4 * chip_size) for sides in zip(*data[2:])]
        views, area = np.mean(found, axis=0)
        assert cost.views_per_level[level] == pytest.approx(views)
        assert cost.mpx_testing_per_level[level] == pytest.approx(area / 1e6)
    assert cost.mpx_testing == pytest.approx(sum(cost.mpx_testing_per_level))
    assert cost.relative_testing == pytest.approx(cost.mpx_testing / cost.mpx_single_scale)
    tile_size = tile_size_in_testing(data, pyramid, chip_size)
    if chip_size == 512:  # whole images, nothing is seen twice
        assert tile_size is None and cost.mpx_testing == pytest.approx(cost.mpx_pyramid)
    else:
        assert tile_size == 4 * chip_size and cost.mpx_testing > cost.mpx_pyramid


@pytest.mark.parametrize('seed', range(5))
def test_without_chip_share_is_what_the_chips_leave_out(seed):
    data = random_annotations(seed)
    pyramid = Pyramid([2.0, 0.7], [(-1, 60), (90, -1)])
    chips = positive_chips(*data, pyramid, chip_size=256)
    valid = pyramid.in_range(box_sizes(data.boxes))
    inside = np.zeros(len(data.boxes), bool)
    for image, level, chip in zip(chips.image, chips.level, chips.boxes):
        of_image = slice(*data.image_starts[image : image + 2])
        boxes = data.boxes[of_image]
        whole = (boxes[:, :2] >= chip[:2]).all(1) & (boxes[:, 2:] <= chip[2:]).all(1)
        if level == 0:  # thin ones may be in a chip by chance, but none is made for them
            whole &= (boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 2
        inside[of_image] |= whole & valid[of_image, level]
    share = without_chip_share(data, pyramid, 256)
    assert share == pytest.approx(1 - inside.mean())
    uncovered = uncovered_share(data, pyramid)
    assert uncovered == pytest.approx(1 - valid.any(axis=1).mean())
    assert share > uncovered > 0


@pytest.mark.parametrize('seed', range(3))
def test_every_object_is_in_one_bin(seed):
    data = random_annotations(seed)
    sizes = box_sizes(data.boxes)
    histograms = scale_histograms(data, PAPER)
    valid = PAPER.in_range(sizes)
    for histogram in (histograms['image'], *histograms['levels']):
        edges = np.array(histogram['edges'])
        assert sum(histogram['counts']) == len(sizes)
        assert len(edges) == len(histogram['counts']) + 1
        assert np.allclose(edges[1:] / edges[:-1], 2**0.25)
    for level, histogram in enumerate(histograms['levels']):
        assert sum(histogram['valid_counts']) == valid[:, level].sum()
        assert (np.array(histogram['valid_counts']) <= histogram['counts']).all()


@pytest.mark.parametrize('size', [1, 2, 16, 50, 2**0.25])
def test_histogram_of_one_size(size):
    boxes = np.array([[0, 0, size, size]] * 3, np.float32)
    data = Annotations(boxes, np.array([0, 3]), np.array([100]), np.array([100]))
    histogram = scale_histograms(data, Pyramid([1.0], [(-1, -1)]))['image']
    edges, counts = np.array(histogram['edges']), np.array(histogram['counts'])
    assert counts.sum() == counts.max() == 3
    bin_of_all = counts.argmax()
    assert edges[bin_of_all] <= size * 1.001 and size <= edges[bin_of_all + 1] * 1.001


def test_sizes_at_a_level_are_those_in_the_image_times_the_factor():
    boxes = np.array([[0, 0, 40, 40]], np.float32)
    data = Annotations(boxes, np.array([0, 1]), np.array([200]), np.array([400]))
    histograms = scale_histograms(data, Pyramid([(-1, 800), 0.25], [(-1, 30), (30, -1)]))
    for level, seen in zip(histograms['levels'], (80, 10)):
        (index,) = np.flatnonzero(level['counts'])
        assert level['edges'][index] <= seen < level['edges'][index + 1]
    assert sum(histograms['levels'][0]['valid_counts']) == 0
    assert sum(histograms['levels'][1]['valid_counts']) == 1


def test_objects_too_long_for_their_levels_are_counted():
    boxes = np.array([[10, 10, 860, 18], [10, 40, 60, 90], [10, 100, 910, 105], [1, 1, 7, 2]])
    data = Annotations(boxes.astype(np.float32), np.array([0, 4]), *[np.array([1000])] * 2)
    assert promoted_share(data, PAPER, 512) == 0.5
    assert without_chip_share(data, PAPER, 512) == 0.75
    assert promoted_share(data, PAPER, 2000) == 0
    # The long ones have a chip at the coarsest level.
    assert measure_cost(data, PAPER, 512, SINGLE).chips_per_level[2] == 1
