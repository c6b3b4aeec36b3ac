"""What is positive, negative or ignored, and that ignored instances move no weight."""

import numpy as np
import pytest
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from roi_heads import (
    FEATURES,
    MAX_IOU,
    SIZE,
    chip_sample,
    feature_gradient,
    instances,
    iou,
    priors,
    roi_head,
)

from mmsniper import InputError


def assigner(inner=MAX_IOU, **kwargs):
    return TASK_UTILS.build(dict(type='IgnoreAwareAssigner', assigner=inner, **kwargs))


VALID, IGNORED = [0, 0, 10, 10], [100, 0, 110, 10]
PRIORS = [
    [0, 0, 10, 10],  # on the valid object
    [100, 0, 110, 10],  # on the ignored object
    [100, 0, 110, 4],  # IoU 0.4 with the ignored object
    [100, 0, 110, 3],  # IoU 0.3 exactly: not above the threshold
    [50, 50, 60, 60],  # background
]


def test_hand_made_case():
    result = assigner().assign(priors(PRIORS), instances([VALID]), instances([IGNORED]))
    assert result.gt_inds.tolist() == [1, -1, -1, 0, 0]
    assert result.labels.tolist() == [0, -1, -1, -1, -1]


def test_a_chip_with_ignored_objects_only():
    plain = TASK_UTILS.build(MAX_IOU).assign(priors(PRIORS), instances([]), instances([IGNORED]))
    assert plain.gt_inds.tolist() == [0] * 5, 'the wrapped assigner makes everything background'
    result = assigner().assign(priors(PRIORS), instances([]), instances([IGNORED]))
    assert result.gt_inds.tolist() == [0, -1, -1, 0, 0]


def test_positives_on_an_ignored_object_are_left_out_as_well():
    result = assigner().assign(priors(PRIORS), instances([VALID]), instances([[0, 0, 10, 9]]))
    assert result.gt_inds.tolist() == [-1, 0, 0, 0, 0]


@pytest.mark.parametrize('ignored', [None, instances([])])
def test_without_ignored_objects_nothing_changes(ignored):
    result = assigner().assign(priors(PRIORS), instances([VALID]), ignored)
    assert result.gt_inds.tolist() == [1, 0, 0, 0, 0]


def test_no_priors():
    result = assigner().assign(priors([]), instances([VALID]), instances([IGNORED]))
    assert len(result.gt_inds) == 0


def test_against_a_loop():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (3, 300, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(4, 40, corners.shape)], -1).tolist()
    valid, ignored, candidates = boxes[0][:5], boxes[1][:6], boxes[2]
    inner = TASK_UTILS.build(MAX_IOU).assign(priors(candidates), instances(valid), None)
    result = assigner(ignore_iou_thr=0.3).assign(
        priors(candidates), instances(valid), gt_instances_ignore=instances(ignored)
    )
    for index, candidate in enumerate(candidates):
        left_out = any(iou(candidate, box) > 0.3 for box in ignored)
        assert result.gt_inds[index] == (-1 if left_out else inner.gt_inds[index])


def test_assigners_with_further_arguments():
    wrapper = assigner(dict(type='ATSSAssigner', topk=2))
    assert wrapper.topk == 2, 'heads may read attributes of their assigner'
    result = wrapper.assign(priors(PRIORS), [5], instances([VALID]), instances([IGNORED]))
    assert result.gt_inds[1:3].tolist() == [-1, -1]


def test_bad_threshold():
    with pytest.raises(InputError, match='ignore_iou_thr must lie between 0 and 1, but is 3'):
        assigner(ignore_iou_thr=3)


ONLY_IGNORED = dict(ignored=[[8, 8, 40, 40]])


def rpn_head(assigner_type):
    wrapped = dict(MAX_IOU, pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3)
    wrapped['match_low_quality'] = True
    config = dict(
        type='RPNHead',
        in_channels=FEATURES,
        feat_channels=FEATURES,
        anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[8]),
        train_cfg=ConfigDict(
            assigner=assigner_type(wrapped),
            # Enough places for every anchor, so that chance plays no part.
            sampler=dict(
                type='RandomSampler', num=1000, pos_fraction=0.5, add_gt_as_proposals=False
            ),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        test_cfg=None,
    )
    return MODELS.build(config)


def wrapped(inner):
    return dict(type='IgnoreAwareAssigner', assigner=inner)


def classification_gradients_of_rpn(assigner_type):
    """For each anchor the IoU with the ignored object and the gradient on its score."""
    torch.manual_seed(0)
    head = rpn_head(assigner_type)
    features = [torch.rand(1, FEATURES, SIZE // 8, SIZE // 8)]
    scores, deltas = head(features)
    scores[0].retain_grad()
    sample = chip_sample(**ONLY_IGNORED)
    losses = head.loss_by_feat(
        scores, deltas, [sample.gt_instances], [sample.metainfo], [sample.ignored_instances]
    )
    sum(sum(value) for value in losses.values()).backward()
    anchors = head.prior_generator.grid_priors([(SIZE // 8, SIZE // 8)], device='cpu')[0].tolist()
    ignored = sample.ignored_instances.bboxes[0].tolist()
    return torch.tensor([iou(a, ignored) for a in anchors]), scores[0].grad.flatten()


def test_rpn_gets_no_gradient_from_ignored_objects():
    overlaps, gradients = classification_gradients_of_rpn(wrapped)
    assert (overlaps > 0.3).sum() >= 4
    assert (gradients[overlaps > 0.3] == 0).all()
    assert (gradients[overlaps <= 0.3] != 0).all()


def test_rpn_without_the_wrapper_does_get_a_gradient():
    overlaps, gradients = classification_gradients_of_rpn(lambda inner: inner)
    assert (gradients[overlaps > 0.3] != 0).all(), 'or the test above could not fail'


ON_IGNORED, ELSEWHERE = [[8, 8, 40, 40], [10, 6, 42, 36]], [[48, 48, 60, 60]]


def roi_gradient(assigner_config, boxes):
    return feature_gradient(roi_head(assigner_config), boxes, chip_sample(**ONLY_IGNORED))


def test_roi_head_gets_no_gradient_from_ignored_objects():
    assert (roi_gradient(wrapped(MAX_IOU), ON_IGNORED) == 0).all()
    gradient = roi_gradient(wrapped(MAX_IOU), ON_IGNORED + ELSEWHERE)
    assert (gradient[..., 6:, 6:] != 0).any(), 'background still counts'
    assert torch.equal(gradient, roi_gradient(wrapped(MAX_IOU), ELSEWHERE))


def test_roi_head_without_the_wrapper_does_get_a_gradient():
    assert (roi_gradient(MAX_IOU, ON_IGNORED) != 0).any()


# Points as MMDetection has them: x, y and the strides, which must not be taken for a corner.
POINTS = [[10, 10, 8, 8], [25, 25, 8, 8], [40, 20, 8, 8], [20, 40, 8, 8], [60, 60, 8, 8]]
SOFT_LABEL = dict(type='DynamicSoftLabelAssigner', topk=1)


def points(rows, num_classes=2):
    """Points whose predicted boxes all fit the box at (20, 20, 30, 30) alike."""
    prior = torch.tensor(rows, dtype=torch.float32).reshape(len(rows), -1)
    return InstanceData(
        priors=prior,
        bboxes=torch.tensor([[20.0, 20, 30, 30]]).repeat(len(rows), 1),
        scores=torch.zeros(len(rows), num_classes),
    )


def test_points_inside_an_ignored_box_are_left_out_but_for_positives():
    valid, ignored = instances([[20, 20, 30, 30]]), instances([[0, 0, 40, 41]])
    plain = TASK_UTILS.build(SOFT_LABEL).assign(points(POINTS), valid)
    assert plain.gt_inds.tolist() == [0, 1, 0, 0, 0], 'the second point lies in the valid box'
    result = assigner(SOFT_LABEL).assign(points(POINTS), valid, ignored)
    # The third point lies on the right border, which is not inside any more.
    assert result.gt_inds.tolist() == [-1, 1, 0, -1, 0]
    assert result.labels.tolist() == [-1, 0, -1, -1, -1]


def test_points_of_a_chip_with_ignored_objects_only():
    result = assigner(SOFT_LABEL).assign(points(POINTS), instances([]), instances([[0, 0, 40, 41]]))
    assert result.gt_inds.tolist() == [-1, -1, 0, -1, 0]


@pytest.mark.parametrize(
    'inner, columns', [(SOFT_LABEL, 4), (dict(type='PointAssigner', scale=4, pos_num=5), 3)]
)
def test_points_against_a_loop(inner, columns):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.uniform(0, 60, (200, 2)), np.full((200, 2), 8.0)], -1)
    candidates = points(rows[:, :columns].tolist())
    corners = rng.uniform(0, 50, (5, 2))
    ignored = np.concatenate([corners, corners + rng.uniform(2, 20, (5, 2))], -1).tolist()
    valid = instances([[5, 5, 15, 15], [20, 20, 30, 30], [30, 15, 60, 50], [10, 32, 20, 52]])
    plain = TASK_UTILS.build(inner).assign(candidates, valid)
    result = assigner(inner).assign(candidates, valid, instances(ignored))
    kinds = set()
    for index, point in enumerate(candidates.priors.tolist()):
        x, y = point[:2]
        inside = any(b[0] <= x < b[2] and b[1] <= y < b[3] for b in ignored)
        left_out = inside and plain.gt_inds[index] <= 0
        assert result.gt_inds[index] == (-1 if left_out else plain.gt_inds[index])
        kinds.add((inside, bool(plain.gt_inds[index] > 0)))
    assert len(kinds) == 4, 'there are positives and others, inside and outside'


def test_prior_types():
    box = [[0, 0, 20, 20], [30, 30, 34, 34]]
    ignored = instances([[0, 0, 20, 20]])
    as_boxes = assigner(prior_type='box').assign(priors(box), instances([]), ignored)
    assert as_boxes.gt_inds.tolist() == [-1, 0]
    as_points = assigner(prior_type='point').assign(
        priors([[1, 1, 90, 90]]), instances([]), ignored
    )
    assert as_points.gt_inds.tolist() == [-1], 'its IoU as a box would be nearly nothing'
    with pytest.raises(
        InputError, match="prior_type must be one of auto, box, point, centre, but is 'p'"
    ):
        assigner(prior_type='p')


def test_boxes_that_stand_for_their_centres():
    settings = dict(type='CenterRegionAssigner', pos_scale=0.5, neg_scale=0.5, min_pos_iof=0.01)
    cells = priors([[10, 10, 14, 14], [28, 28, 32, 32], [60, 60, 64, 64], [90, 90, 94, 94]])
    small, large = instances([[20, 20, 40, 40]]), instances([[0, 0, 80, 80]])
    wrapped = assigner(settings, prior_type='centre')
    result = wrapped.assign(cells, small, large)
    assert result.gt_inds.tolist() == [-1, 1, -1, 0], (
        'the small object is in front of the large one'
    )
    assert assigner(settings).assign(cells, instances([]), large).gt_inds.tolist()[0] == 0


def test_ignored_boxes_that_ground_truth_was_told_of():
    boxes = priors([[0, 0, 20, 20], [30, 30, 60, 60]])
    truth = instances([[30, 30, 60, 60]])
    truth.set_metainfo(dict(ignored_boxes=torch.tensor([[0.0, 0, 20, 20]])))
    assert assigner().assign(boxes, truth).gt_inds.tolist() == [-1, 1]
    assert assigner().assign(boxes, truth, instances([])).gt_inds.tolist() == [-1, 1]


def test_what_a_head_sets_reaches_the_wrapped_assigner():
    for kind in ('IgnoreAwareAssigner', 'ValidRangeAssigner'):
        wrapper = TASK_UTILS.build(dict(type=kind, assigner=MAX_IOU))
        wrapper.pos_iou_thr = 0.9  # as Dynamic R-CNN does
        assert wrapper.assigner.pos_iou_thr == wrapper.pos_iou_thr == 0.9
        assert 'pos_iou_thr' not in vars(wrapper)
        wrapper.iou_calculator = None
        wrapper.assign = wrapper.__class__ = type('Another', (type(wrapper),), {})
        assert wrapper.assigner.iou_calculator is not None, 'its own stay its own'
        assert type(wrapper.assigner) is MaxIoUAssigner and 'assign' not in vars(wrapper.assigner)
