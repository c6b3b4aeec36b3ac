"""What lies on ignored objects, against loops over boxes and pixels."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import bbox_overlaps

from mmsniper.models.ignoring.left_out import (
    Grid,
    anchors_left_out,
    grids_left_out,
    points_left_out,
    queries_left_out,
)
from mmsniper.models.ignoring.queries import masks_left_out

NONE = torch.zeros(0, 4)


def some_boxes(rng, number, side=64):
    corners = np.sort(rng.integers(0, side, (number, 2, 2)), axis=1)
    return torch.tensor(corners.reshape(number, 4) + [0, 0, 1, 1], dtype=torch.float32)


def contains(box, x, y, margin=(0, 0)):
    left, top, right, bottom = box.tolist()
    across, along = margin
    return left - across <= x < right + across and top - along <= y < bottom + along


@pytest.mark.parametrize('margins', [((0, 0), (0, 0)), ((4, 2), (3, 5))])
def test_points(margins):
    rng = np.random.default_rng(0)
    points = torch.tensor(rng.integers(0, 66, (200, 2)) / 2 + 10, dtype=torch.float32)
    ignored, valid = some_boxes(rng, 4), some_boxes(rng, 3)
    expected = [
        any(contains(box, x, y, margins[0]) for box in ignored)
        and not any(contains(box, x, y, margins[1]) for box in valid)
        for x, y in points.tolist()
    ]
    cells = [torch.tensor(margin, dtype=torch.float32).expand_as(points) for margin in margins]
    assert points_left_out(points, ignored, valid, *cells).tolist() == expected
    assert 20 < sum(expected) < 180


@pytest.mark.parametrize('cells', [(0, 0), (1, 0.5)])
def test_points_of_maps_of_a_batch(cells):
    rng = np.random.default_rng(3)
    grids = [
        Grid(torch.arange(8) * 8.0 + 4, torch.arange(6) * 10.0 + 1, (8.0, 10.0)),
        Grid(torch.arange(2) * 32.0, torch.arange(1) * 60.0, (32.0, 60.0)),
    ]
    ignored = [some_boxes(rng, 2), None, NONE, some_boxes(rng, 5)]
    valid = [some_boxes(rng, 3), some_boxes(rng, 1), NONE, NONE]
    found = grids_left_out(grids, ignored, valid, *cells)
    for grid, of_level in zip(grids, found):
        y, x = torch.meshgrid(grid.y, grid.x, indexing='ij')
        points = torch.stack([x.flatten(), y.flatten()], -1)
        margins = [number * torch.tensor(grid.cell).expand_as(points) for number in cells]
        for boxes, others, where in zip(ignored, valid, of_level):
            boxes = NONE if boxes is None else boxes
            expected = points_left_out(points, boxes, others, *margins)
            assert torch.equal(where.flatten(), expected)
    assert 0 < found[0].sum() < found[0].numel()


def test_anchors_and_queries():
    rng = np.random.default_rng(1)
    boxes, ignored, valid = some_boxes(rng, 300), some_boxes(rng, 3), some_boxes(rng, 3)
    anchors, queries = [], []
    for box in boxes:
        best = max(bbox_overlaps(box[None], valid)[0].tolist())
        on = [bbox_overlaps(box[None], other[None]).item() for other in ignored]
        shares = [bbox_overlaps(box[None], other[None], mode='iof').item() for other in ignored]
        anchors.append(max(on) > 0.3 and max(on) > best)
        queries.append(any(s > 0.5 and iou > best for s, iou in zip(shares, on)))
    assert anchors_left_out(boxes, ignored, valid).tolist() == anchors
    assert queries_left_out(boxes, ignored, valid).tolist() == queries
    assert sum(anchors) > 10 and sum(queries) > 10


@pytest.mark.parametrize('left_out', [points_left_out, anchors_left_out, queries_left_out])
def test_no_valid_box_spares_nothing_and_no_ignored_one_leaves_nothing_out(left_out):
    box = torch.tensor([[8.0, 8, 24, 24]])
    priors = torch.tensor([[16.0, 16]]) if left_out is points_left_out else box
    assert left_out(priors, box, NONE).tolist() == [True]
    assert left_out(priors, box, box).tolist() == [False]


def test_small_objects_in_front_of_large_ones():
    small, large = torch.tensor([[20.0, 20, 30, 30]]), torch.tensor([[0.0, 0, 60, 60]])
    both = torch.cat([small, large])
    assert queries_left_out(both, ignored=large, valid=small).tolist() == [False, True]
    assert queries_left_out(both, ignored=small, valid=large).tolist() == [True, False]


def test_masks_are_treated_as_boxes_are():
    rng = np.random.default_rng(2)
    boxes, ignored, valid = some_boxes(rng, 60), some_boxes(rng, 3), some_boxes(rng, 3)
    expected = queries_left_out(boxes, ignored, valid)
    masks, of_valid = (
        torch.stack([filled(box, 64) for box in part]).float() for part in (boxes, valid)
    )
    found = masks_left_out(masks * 2 - 1, ignored, of_valid, (64, 64))
    assert found.tolist() == expected.tolist() and 0 < expected.sum() < 60
    half = masks_left_out(-torch.ones(2, 32, 32), ignored, of_valid, (64, 64))
    assert half.tolist() == [False, False], 'an empty mask is on nothing'
    none = masks_left_out(masks * 2 - 1, ignored, of_valid[:0], (64, 64))
    assert none.tolist() == queries_left_out(boxes, ignored, NONE).tolist()


def filled(box, side):
    left, top, right, bottom = box.int().tolist()
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def test_masks_of_fewer_pixels_than_the_input():
    ignored = torch.tensor([[0.0, 0, 128, 64]])
    masks = -torch.ones(2, 16, 32)
    masks[0, :8, :16] = 1  # of an input of 256x128: that box
    masks[1, 8:, 16:] = 1
    assert masks_left_out(masks, ignored, torch.zeros(0, 128, 256), (128, 256)).tolist() == [1, 0]
