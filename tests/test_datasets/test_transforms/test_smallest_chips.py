"""MMDetection's augmentations of chips that are one or two pixels wide or high."""

import random

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.dataset import Compose

from mmsniper.datasets import ChipSample, ScaleNormalize

SIZES = [(1, 1), (1, 2), (2, 1), (1, 30), (30, 1)]
DIRECTIONS = {'horizontal': (1,), 'vertical': (0,), 'diagonal': (0, 1)}
AUGMENTATIONS = [
    dict(type='RandomFlip', prob=1.0),
    dict(type='RandomFlip', prob=1.0, direction='vertical'),
    dict(type='RandomFlip', prob=1.0, direction='diagonal'),
    dict(type='RandomCrop', crop_size=(9, 9), allow_negative_crop=True),
    dict(
        type='RandomCrop',
        crop_type='relative_range',
        crop_size=(0.5, 0.5),
        allow_negative_crop=True,
    ),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='RandomResize', scale=(64, 64), ratio_range=(0.8, 2), keep_ratio=True),
    dict(type='Pad', size_divisor=32),
]
# Those that need colours, whatever the size of an image, and then those that raise on masks too.
WARPING = [
    dict(type='RandomShift', prob=1.0),
    dict(type='Rotate', prob=1.0),
    dict(type='ShearX', prob=1.0),
    dict(type='ShearY', prob=1.0),
    dict(type='TranslateX', prob=1.0),
    dict(type='TranslateY', prob=1.0),
]
COLOUR_ONLY = [
    dict(type='MinIoURandomCrop'),
    dict(type='CutOut', n_holes=2, cutout_shape=(2, 2)),
    dict(type='CutOut', n_holes=2, cutout_ratio=(0.5, 0.5)),
    dict(type='Expand', prob=1.0, seg_ignore_label=255),
    dict(type='RandomErasing', n_patches=2, ratio=0.4),
    dict(type='RandomAffine'),
    dict(type='PhotoMetricDistortion'),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='CachedMosaic', img_scale=(64, 64)),
    dict(type='CachedMixUp', img_scale=(64, 64)),
    dict(type='AutoContrast', prob=1.0),
    dict(type='Sharpness', prob=1.0),
]
PACKERS = ('PackDetInputs', 'PackChipInputs')


def chip_of(size, grey=False, masks=None):
    """All of an image as a chip at its own resolution, with an object on all of it."""
    height, width = size
    results = dict(
        img=np.arange(1, 1 + height * width * 3, dtype=np.uint8).reshape(height, width, 3),
        img_id=1,
        img_path='image.png',
        img_shape=size,
        ori_shape=size,
        gt_bboxes=HorizontalBoxes(np.array([[0, 0, width, height]], np.float32)),
        gt_bboxes_labels=np.zeros(1, int),
        gt_ignore_flags=np.zeros(1, bool),
        gt_seg_map=np.zeros(size, np.uint8),
        chip=np.array([0, 0, width, height], np.float32),
        chip_level=0,
        chip_scale=1.0,
        valid_range=(-1.0, -1.0),
    )
    if grey:
        results['img'] = results['img'][..., 0].copy()
    if masks == 'polygon':
        corners = np.array([0, 0, width, 0, width, height, 0, height], np.float32)
        results['gt_masks'] = PolygonMasks([[corners]], height, width)
    if masks == 'bitmap':
        results['gt_masks'] = BitmapMasks(np.ones((1, height, width), np.uint8), height, width)
    return results


def through(results, *steps):
    """What a pipeline makes of a chip."""
    np.random.seed(0)
    random.seed(0)
    steps = [TRANSFORMS.build(step) for step in steps]
    return Compose([ChipSample(), ScaleNormalize(), *steps])(results)


@pytest.mark.parametrize('pack', PACKERS)
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_every_augmentation_can_be_packed(size, pack):
    variants = [(grey, masks) for grey in (False, True) for masks in (None, 'polygon', 'bitmap')]
    cases = [(step, *variant) for step in AUGMENTATIONS for variant in variants]
    cases += [(step, False, masks) for step in WARPING for masks in (None, 'polygon', 'bitmap')]
    cases += [(step, False, None) for step in COLOUR_ONLY]
    for step, grey, masks in cases:
        packed = through(chip_of(size, grey, masks), step, dict(type=pack))
        # Crops may find that there is nothing left, which ChipDataset replaces.
        assert packed is None or packed['inputs'].shape[0] == (1 if grey else 3), step


@pytest.mark.parametrize('pack', PACKERS)
@pytest.mark.parametrize('direction', DIRECTIONS)
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_flipped_pixels_are_where_they_belong(size, direction, pack):
    flip = dict(type='RandomFlip', prob=1.0, direction=direction)
    plain = through(chip_of(size), dict(type=pack))['inputs'].numpy()
    flipped = through(chip_of(size), flip, dict(type=pack))['inputs'].numpy()
    axes = [axis + 1 for axis in DIRECTIONS[direction]]
    assert (flipped == np.flip(plain, axes)).all()


@pytest.mark.parametrize('grey', [False, True])
@pytest.mark.parametrize('size', [(1, 40), (40, 1), (1, 1)], ids=str)
def test_what_a_crop_left_one_pixel_of_can_be_flipped(size, grey):
    crop = dict(type='RandomCrop', crop_size=size[::-1], allow_negative_crop=True)
    plain, flipped = (
        through(chip_of((40, 40), grey), crop, *flips, dict(type='PackChipInputs'))['inputs']
        for flips in ((), (dict(type='RandomFlip', prob=1.0, direction='diagonal'),))
    )
    assert plain.shape[1:] == size
    assert (flipped.numpy() == np.flip(plain.numpy(), (1, 2))).all()


def test_objects_keep_their_size_in_the_original_image():
    """That a chip comes out two pixels wide does not change what its level is for."""
    results = chip_of((100, 1)) | dict(valid_range=(9.0, 11.0), chip_scale=0.5)
    results = through(results)
    assert results['img'].shape == (50, 2, 3)
    assert results['gt_bboxes'].numpy().tolist() == [[0, 0, 2, 50]]
    assert results['gt_ignore_flags'].tolist() == [False], 'sqrt(100 * 1) is 10'
