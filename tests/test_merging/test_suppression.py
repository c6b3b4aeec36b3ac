"""Suppression on arrays against slow references in float64, and against mmcv on benign input."""

import numpy as np
import pytest
import torch
from mmcv.ops import nms as mmcv_nms
from mmcv.ops import soft_nms as mmcv_soft_nms

from mmsniper.merging import nms, soft_nms
from mmsniper.merging.kernels import _empty_grids, _find_near, _put


def boxes_on(rng, size, count, longest=0.1):
    """Boxes of sides spread evenly on a logarithmic scale, float32 as detectors give them."""
    corners = rng.uniform(0, size, (count, 2))
    sides = np.exp(rng.uniform(0, np.log(longest * size), (count, 2)))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def detections(seed, size=1000, count=400, num_classes=3, copies=3):
    """Several jittered copies of each box, as several views find it, in random order."""
    rng = np.random.default_rng(seed)
    boxes = np.repeat(boxes_on(rng, size, count), copies, axis=0)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = (boxes + rng.normal(0, 0.08, boxes.shape) * sides).astype(np.float32)
    labels = np.repeat(rng.integers(num_classes, size=count), copies)
    scores = rng.random(len(boxes)).astype(np.float32)
    order = rng.permutation(len(boxes))
    return boxes[order], scores[order], labels[order]


def iou_with(box, boxes):
    shared = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = shared.clip(0).prod(axis=1)
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (box, boxes)]
    return np.divide(shared, sum(areas) - shared, out=np.zeros(len(boxes)), where=shared > 0)


def slow_nms(boxes, scores, labels, threshold):
    boxes, kept = boxes.astype(np.float64), []
    for index in np.argsort(-scores, kind='stable'):
        rivals = [other for other in kept if labels[other] == labels[index]]
        if not (iou_with(boxes[index], boxes[rivals]) > threshold).any():
            kept.append(index)
    return kept


def slow_soft_nms(boxes, scores, labels, weigh, min_score):
    boxes, scores = boxes.astype(np.float64), scores.astype(np.float64)
    left, kept = np.ones(len(boxes), bool), []
    while (left & (scores >= min_score)).any():
        best = int(np.where(left, scores, -1).argmax())
        kept.append(best)
        left[best] = False
        rivals = np.flatnonzero(left & (labels == labels[best]))
        scores[rivals] *= weigh(iou_with(boxes[best], boxes[rivals]))
    return kept, scores[kept]


@pytest.mark.parametrize('threshold', [0, 0.3, 0.5, 0.9, 1])
@pytest.mark.parametrize('seed', range(4))
def test_hard(seed, threshold):
    boxes, scores, labels = detections(seed)
    expected = slow_nms(boxes, scores, labels, threshold)
    assert nms(boxes, scores, labels, threshold).tolist() == expected
    assert 0 < len(expected) < len(boxes) or threshold == 1


@pytest.mark.parametrize('method', ['linear', 'gaussian', 'naive'])
@pytest.mark.parametrize('threshold', [0.1, 0.5])
def test_soft(method, threshold):
    boxes, scores, labels = detections(5)
    weigh = dict(
        linear=lambda iou: np.where(iou >= threshold, 1 - iou, 1),
        gaussian=lambda iou: np.exp(-(iou**2) / 0.7),
        naive=lambda iou: np.where(iou >= threshold, 0, 1),
    )[method]
    kept, lowered = soft_nms(boxes, scores, labels, threshold, 0.7, 0.05, method)
    expected, expected_scores = slow_soft_nms(boxes, scores, labels, weigh, 0.05)
    assert kept.tolist() == expected
    np.testing.assert_allclose(lowered, expected_scores, rtol=1e-12)
    assert (np.diff(lowered) <= 0).all()


def test_many_classes_on_a_large_image():
    """Where classes that are moved apart in float32 have no exact pixels any more."""
    boxes, scores, labels = detections(6, size=15000, count=1500, num_classes=1200)
    assert nms(boxes, scores, labels, 0.5).tolist() == slow_nms(boxes, scores, labels, 0.5)


def test_boxes_of_all_sizes_at_any_place():
    """Far outside of each other, negative, as large as floats can be, thin, and on one spot."""
    rng = np.random.default_rng(7)
    parts = [boxes_on(rng, size, 60, longest=1) for size in (10, 1e4, 1e8, 1e15, 1e30)]
    parts += [parts[1] - 2e4, parts[1] * [1, 1e-3, 1, 1e-3], np.tile(parts[0][:1], (40, 1))]
    boxes = np.concatenate(parts).astype(np.float32)
    boxes = np.concatenate([boxes, boxes * np.float32(1.01)])
    scores, labels = rng.random(len(boxes)), np.zeros(len(boxes), int)
    for threshold in (0, 0.4):
        expected = slow_nms(boxes, scores, labels, threshold)
        assert nms(boxes, scores, labels, threshold).tolist() == expected


@pytest.mark.parametrize('scale', [1e-12, 1e-3, 1, 1e6])
def test_any_unit_takes_the_same_work(scale):
    """Pixels or shares of the image: the few boxes near each one are looked at, not all."""
    boxes, scores, labels = detections(11, count=500, num_classes=1)
    scaled = boxes * float(scale)
    grids = _empty_grids(scaled)
    for index, box in enumerate(scaled):
        _put(grids, box, index)
    near = np.empty(len(boxes), np.int64)
    counts = [_find_near(box, grids, 0.5, near) for box in scaled]
    assert np.mean(counts) < len(boxes) / 10
    found = nms(scaled, scores, labels, 0.5)
    assert found.tolist() == slow_nms(boxes, scores, labels, 0.5)


@pytest.mark.parametrize('sides', [(300, 1), (1, 300), (3000, 2)])
def test_lines_beside_each_other_are_not_all_looked_at(sides):
    """As those of a text or a barcode: long cells are for long boxes."""
    rng = np.random.default_rng(13)
    corners = rng.uniform(0, 4000, (2000, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1)
    boxes[:, 2:] += rng.uniform(0, 1, (2000, 2))
    grids = _empty_grids(boxes)
    for index, box in enumerate(boxes):
        _put(grids, box, index)
    near = np.empty(len(boxes), np.int64)
    counts = [_find_near(box, grids, 0.3, near) for box in boxes]
    assert np.mean(counts) < 20
    scores, labels = rng.random(2000), np.zeros(2000, int)
    assert nms(boxes, scores, labels, 0.3).tolist() == slow_nms(boxes, scores, labels, 0.3)


def test_overlaps_that_just_reach_the_threshold_are_found():
    """Shifted by a third or in part inside, boxes have an IoU of a half, at any place."""
    wide, high, half = (
        np.array([[0, 0, 3, 3], [1, 0, 4, 3]]),
        np.array([[0, 0, 3, 3], [0, 1, 3, 4]]),
        np.array([[0, 0, 8, 8], [0, 4, 8, 8]]),
    )
    places = np.random.default_rng(12).integers(0, 2**20, (100, 1, 1, 2))
    for pair in (wide, high, half, half[::-1]):
        boxes = (pair + np.tile(places, 2) * 2**4).reshape(-1, 4)
        scores = np.tile([0.9, 0.8], 100)
        labels = np.zeros(200, int)
        assert len(nms(boxes, scores, labels, 0.5)) == 200
        assert len(nms(boxes, scores, labels, 0.5 - 1e-9)) == 100
        assert len(soft_nms(boxes, scores, labels, 0.5, method='naive')[0]) == 100


def test_as_mmcv_on_benign_input():
    boxes, scores, labels = detections(8, num_classes=1)
    tensors = torch.from_numpy(boxes), torch.from_numpy(scores)
    assert nms(boxes, scores, labels, 0.5).tolist() == mmcv_nms(*tensors, 0.5)[1].tolist()
    for method in ('linear', 'gaussian', 'naive'):
        expected, keep = mmcv_soft_nms(*tensors, 0.3, 0.5, 0.01, method)
        kept, lowered = soft_nms(boxes, scores, labels, 0.3, 0.5, 0.01, method)
        assert kept.tolist() == keep.tolist()
        np.testing.assert_allclose(lowered, expected[:, 4].numpy(), atol=1e-5)


@pytest.mark.parametrize('run', [nms, soft_nms])
def test_the_order_of_boxes_does_not_matter(run):
    """Many of them have the same score, and some are there twice."""
    boxes, scores, labels = detections(9)
    boxes, labels = np.tile(boxes, (2, 1)), np.tile(labels, 2)
    scores = np.round(np.tile(scores, 2), 1) + 0.05
    results = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(boxes))
        found = run(boxes[order], scores[order], labels[order], 0.5)
        kept, found_scores = found if isinstance(found, tuple) else (found, scores[order][found])
        kept = order[kept]
        results.append(np.column_stack([boxes[kept], labels[kept], found_scores]))
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('run', [nms, lambda *args: soft_nms(*args)[0]])
def test_what_is_not_finite_goes_and_changes_nothing_else(run, value):
    boxes, scores, labels = detections(10)
    bad_boxes, bad_scores = boxes.copy(), scores.copy()
    bad_boxes[::7, np.arange(0, len(boxes), 7) % 4] = value
    bad_scores[::11] = value
    good = np.isfinite(bad_boxes).all(axis=1) & np.isfinite(bad_scores)
    kept = run(bad_boxes, bad_scores, labels, 0.5)
    expected = run(boxes[good], scores[good], labels[good], 0.5)
    assert kept.tolist() == np.flatnonzero(good)[expected].tolist()
    assert len(kept) > 100


@pytest.mark.parametrize('run', [nms, lambda *args: soft_nms(*args)[0]])
def test_boxes_without_area_overlap_nothing(run):
    boxes = np.array([[5, 5, 5, 9], [5, 5, 5, 9], [0, 0, 10, 10], [9, 9, 2, 2]] * 20, np.float32)
    kept = run(boxes, np.linspace(1, 0.5, 80), np.zeros(80, int), 0.5)
    assert (kept % 4 != 2).sum() == 60
    assert run(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), 0.5).shape == (0,)
