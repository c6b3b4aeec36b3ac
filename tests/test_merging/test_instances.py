"""Merging across views against slow obvious references."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.mask import encode_mask_results
from mmengine.structures import InstanceData

from mmsniper.merging import RLEMasks, merge_instances

NMS = dict(type='nms', iou_threshold=0.5)


def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def slow_nms(boxes, scores, labels, threshold, class_agnostic):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(
            (labels[i] != labels[j] and not class_agnostic) or iou(boxes[i], boxes[j]) <= threshold
            for j in kept
        ):
            kept.append(i)
    return kept


def slow_soft_nms(boxes, scores, labels, threshold, min_score):
    """Linear soft-NMS, class by class: the score is scaled by 1 - IoU with each kept box above."""
    scores, rest, kept = list(scores), set(range(len(boxes))), []
    while rest:
        best = max(rest, key=lambda i: scores[i])
        rest.remove(best)
        kept.append((best, scores[best]))
        for i in list(rest):
            overlap = iou(boxes[i], boxes[best])
            if labels[i] == labels[best] and overlap > threshold:
                scores[i] *= 1 - overlap
            if scores[i] < min_score:
                rest.remove(i)
    return sorted(kept, key=lambda item: -item[1])


def random_view(generator, count, num_classes=3):
    corners = torch.rand(count, 2, generator=generator) * 60
    sides = torch.rand(count, 2, generator=generator) * 40 + 5
    return InstanceData(
        bboxes=torch.cat([corners, corners + sides], dim=1),
        scores=torch.rand(count, generator=generator) * 0.9 + 0.1,
        labels=torch.randint(num_classes, (count,), generator=generator) * 400,
    )


views_of = st.tuples(st.integers(0, 2**31), st.lists(st.integers(0, 12), min_size=1, max_size=4))


def build(drawn):
    seed, counts = drawn
    generator = torch.Generator().manual_seed(seed)
    return [random_view(generator, count) for count in counts]


def lists(views):
    fields = ([], [], [])
    for view in views:
        for field, values in zip(fields, (view.bboxes, view.scores, view.labels)):
            field += values.tolist()
    return fields


@settings(max_examples=60, deadline=None, derandomize=True)
@given(views_of, st.sampled_from([0.3, 0.5, 0.7]), st.booleans())
def test_hard_nms_matches_reference(drawn, threshold, class_agnostic):
    views = build(drawn)
    boxes, scores, labels = lists(views)
    expected = slow_nms(boxes, scores, labels, threshold, class_agnostic)
    merged, suppressed, cut = merge_instances(
        views, dict(type='nms', iou_threshold=threshold), -1, class_agnostic
    )
    assert merged.bboxes.tolist() == [boxes[i] for i in expected]
    assert merged.scores.tolist() == [scores[i] for i in expected]
    assert merged.labels.tolist() == [labels[i] for i in expected]
    assert (suppressed, cut) == (len(boxes) - len(expected), 0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(views_of)
def test_soft_nms_matches_reference(drawn):
    views = build(drawn)
    boxes, scores, labels = lists(views)
    expected = slow_soft_nms(boxes, scores, labels, 0.3, 0.05)
    nms = dict(type='soft_nms', iou_threshold=0.3, min_score=0.05)
    merged, suppressed, _ = merge_instances(views, nms, -1)
    assert merged.labels.tolist() == [labels[i] for i, _ in expected]
    wanted = torch.tensor([score for _, score in expected])
    torch.testing.assert_close(merged.scores, wanted.reshape(-1), rtol=0, atol=2e-4)
    wanted = torch.tensor([boxes[i] for i, _ in expected]).reshape(-1, 4)
    torch.testing.assert_close(merged.bboxes, wanted, rtol=0, atol=0)
    assert suppressed == len(boxes) - len(expected)


def test_limit_keeps_the_best_scores():
    generator = torch.Generator().manual_seed(0)
    views = [random_view(generator, 30), random_view(generator, 30)]
    everything, _, _ = merge_instances(views, NMS, -1)
    limited, _, cut = merge_instances(views, NMS, 7)
    assert torch.equal(limited.scores, everything.scores[:7])
    assert torch.equal(limited.bboxes, everything.bboxes[:7])
    assert cut == len(everything) - 7


def test_further_fields_follow_their_boxes():
    generator = torch.Generator().manual_seed(1)
    views = [random_view(generator, 10), random_view(generator, 10)]
    for view in views:
        view.masks = torch.zeros(10, 8, 9, dtype=torch.bool)
        view.masks[:] = (view.scores > 0.5)[:, None, None]
        view.first_side = view.bboxes[:, 0].clone()
    merged, _, _ = merge_instances(views, NMS)
    assert torch.equal(merged.first_side, merged.bboxes[:, 0])
    assert torch.equal(merged.masks[:, 0, 0], merged.scores > 0.5)
    assert merged.masks.shape[1:] == (8, 9)


def two_views_of_things():
    """A thing that both views see a part of, one that only the second sees, and their masks."""
    first = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 10, 10]]),
        scores=torch.tensor([0.6]),
        labels=torch.tensor([3]),
        first_side=torch.tensor([0.0]),
    )
    second = InstanceData(
        bboxes=torch.tensor([[20.0, 20, 30, 30], [2, 0, 12, 10]]),
        scores=torch.tensor([0.7, 0.9]),
        labels=torch.tensor([3, 3]),
        first_side=torch.tensor([20.0, 2]),
    )
    for view in (first, second):
        view.masks = torch.zeros(len(view), 32, 32, dtype=torch.bool)
        for mask, (left, top, right, bottom) in zip(view.masks, view.bboxes.int().tolist()):
            mask[top:bottom, left:right] = True
    return first, second


@pytest.mark.parametrize('kind_of_masks', ['tensor', 'array', 'RLEMasks'])
@pytest.mark.parametrize('kind', ['nmm', 'wbf'])
def test_boxes_of_views_become_one(kind, kind_of_masks):
    views = two_views_of_things()
    for view in views:
        if kind_of_masks != 'tensor':
            view.masks = view.masks.numpy()
        if kind_of_masks == 'RLEMasks':
            view.masks = RLEMasks(encode_mask_results(view.masks), (32, 32))
    for ordered in (views, views[::-1]):
        merged, fewer, cut = merge_instances(ordered, dict(type=kind, iou_threshold=0.5))
        assert (fewer, cut) == (1, 0)
        left, right, scores = (0, 12, [0.9, 0.7]) if kind == 'nmm' else (1.2, 11.2, [0.75, 0.7])
        wanted = torch.tensor([[left, 0, right, 10], [20, 20, 30, 30]])
        torch.testing.assert_close(merged.bboxes, wanted, check_dtype=False)
        torch.testing.assert_close(merged.scores, torch.tensor(scores))
        assert merged.labels.tolist() == [3, 3]
        assert merged.first_side.tolist() == [2, 20]  # of the best box
        masks = merged.masks
        masks = np.asarray(masks.astype(bool) if kind_of_masks == 'RLEMasks' else masks)
        expected = np.zeros((2, 32, 32), bool)
        expected[0, :10, 0 if kind == 'nmm' else 2 : 12] = True
        expected[1, 20:30, 20:30] = True
        assert (masks == expected).all()
    merged, fewer, cut = merge_instances(views, dict(type=kind, iou_threshold=0.5), 1)
    assert len(merged) == len(merged.masks) == 1 and (fewer, cut) == (1, 1)
    if kind_of_masks != 'RLEMasks':
        assert [int(view.masks.sum()) for view in views] == [100, 200]  # as they were


def test_scores_and_counts_of_fused_boxes():
    views = two_views_of_things()
    nms = dict(type='wbf', iou_threshold=0.5, num_views=2)
    merged, _, _ = merge_instances(views, nms)
    torch.testing.assert_close(merged.scores, torch.tensor([0.75, 0.35]))
    nms = dict(type='wbf', iou_threshold=0.5, min_score=0.65)
    merged, fewer, cut = merge_instances(views, nms)
    assert merged.bboxes.tolist() == [[2, 0, 12, 10], [20, 20, 30, 30]]
    assert (fewer, cut) == (1, 0)


def test_views_without_detections():
    empty = InstanceData(
        bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0, dtype=torch.long)
    )
    merged, suppressed, cut = merge_instances([empty, empty], NMS)
    assert merged.bboxes.shape == (0, 4)
    assert (len(merged), suppressed, cut) == (0, 0, 0)
    filled = random_view(torch.Generator().manual_seed(2), 1)
    filled.masks = torch.ones(1, 4, 4, dtype=torch.bool)
    merged, _, _ = merge_instances([empty, filled, empty], NMS)
    assert torch.equal(merged.bboxes, filled.bboxes)
    assert merged.masks.all()


def test_half_precision_scores_keep_their_dtype():
    view = random_view(torch.Generator().manual_seed(3), 6)
    view.scores = view.scores.half()
    for nms_type in ('nms', 'soft_nms', 'nmm', 'wbf'):
        merged, _, _ = merge_instances([view, view], dict(type=nms_type, iou_threshold=0.5))
        assert merged.scores.dtype == torch.float16 and merged.bboxes.dtype == torch.float32


@pytest.mark.parametrize('kind', ['nms', 'soft_nms', 'nmm', 'wbf'])
def test_the_order_of_views_does_not_matter(kind):
    generator = torch.Generator().manual_seed(4)
    views = [random_view(generator, 40) for _ in range(3)]
    for view in views:
        view.scores = (view.scores * 4).ceil() / 4  # many are equal
    one, *others = (
        merge_instances([views[i] for i in order], dict(type=kind, iou_threshold=0.3), 30)[0]
        for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0))
    )
    for other in others:
        for field in ('bboxes', 'scores', 'labels'):
            assert torch.equal(one[field], other[field])


@pytest.mark.parametrize('kind', ['nms', 'soft_nms', 'nmm', 'wbf'])
def test_one_box_of_two_classes_in_any_order_of_views(kind):
    """Where classes suppress each other and neither score nor position tells them apart."""
    box = torch.tensor([[0.0, 0, 10, 10]])
    views = [
        InstanceData(bboxes=box, scores=torch.tensor([0.5]), labels=torch.tensor([label]))
        for label in (4, 2)
    ]
    for ordered in (views, views[::-1]):
        nms = dict(type=kind, iou_threshold=0.5)
        merged, _, _ = merge_instances(ordered, nms, 1, class_agnostic=True)
        assert merged.labels.tolist() == [2]
