"""What is known at the detector of objects' sizes before a chip cut them, and of crowds."""

import copy

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.dataset import Compose

from mmsniper.focus import focus_labels

SMALL, VALID, CUT, CROWD, LARGE, OUTSIDE = range(6)
# Of an image of 200x100 pixels with a chip of the right half.
BOXES = {
    SMALL: (120, 10, 130, 20),
    VALID: (140, 10, 170, 40),
    CUT: (90, 50, 130, 80),  # three quarters of it are in the chip
    CROWD: (140, 60, 170, 90),
    LARGE: (0, 0, 120, 100),  # a sixth of it
    OUTSIDE: (10, 10, 40, 40),
}
FACTORS = {SMALL: 1, VALID: 1, CUT: np.sqrt(4 / 3), CROWD: 0, LARGE: np.sqrt(6)}
CHIP = (100, 0, 200, 100)


def packed(*transforms, chip=True, mode='ignore'):
    results = dict(
        img=np.zeros((100, 200, 3), np.uint8),
        img_shape=(100, 200),
        ori_shape=(100, 200),
        gt_bboxes=HorizontalBoxes(np.array(list(BOXES.values()), np.float32)),
        gt_bboxes_labels=np.array(list(BOXES)),
        gt_ignore_flags=np.array([each == CROWD for each in BOXES]),
        chip_level=0,
        chip_scale=2.0,
        valid_range=(20, 60),
        **(dict(chip=np.array(CHIP, np.float32)) if chip else {}),
    )
    steps = [
        *([dict(type='ChipSample')] if chip else []),
        dict(type='ScaleNormalize', mode=mode),
        *transforms,
        dict(type='PackChipInputs'),
    ]
    steps = [step if callable(step) else TRANSFORMS.build(step) for step in steps]
    return Compose(steps)(results)['data_samples']


def with_partners(results):
    """As ``MultiImageMixDataset`` gives them to a transform."""
    return dict(results, mix_results=[copy.deepcopy(results) for _ in range(3)])


def factors_of(instances):
    return dict(zip(instances.labels.tolist(), instances.size_factors.tolist()))


@pytest.mark.parametrize(
    'transforms',
    [
        [],
        [dict(type='RandomFlip', prob=1.0)],
        [dict(type='Resize', scale_factor=1.5)],
        [dict(type='PhotoMetricDistortion')],
    ],
)
def test_sizes_before_the_cut(transforms):
    sample = packed(*transforms)
    found = factors_of(sample.gt_instances)
    assert set(found) == {VALID, CUT}
    ignored = factors_of(sample.ignored_instances)
    assert set(ignored) == {SMALL, CROWD, LARGE}
    assert {**found, **ignored} == pytest.approx(FACTORS)


@pytest.mark.parametrize('mode, left', [('drop', {VALID, CUT, CROWD}), ('erase', {VALID, CUT})])
def test_objects_that_are_taken_out(mode, left):
    sample = packed(mode=mode)
    found = {**factors_of(sample.gt_instances), **factors_of(sample.ignored_instances)}
    assert found == pytest.approx({key: FACTORS[key] for key in left})


def test_whole_images():
    sample = packed(chip=False)
    found = {**factors_of(sample.gt_instances), **factors_of(sample.ignored_instances)}
    assert found == {each: float(each != CROWD) for each in BOXES}


@pytest.mark.parametrize(
    'transforms',
    [
        [dict(type='RandomCrop', crop_size=(150, 150))],
        [dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1))],
        [with_partners, dict(type='Mosaic', img_scale=(200, 200))],
    ],
)
def test_not_known_behind_what_changes_instances(transforms):
    sample = packed(*transforms)
    assert len(sample.gt_instances)
    for instances in (sample.gt_instances, sample.ignored_instances):
        assert 'size_factors' not in instances


def test_labels_of_a_chip():
    sample = packed()
    boxes = sample.ignored_instances.bboxes.tensor
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt() * sample.ignored_instances.size_factors
    labels = focus_labels(boxes, (25, 25), 8, (5, 64, 90), sizes)
    assert labels[3, 6] == 1, 'too small for the level'
    assert labels[18, 12] == -1, 'a crowd'
    assert labels[18, 2] == 0, 'a part of something large'
