"""Boxes, masks and proposals follow the pixels: draw a shape, transform it, find it again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from mmsniper.datasets import ChipSample, ScaleNormalize

HEIGHT, WIDTH = 120, 160
# Finding an edge in a resized image by its half-way grey value is exact to this share of a pixel.
TOLERANCE = 0.5


def drawn(box, masks='polygon'):
    """The results of loading an image that is black but for one white box at integer corners."""
    left, top, right, bottom = box
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[top:bottom, left:right] = 255
    if masks == 'polygon':
        polygon = np.array([left, top, right, top, right, bottom, left, bottom], np.float32)
        masks = PolygonMasks([[polygon]], HEIGHT, WIDTH)
    else:
        masks = BitmapMasks((image[None, :, :, 0] > 0).astype(np.uint8), HEIGHT, WIDTH)
    return dict(
        img=image,
        img_shape=(HEIGHT, WIDTH),
        ori_shape=(HEIGHT, WIDTH),
        height=HEIGHT,
        width=WIDTH,
        gt_bboxes=HorizontalBoxes(np.array([box], np.float32)),
        gt_bboxes_labels=np.array([3]),
        gt_ignore_flags=np.array([False]),
        gt_masks=masks,
        gt_seg_map=(image[:, :, 0] > 0).astype(np.uint8),
        proposals=np.array([box], np.float32),
        proposals_scores=np.array([0.5], np.float32),
    )


def found(image):
    """The box of the bright part of an image, with edges where the grey value is half."""
    bright = image[:, :, 0].astype(float) / 255
    box = []
    for axis in (0, 1):
        profile = bright.max(axis=axis)
        first, last = np.flatnonzero(profile >= 0.5)[[0, -1]]
        low, high = float(first), float(last + 1)
        if first > 0:  # the edge lies between the centres of pixel first - 1 and first
            before, after = profile[first - 1], profile[first]
            low = first - 0.5 + (0.5 - before) / (after - before)
        if last < len(profile) - 1:
            before, after = profile[last], profile[last + 1]
            high = last + 0.5 + (before - 0.5) / (before - after)
        box.append((low, high))
    (left, right), (top, bottom) = box
    return np.array([left, top, right, bottom])


def in_chip(results, chip, scale, valid_range=(-1, -1)):
    results.update(
        chip=np.array(chip, np.float32), chip_level=0, chip_scale=scale, valid_range=valid_range
    )
    return ScaleNormalize()(ChipSample(min_visible=0)(results))


@st.composite
def boxes_and_chips(draw):
    left, top = draw(st.integers(0, WIDTH - 12)), draw(st.integers(0, HEIGHT - 12))
    right, bottom = draw(st.integers(left + 12, WIDTH)), draw(st.integers(top + 12, HEIGHT))
    # The chip shows at least 6 px of the box in both directions, so that it can be found.
    chip_left, chip_top = draw(st.integers(0, right - 6)), draw(st.integers(0, bottom - 6))
    chip_right = draw(st.integers(max(left, chip_left) + 6, WIDTH))
    chip_bottom = draw(st.integers(max(top, chip_top) + 6, HEIGHT))
    return (left, top, right, bottom), (chip_left, chip_top, chip_right, chip_bottom)


@settings(max_examples=150, deadline=None)
@given(boxes_and_chips(), st.floats(0.5, 3), st.sampled_from(['polygon', 'bitmap']))
def test_everything_follows_the_pixels(box_and_chip, scale, masks):
    box, chip = box_and_chip
    results = in_chip(drawn(box, masks), chip, scale)
    image = results['img']
    height, width = chip[3] - chip[1], chip[2] - chip[0]
    assert image.shape[:2] == (int(height * scale + 0.5), int(width * scale + 0.5))
    assert results['img_shape'] == image.shape[:2]
    assert results['ori_shape'] == (height, width)
    assert results['image_shape'] == (HEIGHT, WIDTH)
    seen = found(image)
    assert np.abs(results['gt_bboxes'].numpy()[0] - seen).max() <= TOLERANCE
    assert np.abs(results['proposals'][0] - seen).max() <= TOLERANCE
    mask = results['gt_masks'].to_ndarray()[0]
    assert mask.shape == image.shape[:2]
    # Masks and segmentation maps are whole pixels, so their edges are half a pixel off at most.
    for whole in (mask, results['gt_seg_map']):
        rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
        edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        assert np.abs(edges - seen).max() <= 0.5 + TOLERANCE
    # Back to the image: what detectors do with their boxes, then what the merging does.
    back = results['gt_bboxes'].numpy()[0] / np.tile(results['scale_factor'], 2)
    back += np.tile(results['chip'][:2], 2)
    expected = np.clip(box, np.tile(chip[:2], 2), np.tile(chip[2:], 2))
    assert back == pytest.approx(expected, abs=1e-3)


def test_a_point_keeps_its_place_in_the_homography():
    results = in_chip(drawn((50, 30, 90, 60)), (40, 20, 100, 80), 2.0)
    corner = results['homography_matrix'] @ np.array([50, 30, 1])
    assert corner[:2] == pytest.approx(results['gt_bboxes'].numpy()[0, :2])
