"""Suppression by MMCV's operator on tensors, which runs on the CPU as it does on a GPU."""

import numpy as np
import pytest
import torch

from mmsniper.merging import device, nms


def detections(seed, size, num_classes):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, size, (300, 2)).repeat(3, axis=0) + rng.integers(0, 4, (900, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 30, (900, 2))], axis=1)
    labels = rng.integers(num_classes, size=300).repeat(3)
    return boxes.astype(np.float32), np.round(rng.random(900), 1).astype(np.float32), labels


@pytest.mark.parametrize('class_agnostic', [False, True])
@pytest.mark.parametrize('size, num_classes', [(200, 3), (15000, 100)])
def test_as_on_the_cpu(size, num_classes, class_agnostic):
    """With many equal scores, and pixels that MMCV's way to tell classes apart would lose."""
    boxes, scores, labels = detections(1, size, num_classes)
    boxes[::50, 2] = np.nan
    scores[::71] = np.inf
    tensors = [torch.from_numpy(each) for each in (boxes, scores, labels)]
    found = device.nms_on_device(*tensors, 0.45, class_agnostic)
    expected = nms(boxes, scores, labels, 0.45, class_agnostic)
    assert found.tolist() == expected.tolist()
    assert 200 < len(found) < 880


def test_only_large_classes_that_fit_the_memory_are_worth_it():
    boxes, _, labels = detections(1, 200, 3)
    given = torch.from_numpy(boxes), torch.from_numpy(labels), False
    assert not device.is_better_there(*given)  # on the CPU
    labels = torch.arange(12000)
    assert device.pays(labels // 4000) and not device.pays(labels // 1500)
    assert device.pays(labels[:20].repeat(3000)) and device.pays(torch.zeros(20000))
    assert not device.pays(torch.zeros(20001))


def test_nothing_to_suppress():
    empty = torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long)
    assert device.nms_on_device(*empty, 0.5).shape == (0,)
