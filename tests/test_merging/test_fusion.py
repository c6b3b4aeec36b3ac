"""Merging on arrays against slow references in float64, and against SAHI and ensemble-boxes."""

import numpy as np
import pytest

from mmsniper.merging import nmm, nms, wbf


def detections(seed, count=250, num_classes=3, copies=3, size=1000):
    """Several jittered copies of each box, as several views find it, in random order."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, size, (count, 2))
    sides = np.exp(rng.uniform(0, np.log(0.2 * size), (count, 2)))
    boxes = np.repeat(np.concatenate([corners, corners + sides], axis=1), copies, axis=0)
    boxes += rng.normal(0, 0.05, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 0.5)
    labels = np.repeat(rng.integers(num_classes, size=count), copies)
    scores = rng.uniform(0.01, 1, len(boxes))
    order = rng.permutation(len(boxes))
    return boxes[order], scores[order], labels[order]


def overlap(box, boxes, metric='iou'):
    shared = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = shared.clip(0).prod(axis=1)
    area, areas = ((each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (box, boxes))
    whole = np.minimum(area, areas) if metric == 'ios' else area + areas - shared
    return np.divide(shared, whole, out=np.zeros(len(boxes)), where=shared > 0)


def may_meet(labels, one, others, class_agnostic):
    return np.full(len(others), class_agnostic) | (labels[others] == labels[one])


def slow_nmm(boxes, scores, labels, threshold, metric='iou', class_agnostic=False):
    """Groups of box numbers by falling score, the best box of each first."""
    waiting, groups = list(np.argsort(-scores)), []
    while waiting:
        best, waiting = waiting[0], np.array(waiting[1:], int)
        near = overlap(boxes[best], boxes[waiting], metric) > threshold
        near &= may_meet(labels, best, waiting, class_agnostic)
        groups.append([best, *waiting[near]])
        waiting = waiting[~near].tolist()
    return groups


def slow_wbf(boxes, scores, labels, threshold, class_agnostic=False):
    """The groups, and the fused box of each, in the order that they begin."""
    groups, fused = [], np.zeros((0, 4))
    for one in np.argsort(-scores):
        firsts = np.array([group[0] for group in groups], int)
        ious = overlap(boxes[one], fused) * may_meet(labels, one, firsts, class_agnostic)
        if len(ious) and ious.max() > threshold:
            group = int(ious.argmax())
            groups[group].append(one)
            fused[group] = np.average(boxes[groups[group]], axis=0, weights=scores[groups[group]])
        else:
            groups.append([one])
            fused = np.vstack([fused, boxes[one]])
    return groups, fused


def groups_of(found):
    """The numbers of the boxes of each group."""
    return [set(np.flatnonzero(found.members == group)) for group in range(len(found.best))]


@pytest.mark.parametrize('metric', ['iou', 'ios'])
@pytest.mark.parametrize('threshold', [0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize('class_agnostic', [False, True])
def test_nmm(threshold, metric, class_agnostic):
    boxes, scores, labels = detections(1)
    expected = slow_nmm(boxes, scores, labels, threshold, metric, class_agnostic)
    found = nmm(boxes, scores, labels, threshold, metric, class_agnostic)
    assert found.best.tolist() == [group[0] for group in expected]
    assert groups_of(found) == [set(group) for group in expected]
    assert found.scores.tolist() == scores[found.best].tolist()
    around = [[*boxes[group, :2].min(axis=0), *boxes[group, 2:].max(axis=0)] for group in expected]
    assert found.boxes.tolist() == around
    assert 10 < len(expected) < len(boxes) - 10


@pytest.mark.parametrize('threshold', [0, 0.3, 0.55, 0.9])
@pytest.mark.parametrize('class_agnostic', [False, True])
@pytest.mark.parametrize('seed', range(3))
def test_wbf(seed, threshold, class_agnostic):
    boxes, scores, labels = detections(seed)
    expected, fused = slow_wbf(boxes, scores, labels, threshold, class_agnostic)
    means = np.array([scores[group].mean() for group in expected])
    order = np.argsort(-means)
    found = wbf(boxes, scores, labels, threshold, class_agnostic=class_agnostic)
    assert found.best.tolist() == [expected[group][0] for group in order]
    assert groups_of(found) == [set(expected[group]) for group in order]
    np.testing.assert_allclose(found.boxes, fused[order], rtol=1e-10)
    np.testing.assert_allclose(found.scores, means[order], rtol=1e-12)
    assert 10 < len(expected) < len(boxes) - 10


def test_scores_of_fused_boxes():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 12], [50, 50, 60, 60]], float)
    given = boxes, np.array([0.9, 0.3, 0.8]), np.zeros(3, int)
    both = [0, 0, 10, (10 * 0.9 + 12 * 0.3) / 1.2]
    for settings, scores in (
        (dict(), [0.8, 0.6]),
        (dict(conf_type='max'), [0.9, 0.8]),
        (dict(num_views=2), [0.6, 0.4]),
        (dict(num_views=4), [0.3, 0.2]),
        (dict(num_views=4, conf_type='max'), [0.9, 0.8]),
    ):
        found = wbf(*given, **settings)
        np.testing.assert_allclose(found.scores, scores)
        fused = found.boxes[found.members[0]]
        np.testing.assert_allclose(fused, both)
    assert wbf(*given, min_score=0.5).members.tolist() == [0, -1, 1]


def test_scores_of_0_fuse_to_the_best_box():
    boxes = np.array([[0, 0, 10, 12], [0, 0, 10, 10], [0, 0, 10, 11]], float)
    found = wbf(boxes, np.zeros(3), np.zeros(3, int))
    assert found.boxes.tolist() == [[0, 0, 10, 10]]
    assert found.members.tolist() == [0, 0, 0]


def test_a_fused_box_is_found_where_it_has_moved_to():
    """Over cells of its grid, and to a larger grid."""
    steps = np.arange(60)
    boxes = np.stack([steps, np.zeros(60), 14 + 1.4 * steps, np.full(60, 30)], axis=1)
    given = boxes, np.linspace(0.5, 1, 60)[::-1], np.zeros(60, int)
    expected, fused = slow_wbf(*given, 0.55)
    found = wbf(*given)
    assert groups_of(found) == [set(group) for group in expected]
    np.testing.assert_allclose(found.boxes, fused)
    assert max(len(group) for group in expected) > 12


def test_a_chain_does_not_become_one():
    """Each box overlaps the next; the best one takes in its neighbours and no more."""
    boxes = np.array([[4 * step, 0, 4 * step + 10, 10] for step in range(5)], float)
    found = nmm(boxes, np.array([0.5, 0.6, 0.9, 0.7, 0.4]), np.zeros(5, int), 0.4)
    assert found.members.tolist() == [1, 0, 0, 0, 2]
    assert found.boxes.tolist() == [[4, 0, 22, 10], [0, 0, 10, 10], [16, 0, 26, 10]]


def test_a_part_joins_the_whole_by_its_own_share():
    boxes = np.array([[0, 0, 100, 100], [90, 0, 110, 20], [0, 200, 9000, 9000], [5, 300, 7, 303]])
    given = boxes, np.array([0.9, 0.8, 0.5, 0.7]), np.zeros(4, int), 0.49
    assert nmm(*given).members.tolist() == [0, 1, 3, 2]
    found = nmm(*given, 'ios')
    assert found.members.tolist() == [0, 0, 1, 1]
    assert found.boxes.tolist() == [[0, 0, 110, 100], [0, 200, 9000, 9000]]
    assert found.best.tolist() == [0, 3]


@pytest.mark.parametrize('threshold', [0, 0.1, 0.4, 0.7])
def test_boxes_of_any_shape(threshold):
    """From lines to squares, which lie on grids of their own."""
    rng = np.random.default_rng(8)
    corners = rng.uniform(0, 300, (600, 2))
    sides = np.exp(rng.uniform(np.log(0.05), np.log(500), (600, 2)))
    boxes = np.concatenate([corners, corners + sides], axis=1).repeat(2, axis=0)
    boxes[:, 2:] += rng.uniform(0, 0.5, (1200, 2)) * np.repeat(sides, 2, axis=0)
    given = boxes, rng.uniform(0.1, 1, 1200), np.zeros(1200, int), threshold
    assert groups_of(nmm(*given)) == [set(group) for group in slow_nmm(*given)]
    assert groups_of(nmm(*given, 'ios')) == [set(group) for group in slow_nmm(*given, 'ios')]
    found = groups_of(wbf(*given))
    assert sorted(map(sorted, found)) == sorted(map(sorted, slow_wbf(*given)[0]))


@pytest.mark.parametrize('run', [nmm, wbf])
def test_boxes_of_all_sizes_at_any_place(run):
    rng = np.random.default_rng(7)
    parts = []
    for size in (10, 1e4, 1e8, 1e15, 1e30):
        corners = rng.uniform(0, size, (50, 2))
        sides = np.exp(rng.uniform(0, np.log(size), (50, 2)))
        parts.append(np.concatenate([corners, corners + sides], axis=1))
    parts += [parts[1] - 2e4, parts[1] * [1, 1e-3, 1, 1e-3], np.tile(parts[0][:1], (40, 1))]
    boxes = np.concatenate(parts)
    boxes = np.concatenate([boxes, boxes * 1.01])
    given = boxes, rng.uniform(0.1, 1, len(boxes)), np.zeros(len(boxes), int)
    for threshold in (0, 0.4):
        expected = slow_nmm(*given, threshold) if run is nmm else slow_wbf(*given, threshold)[0]
        found = run(*given, threshold)
        assert sorted(map(sorted, groups_of(found))) == sorted(map(sorted, expected))
    expected = slow_nmm(*given, 0.4, 'ios')
    assert groups_of(nmm(*given, 0.4, 'ios')) == [set(group) for group in expected]


def test_nmm_keeps_what_nms_keeps():
    boxes, scores, labels = detections(2)
    assert nmm(boxes, scores, labels, 0.5).best.tolist() == nms(boxes, scores, labels, 0.5).tolist()


@pytest.mark.parametrize('run', [nmm, wbf])
@pytest.mark.parametrize('class_agnostic', [False, True])
def test_the_order_of_boxes_does_not_matter(run, class_agnostic):
    """Many of them have the same score, and some are there twice."""
    boxes, scores, labels = detections(9)
    boxes, labels = np.tile(boxes, (2, 1)), np.tile(labels, 2)
    labels[: len(labels) // 4] += 1
    scores = np.round(np.tile(scores, 2), 1) + 0.05
    results = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(boxes))
        given = boxes[order], scores[order], labels[order]
        found = run(*given, 0.5, class_agnostic=class_agnostic)
        best = order[found.best]
        results.append(np.column_stack([boxes[best], labels[best], found.boxes, found.scores]))
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('run', [nmm, wbf])
def test_what_is_not_finite_goes_and_changes_nothing_else(run, value):
    boxes, scores, labels = detections(10)
    boxes[::7, np.arange(0, len(boxes), 7) % 4] = value
    scores[::11] = value
    good = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    found = run(boxes, scores, labels, 0.5)
    expected = run(boxes[good], scores[good], labels[good], 0.5)
    assert found.best.tolist() == np.flatnonzero(good)[expected.best].tolist()
    assert (found.boxes == expected.boxes).all() and (found.scores == expected.scores).all()
    assert (found.members[good] == expected.members).all() and (found.members[~good] == -1).all()


@pytest.mark.parametrize('run', [nmm, wbf])
def test_boxes_without_area_stay_alone(run):
    boxes = np.array([[5, 5, 5, 9], [5, 5, 5, 9], [9, 9, 2, 2]] * 20, np.float32)
    found = run(boxes, np.linspace(1, 0.5, 60), np.zeros(60, int), 0.5)
    assert found.best.tolist() == list(range(60))
    assert (found.boxes == boxes).all()
    found = run(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), 0.5)
    assert [len(part) for part in found] == [0, 0, 0, 0] and found.boxes.shape == (0, 4)


@pytest.mark.parametrize('num_models', [1, 2, 5])
@pytest.mark.parametrize('conf_type', ['avg', 'max'])
def test_wbf_as_ensemble_boxes(conf_type, num_models):
    reference = pytest.importorskip('ensemble_boxes').weighted_boxes_fusion
    for seed in range(10):
        boxes, scores, labels = detections(seed, copies=num_models)
        boxes = (boxes + 300) / 2000  # inside [0, 1], beyond which they are cut there
        assert boxes.min() >= 0 and boxes.max() <= 1
        model = np.random.default_rng(seed).integers(num_models, size=len(boxes))
        model[:num_models] = range(num_models)
        each = [
            [part[model == number] for number in range(num_models)]
            for part in (boxes, scores, labels)
        ]
        settings = dict(iou_thr=0.55, skip_box_thr=0.1, conf_type=conf_type)
        expected = np.column_stack(reference(*each, **settings))
        settings = dict(conf_type=conf_type, num_views=num_models, min_score=0.1)
        found = wbf(boxes, scores, labels, 0.55, **settings)
        result = np.column_stack([found.boxes, found.scores, labels[found.best]])
        # Boxes are summed in float32 there.
        assert len(result) == len(expected)
        for rows in (result, expected):
            rows[:] = rows[np.lexsort(np.round(rows, 4).T)]
        np.testing.assert_allclose(result, expected, atol=2e-6)


@pytest.mark.parametrize('metric', ['iou', 'ios'])
@pytest.mark.parametrize('threshold', [0.2, 0.5, 0.8])
def test_nmm_as_sahi(metric, threshold):
    combine = pytest.importorskip('sahi.postprocess.combine')
    for seed in range(5):
        boxes, scores, labels = detections(seed)
        rows = np.column_stack([boxes, scores, labels])
        expected = combine.batched_greedy_nmm(rows, metric.upper(), threshold)
        found = nmm(boxes, scores, labels, threshold, metric)
        groups = {frozenset([best, *others]) for best, others in expected.items()}
        assert {frozenset(group) for group in groups_of(found)} == groups
        assert set(found.best) == set(expected)
