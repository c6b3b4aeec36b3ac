"""Labels of focus cells against the definition, cell by cell and object by object."""

import math

import pytest
import torch

from mmsniper.focus import focus_labels


def slow_labels(boxes, shape, stride, sizes, object_sizes=None):
    """The definition: a loop over cells and objects."""
    least, most, next_level = sizes
    labels = torch.zeros(shape, dtype=torch.int8)
    for row in range(shape[0]):
        for column in range(shape[1]):
            found = {0}
            for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
                width = min(x2, (column + 1) * stride) - max(x1, column * stride)
                height = min(y2, (row + 1) * stride) - max(y1, row * stride)
                if width <= 0 or height <= 0 or x2 <= x1 or y2 <= y1:
                    continue
                size = math.sqrt((x2 - x1) * (y2 - y1))
                if object_sizes is not None:
                    size = float(object_sizes[index])
                if least < size < most:
                    found.add(1)
                elif size <= least or most <= size < next_level:
                    found.add(-1)
            labels[row, column] = 1 if 1 in found else min(found)
    return labels


def drawn(seed, number):
    """Boxes of all sizes, some on the borders of cells, some over those of the map, some empty."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(number, 2, generator=generator) * 140 - 6
    sides = 2 ** (torch.rand(number, 2, generator=generator) * 8 - 1)
    boxes = torch.cat([centres - sides / 2, centres + sides / 2], 1)
    boxes[::3] = (boxes[::3] / 8).round() * 8
    return boxes


@pytest.mark.parametrize('number', [0, 1, 6, 30])
@pytest.mark.parametrize(('shape', 'stride'), [((16, 14), 8), ((7, 9), 16)])
@pytest.mark.parametrize('sizes', [(5, 64, 90), (2.5, 20.0, 28.0)])
def test_the_definition(number, shape, stride, sizes):
    boxes = drawn(number, number)
    labels = focus_labels(boxes, shape, stride, sizes)
    assert labels.dtype == torch.int8
    assert torch.equal(labels, slow_labels(boxes, shape, stride, sizes))
    object_sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt() * 1.5
    object_sizes[::4] = 0
    labels = focus_labels(boxes, shape, stride, sizes, object_sizes)
    assert torch.equal(labels, slow_labels(boxes, shape, stride, sizes, object_sizes))


@pytest.mark.parametrize(
    ('side', 'label'), [(4.9, -1), (5, -1), (5.1, 1), (63.9, 1), (64, -1), (89.9, -1), (90, 0)]
)
def test_sizes(side, label):
    box = torch.tensor([[0, 0, side, side]])
    assert focus_labels(box, (1, 1), 16).item() == label


def test_a_cell_that_is_only_touched_holds_nothing():
    labels = focus_labels(torch.tensor([[8.0, 8, 16, 24]]), (4, 4), 8)
    assert labels.nonzero().tolist() == [[1, 1], [2, 1]]


def test_a_focus_object_wins_and_a_large_one_loses():
    large, medium, small = [0.0, 0, 200, 200], [0.0, 0, 64, 80], [0.0, 0, 8, 8]
    labels = focus_labels(torch.tensor([small, medium, large]), (2, 11), 8)
    assert labels[0].tolist() == [1, *[-1] * 7, 0, 0, 0]
    assert labels[1].tolist() == [*[-1] * 8, 0, 0, 0]


def test_crowds_are_not_learnt():
    """Unless an object of its own is in front of them."""
    boxes = torch.tensor([[0.0, 0, 32, 8], [0, 0, 8, 8]])
    labels = focus_labels(boxes, (1, 5), 8, object_sizes=torch.tensor([0, 8]))
    assert labels.tolist() == [[1, -1, -1, -1, 0]]
