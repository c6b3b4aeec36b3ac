"""Which proposal is positive, negative or ignored, on chips with a valid range."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData
from roi_heads import MAX_IOU, chip_sample, feature_gradient, instances, iou, priors, roi_head

from mmsniper import InputError

IGNORED = -1
BACKGROUND = 0


def wrapped(inner=MAX_IOU, **kwargs):
    return dict(type='ValidRangeAssigner', assigner=inner, **kwargs)


def assigner(**kwargs):
    return TASK_UTILS.build(wrapped(**kwargs))


# A chip of 512 pixels, twice the image's resolution: sizes of 16 to 64 pixels in the image count.
RANGE = dict(input_valid_range=(32.0, 128.0))
VALID = [[0, 0, 64, 64], [100, 0, 200, 100]]
VALID_LABELS = [5, 6]
TOO_LARGE = [300, 0, 500, 200]
TOO_SMALL = [40, 40, 60, 60]
CUT = [432, 300, 512, 380]  # in range, but most of it is beyond the chip's right border
CROWD = [0, 300, 300, 500]
IGNORED_BOXES = [TOO_LARGE, TOO_SMALL, CUT, CROWD]
CASES = {
    'on a valid object': ([0, 0, 64, 64], 1),
    'IoU 0.5 exactly with a valid object': ([0, 0, 64, 32], 1),
    'a little less than that': ([0, 0, 64, 31], BACKGROUND),
    'on the other valid object': ([100, 0, 200, 90], 2),
    'on a valid object, too large itself': ([100, 0, 230, 128], IGNORED),
    'on nothing': ([0, 150, 60, 210], BACKGROUND),
    'on nothing, too small': ([0, 150, 31.9, 182], IGNORED),
    'on nothing, of the lowest size': ([0, 150, 32, 182], BACKGROUND),
    'on nothing, a little below the highest size': ([64, 150, 191.9, 278], BACKGROUND),
    'on nothing, of the highest size': ([64, 150, 192, 278], IGNORED),
    'on nothing, long and thin, but of a size in range': ([0, 130, 256, 134], BACKGROUND),
    'on an object that is too large': ([300, 0, 490, 190], IGNORED),
    'IoU 0.4 with it, in range itself': ([300, 0, 380, 200], BACKGROUND),
    'on an object that is too small': ([40, 40, 60, 60], IGNORED),
    'a part of an object that is too large': ([320, 20, 380, 80], BACKGROUND),
    'on a cut object': ([432, 300, 512, 380], IGNORED),
    'on a cut object with IoU 0.6': ([432, 300, 512, 348], IGNORED),
    'on a cut object with IoU 0.4': ([432, 300, 512, 332], BACKGROUND),
    'on a crowd': ([0, 300, 290, 500], IGNORED),
    'inside a crowd': ([100, 350, 160, 410], BACKGROUND),
}


def assign_cases(valid=VALID, labels=VALID_LABELS, ignored=IGNORED_BOXES, **kwargs):
    result = assigner(**kwargs).assign(
        priors([box for box, _ in CASES.values()]),
        instances(valid, labels, **RANGE),
        instances(ignored, [9] * len(ignored)),
    )
    return result, dict(zip(CASES, result.gt_inds.tolist()))


def test_hand_made_cases():
    result, found = assign_cases()
    assert found == {name: expected for name, (_, expected) in CASES.items()}
    assert result.num_gts == 2
    labels = {IGNORED: -1, BACKGROUND: -1, 1: 5, 2: 6}
    assert result.labels.tolist() == [labels[expected] for _, expected in CASES.values()]


def test_a_chip_without_a_valid_box():
    result, found = assign_cases([], [])
    expected = {name: min(expected, BACKGROUND) for name, (_, expected) in CASES.items()}
    assert found == expected
    assert result.num_gts == 0
    assert (result.labels == -1).all()


def test_a_chip_without_any_box():
    _, found = assign_cases([], [], [])
    background = {name for name, index in found.items() if index == BACKGROUND}
    sizes = {name: np.sqrt((b[2] - b[0]) * (b[3] - b[1])) for name, (b, _) in CASES.items()}
    assert background == {name for name, size in sizes.items() if 32 <= size < 128}
    assert set(found.values()) == {IGNORED, BACKGROUND}


@pytest.mark.parametrize('ignored', [None, InstanceData(), instances([])])
def test_without_ignored_boxes(ignored):
    result = assigner().assign(
        priors([VALID[0], TOO_SMALL, CUT]), instances(VALID, VALID_LABELS, **RANGE), ignored
    )
    assert result.gt_inds.tolist() == [1, IGNORED, BACKGROUND]


@pytest.mark.parametrize('valid', [VALID, []])
@pytest.mark.parametrize('ignored', [IGNORED_BOXES, []])
def test_without_proposals(valid, ignored):
    result = assigner().assign(priors([]), instances(valid, **RANGE), instances(ignored))
    assert result.num_gts == len(valid)
    assert result.gt_inds.shape == result.labels.shape == (0,)


def test_open_range():
    tiny, huge = [0, 150, 1, 151], [0, 150, 400, 500]
    for bounds, expected in (((-1, -1), [0, 0]), ((10, -1), [-1, 0]), ((-1, 10), [0, -1])):
        result = assigner().assign(
            priors([tiny, huge]), instances(VALID, input_valid_range=bounds), instances([])
        )
        assert result.gt_inds.tolist() == expected


def test_between_a_valid_and_an_ignored_object_the_nearer_one_counts():
    valid, ignored = [0, 0, 100, 100], [20, 0, 120, 100]
    result = assigner().assign(
        priors([[4, 0, 104, 100], [16, 0, 116, 100]]),
        instances([valid], **RANGE),
        instances([ignored]),
    )
    assert result.gt_inds.tolist() == [1, IGNORED]


def test_half_precision_proposals():
    proposals = InstanceData(priors=torch.tensor([[0, 0, 500, 500], [0, 0, 64, 64]]).half())
    result = assigner().assign(proposals, instances(VALID, input_valid_range=(32, -1)), None)
    assert result.gt_inds.tolist() == [BACKGROUND, 1]


def test_box_types():
    boxes = HorizontalBoxes(torch.tensor([VALID[0], TOO_SMALL], dtype=torch.float32))
    result = assigner().assign(
        InstanceData(priors=boxes), instances(VALID, **RANGE), instances(IGNORED_BOXES)
    )
    assert result.gt_inds.tolist() == [1, IGNORED]


def test_against_a_loop():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (3, 300, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(4, 40, corners.shape)], -1).tolist()
    # Proposals near objects, as those of an RPN are.
    valid, ignored, candidates = boxes[0][:5], boxes[1][:6], boxes[2]
    moved = np.repeat(valid + ignored, 30, 0) + rng.normal(0, 2, (330, 4))
    candidates += moved[(moved[:, :2] < moved[:, 2:]).all(1)].tolist()
    labels = rng.integers(0, 80, 5).tolist()
    result = assigner().assign(
        priors(candidates),
        instances(valid, labels, input_valid_range=(10.0, 30.0)),
        gt_instances_ignore=instances(ignored),
    )
    expected = []
    for box in candidates:
        overlaps = [iou(box, other) for other in valid + ignored]
        nearest = int(np.argmax(overlaps))
        if not 10 <= np.sqrt((box[2] - box[0]) * (box[3] - box[1])) < 30:
            expected.append(IGNORED)
        elif overlaps[nearest] < 0.5:
            expected.append(BACKGROUND)
        else:
            expected.append(nearest + 1 if nearest < len(valid) else IGNORED)
    assert result.gt_inds.tolist() == expected
    assert {IGNORED, BACKGROUND, 1, 2, 3} <= set(expected)
    assert result.labels.tolist() == [labels[i - 1] if i > 0 else -1 for i in expected]


def test_background_inside_ignored_regions_can_be_left_out():
    _, found = assign_cases(ignore_iof_thr=0.5)
    changed = {name for name, index in found.items() if index != CASES[name][1]}
    assert changed == {
        'IoU 0.4 with it, in range itself',
        'a part of an object that is too large',
        'on a cut object with IoU 0.4',
        'inside a crowd',
    }
    assert {found[name] for name in changed} == {IGNORED}


def test_without_the_size_of_proposals():
    arguments = priors([VALID[0], [0, 150, 20, 170], TOO_SMALL]), instances(VALID), None
    with pytest.raises(InputError, match='PackChipInputs instead of PackDetInputs'):
        assigner().assign(*arguments)
    result = assigner(use_proposal_size=False).assign(*arguments)
    assert result.gt_inds.tolist() == [1, BACKGROUND, BACKGROUND]


def test_bad_threshold():
    with pytest.raises(InputError, match='ignore_iof_thr must be -1 or lie between 0 and 1'):
        assigner(ignore_iof_thr=3)


def test_attributes_and_copies():
    original = assigner()
    assert original.pos_iou_thr == 0.5, 'heads may read attributes of their assigner'
    for twin in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
        assert twin.assign(priors([VALID[1]]), instances(VALID, **RANGE), None).gt_inds == 2


@pytest.mark.parametrize(
    'sampler',
    [
        dict(type='RandomSampler'),
        dict(type='InstanceBalancedPosSampler'),
        dict(type='IoUBalancedNegSampler'),
    ],
)
def test_samplers_see_valid_boxes_only(sampler):
    valid = instances(VALID, VALID_LABELS, **RANGE)
    proposals = priors([box for box, _ in CASES.values()])
    result = assigner().assign(proposals, valid, instances(IGNORED_BOXES))
    sampled = TASK_UTILS.build(
        dict(sampler, num=100, pos_fraction=0.5, add_gt_as_proposals=True)
    ).sample(result, proposals, valid)
    expected = [index for _, index in CASES.values()]
    assert len(sampled.pos_inds) == len(VALID) + sum(index > 0 for index in expected)
    assert len(sampled.neg_inds) == expected.count(BACKGROUND)
    assert set(sampled.pos_gt_labels.tolist()) == set(VALID_LABELS)
    assert {tuple(box) for box in sampled.pos_gt_bboxes.tolist()} == {tuple(b) for b in VALID}


HEADS = pytest.mark.parametrize('stages', [1, 3])
ON_IGNORED, ELSEWHERE = [[8, 8, 40, 40], [10, 6, 42, 36]], [[48, 48, 60, 60]]
TOO_LARGE_ITSELF = [[0, 20, 60, 64]]
CHIP = dict(ignored=[[8, 8, 40, 40]], input_valid_range=(6.0, 40.0))


@HEADS
def test_roi_heads_get_no_gradient_from_what_is_left_out(stages):
    head = roi_head(wrapped(), stages)
    assert (feature_gradient(head, ON_IGNORED + TOO_LARGE_ITSELF, chip_sample(**CHIP)) == 0).all()


@HEADS
def test_background_and_valid_objects_still_count(stages):
    head = roi_head(wrapped(), stages)
    for chip in (CHIP, dict(CHIP, valid=[[44, 44, 56, 56]])):
        gradient = feature_gradient(
            head, ON_IGNORED + ELSEWHERE + TOO_LARGE_ITSELF, chip_sample(**chip)
        )
        assert (gradient[..., 6:, 6:] != 0).any()
        expected = feature_gradient(head, ELSEWHERE, chip_sample(**chip))
        # Refined in a later stage, what the first one left out could count, but it is gone.
        assert torch.equal(gradient, expected)


@HEADS
def test_without_the_assigner_ignored_objects_do_give_a_gradient(stages):
    head = roi_head(MAX_IOU, stages)
    for boxes in (ON_IGNORED, TOO_LARGE_ITSELF):
        assert (feature_gradient(head, boxes, chip_sample(**CHIP)) != 0).any()


def test_proposals_left_out_have_no_overlap_to_raise_the_thresholds_of_dynamic_rcnn():
    assigner = TASK_UTILS.build(
        dict(type='ValidRangeAssigner', assigner=MAX_IOU, use_proposal_size=False)
    )
    proposals = priors([[0, 0, 10, 10], [100, 0, 110, 10], [50, 50, 60, 60]])
    result = assigner.assign(proposals, instances([[0, 0, 10, 9]]), instances([[100, 0, 110, 10]]))
    assert result.gt_inds.tolist() == [1, -1, 0]
    assert result.max_overlaps.tolist() == pytest.approx([0.9, 0, 0])
