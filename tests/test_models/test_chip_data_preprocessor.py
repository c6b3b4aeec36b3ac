"""Inputs that are padded to a least size."""

import copy

import numpy as np
import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData, PixelData

from mmsniper import InputError

NORMALISED = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
SIDE = 40


def picture(height, width, channels=3):
    image = torch.randint(0, 256, (channels, height, width), dtype=torch.uint8)
    boxes = torch.tensor([[0.0, 0.0, width, height]])
    masks = BitmapMasks(np.ones((1, height, width), np.uint8), height, width)
    sample = DetDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width)))
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0]), masks=masks)
    sample.gt_sem_seg = PixelData(sem_seg=torch.ones(1, height, width, dtype=torch.uint8))
    return image, sample


def batch(*pictures):
    images, samples = zip(*copy.deepcopy(pictures))
    return dict(inputs=list(images), data_samples=list(samples))


def padding(**settings):
    return MODELS.build(dict(type='ChipDataPreprocessor', least_size=SIDE, **settings))


@pytest.mark.parametrize(
    'settings',
    [
        dict(NORMALISED, bgr_to_rgb=True),
        dict(NORMALISED, pad_value=1.5, rgb_to_bgr=True),
        dict(NORMALISED, pad_size_divisor=32),
        dict(pad_value=114),
        dict(mean=[10.0], std=[2.0]),
    ],
    ids=['bgr', 'pad value', 'divisor', 'not normalised', 'one mean'],
)
@pytest.mark.parametrize('size', [(30, 20), (1, 200), (200, 1), (39, 40)])
def test_padded_like_an_image_beside_a_larger_one(settings, size):
    """MMDetection's own padding of a batch is the reference."""
    small = picture(*size)
    beside = picture(*(max(side, SIDE) for side in size))
    expected = DetDataPreprocessor(**settings)(batch(small, beside))
    found = padding(**settings)(batch(small))
    torch.testing.assert_close(found['inputs'], expected['inputs'][:1], rtol=0, atol=1e-5)
    (sample,), like = found['data_samples'], expected['data_samples'][0]
    assert sample.batch_input_shape == like.batch_input_shape
    assert sample.img_shape == size, 'boxes are clipped to the view'
    assert torch.equal(sample.gt_instances.bboxes, small[1].gt_instances.bboxes)


@pytest.mark.parametrize('training', [False, True])
def test_what_is_large_enough_stays(training):
    pictures = picture(SIDE, 90), picture(50, SIDE)
    found = padding(**NORMALISED)(batch(*pictures), training)
    expected = DetDataPreprocessor(**NORMALISED)(batch(*pictures), training)
    assert torch.equal(found['inputs'], expected['inputs'])
    for sample, like in zip(found['data_samples'], expected['data_samples']):
        assert sample.metainfo == like.metainfo


def test_each_image_of_a_training_for_itself():
    pictures = picture(10, 60), picture(50, 70), picture(5, 8)
    found = padding(pad_mask=True, pad_seg=True)(batch(*pictures), training=True)
    shapes = [(SIDE, 60), (50, 70), (SIDE, SIDE)]
    assert [sample.img_shape for sample in found['data_samples']] == shapes
    assert [sample.pad_shape for sample in found['data_samples']] == shapes
    assert [sample.ori_shape for sample in found['data_samples']] == [(10, 60), (50, 70), (5, 8)]
    for image, (given, before), sample in zip(found['inputs'], pictures, found['data_samples']):
        height, width = before.img_shape
        assert torch.equal(image[:, :height, :width], given.float())
        masks = sample.gt_instances.masks.masks
        assert masks.shape == (1, 50, 70) and masks.sum() == height * width
        segmentation = sample.gt_sem_seg.sem_seg
        assert segmentation.shape == (1, 50, 70) and (segmentation == 1).sum() == height * width


def test_stacked_images_without_samples():
    images = torch.randint(0, 256, (2, 3, 10, 60), dtype=torch.uint8)
    found = padding()(dict(inputs=images))
    assert found['inputs'].shape == (2, 3, SIDE, 60)
    assert torch.equal(found['inputs'][:, :, :10], images.float())
    assert found['data_samples'] is None


@pytest.mark.parametrize('size', [0, -1, 2.5, True, None])
def test_impossible_sizes(size):
    with pytest.raises(InputError, match='least_size must be a positive integer'):
        MODELS.build(dict(type='ChipDataPreprocessor', least_size=size))
