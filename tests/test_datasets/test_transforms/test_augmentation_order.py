"""Where MMDetection's augmentations go, and what else has to follow them."""

import copy

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from painted_scenes import (
    LEVELS,
    LOAD,
    SIDES,
    assert_boxes_fit,
    assert_flags_follow_labels,
    assert_same_picture,
    chips,
    is_ignored,
    painted_boxes,
    write_scenes,
)

from mmsniper import InputError
from mmsniper.datasets import ChipDataset

FILTER = dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False)


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path)


def test_pixels_may_change_before_the_chip_is_cut(scenes):
    distortion = dict(type='PhotoMetricDistortion')
    before = ChipDataset(scenes, [*LOAD[:2], distortion, *LOAD[2:]], **LEVELS)
    plain = ChipDataset(scenes, LOAD, **LEVELS)
    whole = TRANSFORMS.build(dict(type='LoadIntactImage'))
    distort = TRANSFORMS.build(distortion)
    compared = 0
    for index in range(len(plain)):
        np.random.seed(index)
        results = before[index]
        assert_flags_follow_labels(results)
        assert (results['gt_bboxes'].numpy() == plain[index]['gt_bboxes'].numpy()).all()
        if results['chip_scale'] == 1:
            np.random.seed(index)
            image = distort(whole(plain.get_data_info(index)))['img']
            left, top, right, bottom = results['chip'].astype(int)
            assert (results['img'] == image[top:bottom, left:right]).all()
            compared += 1
    assert compared


@pytest.mark.parametrize(
    'augmentation',
    [
        dict(type='Rotate', prob=1.0),
        dict(type='ShearX', prob=1.0),
        dict(type='TranslateY', prob=1.0),
        dict(type='RandomFlip', prob=1.0),
        dict(type='Resize', scale=(230, 170)),
    ],
    ids=lambda augmentation: augmentation['type'],
)
def test_moving_the_image_before_the_chip_is_cut_is_an_error(scenes, augmentation):
    dataset = ChipDataset(scenes, [*LOAD[:2], augmentation, *LOAD[2:]], **LEVELS)
    with pytest.raises(InputError, match='before ChipSample cut its chip'):
        dataset[0]


def test_sizes_of_boxes_do_not_stay_behind(scenes):
    """A later transform would not keep them aligned with the boxes that it removes."""
    for results in chips(scenes, repeats=1):
        assert 'gt_box_sizes' not in results


def test_a_cut_object_stays_ignored_when_flipped_and_cropped(scenes):
    load = [*LOAD[:2], dict(type='ChipSample', min_visible=0.5), LOAD[3]]
    crop = dict(type='RandomCrop', crop_size=(100, 100), allow_negative_crop=True)
    flip = dict(type='RandomFlip', prob=1.0)
    plain = ChipDataset(scenes, load, **LEVELS)
    moved = ChipDataset(scenes, [*load, flip, crop], **LEVELS)
    cut = 0
    pairs = ((one, other) for _ in range(5) for one, other in zip(plain, moved))
    for one, other in pairs:  # cropped in another way each time
        flags = dict(zip(one['gt_bboxes_labels'].tolist(), one['gt_ignore_flags'].tolist()))
        for label, flag in zip(other['gt_bboxes_labels'].tolist(), other['gt_ignore_flags']):
            assert flag == flags[label]
            cut += bool(flag) and not is_ignored(label, one['valid_range'])
    assert cut, 'some objects are ignored because the chip cuts them'


@pytest.mark.parametrize('mode', ['drop', 'erase'])
def test_without_ignored_objects(scenes, mode):
    load = [*LOAD[:3], dict(type='ScaleNormalize', mode=mode)]
    crop = dict(type='RandomCrop', crop_size=(90, 90), allow_negative_crop=True)
    for results in chips(scenes, dict(type='RandomFlip', prob=0.5), crop, FILTER, load=load):
        labels = results['gt_bboxes_labels'].tolist()
        if mode == 'erase':
            assert not any(is_ignored(label, results['valid_range']) for label in labels)
            assert_same_picture(results['img'], painted_boxes(results))
        else:  # crowds are not out of range, and stay ignored
            valid = [flag == 0 for flag in results['gt_ignore_flags']]
            assert valid == [not is_ignored(label, results['valid_range']) for label in labels]
        assert_boxes_fit(results, 1.5)


def test_the_homography_tells_where_a_pixel_went(scenes):
    """What the size of an object in the network's input is worked out from."""
    augmentations = [
        dict(type='RandomFlip', prob=0.7, direction=['horizontal', 'vertical']),
        dict(type='RandomCrop', crop_size=(100, 110), allow_negative_crop=True),
        dict(type='RandomResize', scale=(128, 128), ratio_range=(0.7, 1.5), keep_ratio=False),
        dict(type='Rotate', prob=0.5, max_mag=20.0),
    ]
    compared = 0
    for results in chips(scenes, *augmentations, repeats=4):
        height, width = results['img'].shape[:2]
        originals = {instance['bbox_label']: instance['bbox'] for instance in results['instances']}
        for label, box in zip(results['gt_bboxes_labels'].tolist(), results['gt_bboxes'].numpy()):
            left, top, right, bottom = originals[label]
            chip = results['chip']
            whole = left >= chip[0] and top >= chip[1] and right <= chip[2] and bottom <= chip[3]
            corners = np.array([(x, y, 1) for x in (left, right) for y in (top, bottom)])
            x, y, _ = results['homography_matrix'] @ corners.T
            expected = np.array([x.min(), y.min(), x.max(), y.max()])
            inside = (expected > 1).all() and x.max() < width - 1 and y.max() < height - 1
            if whole and inside and not _was_cropped(results, box, expected):
                np.testing.assert_allclose(box, expected, atol=0.01)
                compared += 1
    assert compared > 30


def _was_cropped(results, box, expected) -> bool:
    """Whether RandomCrop cut an object that a rotation then brought away from the border."""
    return bool((box[2:] - box[:2] < expected[2:] - expected[:2] - 0.1).any())


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_proposals_follow_in_a_proposal_broadcaster(scenes, direction):
    broadcast = TRANSFORMS.build(
        dict(
            type='ProposalBroadcaster',
            transforms=[
                dict(type='RandomFlip', prob=0.5, direction=direction),
                dict(type='RandomResize', scale=(128, 128), ratio_range=(0.7, 1.5)),
            ],
        )
    )
    seen = set()
    for results in chips(scenes):
        results['proposals'] = results['gt_bboxes'].numpy().copy()
        results['proposals_scores'] = np.arange(len(results['proposals']), dtype=np.float32)
        results = broadcast(copy.deepcopy(results))
        proposals = results['proposals']
        if isinstance(proposals, HorizontalBoxes):
            proposals = proposals.numpy()
        np.testing.assert_allclose(proposals, results['gt_bboxes'].numpy(), atol=1e-3)
        assert_boxes_fit(results, 1.5)
        seen.add(results['flip'])
    assert seen == {True, False}


def test_scenes_have_what_the_tests_look_for():
    valid = [[not is_ignored(k, r) for k in range(len(SIDES))] for r in LEVELS['valid_ranges']]
    assert valid == [
        [True, True, True, True, False, False, False],
        [False, False, False, True, True, True, False],
    ]
