"""What is read off the prediction of a focus head."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import PixelData

from mmsniper.focus.predictions import focus_map_of

AXES = {None: (), 'horizontal': (1,), 'vertical': (0,), 'diagonal': (0, 1)}


@pytest.mark.parametrize('flip', AXES)
@pytest.mark.parametrize('shape', [(64, 48), (61, 33), (17, 16)])
def test_a_flipped_view_marks_all_cells_that_marked_pixels_lie_in(flip, shape):
    stride = 16
    rows, columns = (-(-side // stride) for side in shape)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        data = torch.zeros(1, rows + 1, columns + 2)  # padded
        data[0, row, column] = 0.7
        sample = DetDataSample(metainfo=dict(img_shape=shape, focus_stride=stride))
        sample.focus_map = PixelData(data=data)
        found, side = focus_map_of(sample, flip)
        pixels = np.kron(data[0].numpy(), np.ones((stride, stride)))[: shape[0], : shape[1]]
        pixels = np.flip(pixels, AXES[flip])
        expected = np.zeros((rows, columns), np.float32)
        for y, x in np.argwhere(pixels > 0):
            expected[y // stride, x // stride] = 0.7
        assert side == stride
        assert np.array_equal(found, expected)
