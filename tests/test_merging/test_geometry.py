"""Mapping, valid ranges and tile borders against slow obvious references."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import bbox_flip

from mmsniper.errors import InputError
from mmsniper.merging import in_valid_range, touches_tile_border, view_to_image

DIRECTIONS = ['horizontal', 'vertical', 'diagonal']


@st.composite
def tiles(draw):
    """An image shape, a tile inside it, and integer boxes (image pixels) inside the tile."""
    height, width = draw(st.integers(8, 300)), draw(st.integers(8, 300))
    x1, y1 = draw(st.integers(0, width - 4)), draw(st.integers(0, height - 4))
    x2, y2 = draw(st.integers(x1 + 4, width)), draw(st.integers(y1 + 4, height))
    boxes = []
    for _ in range(draw(st.integers(0, 6))):
        left, top = draw(st.integers(x1, x2 - 1)), draw(st.integers(y1, y2 - 1))
        boxes.append([left, top, draw(st.integers(left + 1, x2)), draw(st.integers(top + 1, y2))])
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return (height, width), (x1, y1, x2, y2), boxes


@settings(max_examples=60, deadline=None)
@given(tiles(), st.sampled_from([None, *DIRECTIONS]))
def test_view_to_image_undoes_crop_and_flip(tile, direction):
    _, chip, boxes = tile
    x1, y1, x2, y2 = chip
    in_crop = boxes - torch.tensor([x1, y1, x1, y1])
    if direction is not None:
        in_crop = bbox_flip(in_crop, (y2 - y1, x2 - x1), direction)
    assert torch.equal(view_to_image(in_crop, chip, direction), boxes)


@pytest.mark.parametrize(
    'direction, expected',
    [
        (None, [12, 23, 14, 27]),
        ('horizontal', [16, 23, 18, 27]),
        ('vertical', [12, 33, 14, 37]),
        ('diagonal', [16, 33, 18, 37]),
    ],
)
def test_view_to_image_by_hand(direction, expected):
    box = torch.tensor([[2.0, 3.0, 4.0, 7.0]])  # in a crop 10 wide and 20 high
    assert view_to_image(box, (10, 20, 20, 40), direction).tolist() == [expected]


def test_unknown_flip_direction_is_refused():
    with pytest.raises(InputError, match="'sideways'"):
        view_to_image(torch.zeros(1, 4), (0, 0, 4, 4), 'sideways')


@settings(max_examples=60, deadline=None)
@given(tiles(), st.integers(-1, 60), st.integers(-1, 60))
def test_valid_range_matches_reference(tile, low, high):
    _, _, boxes = tile
    keep = in_valid_range(boxes, (low, high))
    for (x1, y1, x2, y2), kept in zip(boxes.tolist(), keep.tolist()):
        size = math.sqrt((x2 - x1) * (y2 - y1))
        assert kept == ((low == -1 or size >= low) and (high == -1 or size < high))


def test_valid_range_is_half_open():
    boxes = torch.tensor([[0.0, 0.0, side, side] for side in (31.99, 32.0, 89.99, 90.0)])
    assert in_valid_range(boxes, (32, 90)).tolist() == [False, True, True, False]
    assert in_valid_range(boxes, (-1, 90)).tolist() == [True, True, True, False]
    assert in_valid_range(boxes, (32, -1)).tolist() == [False, True, True, True]
    assert in_valid_range(boxes, (-1, -1)).all()


@settings(max_examples=80, deadline=None)
@given(tiles(), st.sampled_from([(0.0, 0.0), (1.0, 1.0), (2.5, 0.5)]))
def test_border_matches_reference(tile, margin):
    (height, width), chip, boxes = tile
    touches = touches_tile_border(boxes, chip, (height, width), margin)
    for box, touch in zip(boxes.tolist(), touches.tolist()):
        expected = False
        for side, image_border in enumerate((0, 0, width, height)):
            inner = chip[side] != image_border
            expected |= inner and abs(box[side] - chip[side]) <= margin[side % 2]
        assert touch == expected


SIDES = {
    'left': [100, 130, 120, 150],
    'top': [130, 100, 150, 120],
    'right': [180, 130, 200, 150],
    'bottom': [130, 180, 150, 200],
}


@pytest.mark.parametrize('side', SIDES)
def test_each_inner_border(side):
    box = torch.tensor([SIDES[side]], dtype=torch.float32)
    assert touches_tile_border(box, (100, 100, 200, 200), (300, 300)).item()


@pytest.mark.parametrize('side', SIDES)
def test_the_borders_of_the_image_cut_nothing(side):
    box = torch.tensor([SIDES[side]], dtype=torch.float32) - 100
    assert not touches_tile_border(box, (0, 0, 100, 100), (100, 100), (5, 5)).item()


def test_margin_is_inclusive():
    boxes = torch.tensor([[101.0, 130, 120, 150], [101.1, 130, 120, 150]])
    touches = touches_tile_border(boxes, (100, 0, 200, 300), (300, 300), (1, 1))
    assert touches.tolist() == [True, False]
