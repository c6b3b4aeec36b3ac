"""Merging where the boxes are on a GPU gives what it gives on the CPU."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmsniper.merging import RLEMasks, merge_instances
from mmsniper.merging.device import is_better_there

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')

KINDS = {
    'nms': dict(type='nms', iou_threshold=0.5),
    'soft_nms': dict(type='soft_nms', iou_threshold=0.3, min_score=0.05),
    'nmm': dict(type='nmm', iou_threshold=0.5),
    'nmm_ios': dict(type='nmm', iou_threshold=0.5, metric='ios'),
    'wbf': dict(type='wbf', iou_threshold=0.55),
}


def views(count, num_views=3, num_classes=2, seed=0):
    """Each view sees most objects of an image, boxes a bit off, in whole pixels.

    Overlaps are quotients of small integers then, which float32 and float64 compare alike.
    """
    rng = np.random.default_rng(seed)
    number = count // num_views
    side = int((number * 120**2) ** 0.5) + 200
    corners = rng.integers(0, side, (number, 2))
    sides = rng.integers(8, 150, (number, 2))
    labels = rng.integers(num_classes, size=number)
    found = []
    for _ in range(num_views):
        low = corners + rng.integers(-3, 4, corners.shape)
        high = corners + sides + rng.integers(-3, 4, corners.shape)
        boxes = np.concatenate([low, np.maximum(high, low + 1)], axis=1)
        # Some scores are equal: their order must not be left to the device.
        scores = rng.integers(1, 1000, number) / 1000
        found.append(
            InstanceData(
                bboxes=torch.from_numpy(boxes).float(),
                scores=torch.from_numpy(scores).float(),
                labels=torch.from_numpy(labels),
                place=torch.arange(number),
            )
        )
    return found


@pytest.mark.parametrize('class_agnostic', [False, True])
@pytest.mark.parametrize('count', [30, 3000, 30000, 300000])
@pytest.mark.parametrize('kind', KINDS)
def test_as_on_the_cpu(kind, count, class_agnostic):
    on_cpu = views(count)
    on_gpu = [view.to('cuda') for view in on_cpu]
    expected, *numbers = merge_instances(on_cpu, KINDS[kind], -1, class_agnostic)
    found, *gpu_numbers = merge_instances(on_gpu, KINDS[kind], -1, class_agnostic)
    assert gpu_numbers == numbers
    assert all(found[key].is_cuda for key in ('bboxes', 'scores', 'labels', 'place'))
    for key in expected.keys():
        assert torch.equal(found[key].cpu(), expected[key]), key


def test_the_operator_of_gpus_is_taken():
    found = views(30000)
    boxes, labels = (torch.cat([view[key] for view in found]) for key in ('bboxes', 'labels'))
    assert is_better_there(boxes.cuda(), labels.cuda(), False)
    assert not is_better_there(boxes[:300].cuda(), labels[:300].cuda(), False)


def test_masks_and_half_precision():
    """Masks are RLE in main memory whatever the boxes are on; a limit cuts both."""
    on_cpu = views(3000)
    for view in on_cpu:
        view.scores = view.scores.half()
        rle = dict(size=[4, 4], counts=[2, 14])
        view.masks = RLEMasks([rle] * len(view), (4, 4))
    on_gpu = [view.to('cuda') for view in on_cpu]
    expected = merge_instances(on_cpu, KINDS['nms'], 50)[0]
    found = merge_instances(on_gpu, KINDS['nms'], 50)[0]
    assert found.scores.dtype == torch.float16 and len(found.masks) == 50
    for key in ('bboxes', 'scores', 'labels'):
        assert torch.equal(found[key].cpu(), expected[key]), key
