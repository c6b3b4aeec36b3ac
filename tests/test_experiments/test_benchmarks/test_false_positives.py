"""False positives against a count by hand and a slow reference."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from mmsniper.experiments.benchmarks import FalsePositiveCocoMetric
from mmsniper.experiments.benchmarks.false_positives import FALSE_POSITIVES
from mmsniper.experiments.benchmarks.figures import figure

CLASSES = ('disc', 'ring')


def write_objects(folder, objects):
    """Annotations: for each image (class, xywh, iscrowd) of its objects."""
    rows = [(image, *each) for image, found in enumerate(objects) for each in found]
    content = dict(
        images=[
            dict(id=i, file_name=f'{i}.png', width=200, height=200) for i in range(len(objects))
        ],
        annotations=[
            dict(
                id=place + 1,
                image_id=image,
                category_id=label + 5,
                bbox=list(map(float, box)),
                area=float(box[2] * box[3]),
                iscrowd=crowd,
            )
            for place, (image, label, box, crowd) in enumerate(rows)
        ],
        categories=[dict(id=i + 5, name=name) for i, name in enumerate(CLASSES)],
    )
    path = folder / 'objects.json'
    path.write_text(json.dumps(content))
    return str(path)


def count(folder, objects, detections, **options):
    """Detections: for each image (class, xyxy, score)."""
    metric = FalsePositiveCocoMetric(ann_file=write_objects(folder, objects), **options)
    metric.dataset_meta = dict(classes=CLASSES)
    results = []
    for image, found in enumerate(detections):
        prediction = dict(
            img_id=image,
            labels=np.array([label for label, _, _ in found], np.int64),
            bboxes=np.array([box for _, box, _ in found], np.float32).reshape(-1, 4),
            scores=np.array([score for _, _, score in found], np.float32),
        )
        results.append((dict(), prediction))
    return metric.compute_metrics(results)


def test_what_counts(tmp_path):
    objects = [
        [(0, (10, 10, 40, 40), 0), (1, (100, 100, 60, 60), 1)],
        [],
    ]
    detections = [
        [
            (0, (10, 10, 50, 50), 0.9),  # found
            (0, (12, 12, 52, 52), 0.8),  # found again
            (1, (10, 10, 50, 50), 0.7),  # of another class
            (1, (110, 110, 130, 130), 0.6),  # on a crowd
            (0, (110, 110, 130, 130), 0.5),  # on a crowd of another class
            (0, (150, 10, 170, 30), 0.2),  # not sure
        ],
        [(0, (10, 10, 50, 50), 0.3)],
    ]
    figures = count(tmp_path, objects, detections)
    assert figures['false_positives'] == 4 / 2
    assert figures['bbox_mAP'] > 0
    assert count(tmp_path, objects, detections, score_thr=0.75)['false_positives'] == 1 / 2


def test_no_detection_at_all(tmp_path):
    figures = count(tmp_path, [[(0, (10, 10, 40, 40), 0)]], [[]])
    assert figures == {} and figure(figures, 'bbox_mAP') == figure(figures, FALSE_POSITIVES) == 0
    # One, of a low score.
    figures = count(tmp_path, [[(0, (10, 10, 40, 40), 0)]], [[(0, (10, 10, 50, 50), 0.1)]])
    assert figures['false_positives'] == 0 and figures['bbox_mAP'] > 0.9


def test_the_second_best_object_may_be_the_one():
    # As COCO matches: the first takes the left one, the second overlaps that more, and gets the
    # right one all the same.
    objects = [[(0, (0, 0, 100, 100), 0), (0, (20, 0, 100, 100), 0)]]
    detections = [[(0, (0, 0, 100, 100), 0.9), (0, (9, 0, 109, 100), 0.8)]]
    with tempfile.TemporaryDirectory() as folder:
        figures = count(Path(folder), objects, detections)
    assert figures['false_positives'] == 0 and figures['bbox_mAP_50'] > 0.99


def overlap(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def by_hand(objects, detections):
    number = 0
    for found, seen in zip(objects, detections):
        corners = [
            (label, (x, y, x + w, y + h), crowd, index)
            for index, (label, (x, y, w, h), crowd) in enumerate(found)
        ]
        taken = set()
        for label, box, score in sorted(seen, key=lambda each: -each[2]):
            if score < 0.3:
                continue
            fits = []
            for other, corner, crowd, index in corners:
                shared = overlap(box, corner)
                union = area(box) if crowd else area(box) + area(corner) - shared
                if other == label and shared / union >= 0.5 and (crowd or index not in taken):
                    fits.append((not crowd, shared / union, index))
            if not fits:
                number += 1
            elif max(fits)[0]:
                taken.add(max(fits)[2])
    return number / len(objects)


@pytest.mark.parametrize('seed', range(5))
def test_random_scenes(tmp_path, seed):
    rng = np.random.default_rng(seed)
    objects, detections = [], []
    for _ in range(6):
        corners = rng.integers(0, 120, (8, 2))
        sides = rng.integers(10, 70, (8, 2))
        found = [
            (int(rng.integers(2)), (*map(int, corner), *map(int, side)), int(rng.random() < 0.3))
            for corner, side in zip(corners, sides)
        ]
        scores = rng.permutation(40) / 40 + 0.01
        seen = []
        for place in range(40):
            label, (x, y, w, h), _ = found[place % 8]
            x, y = x + int(rng.integers(-9, 10)), y + int(rng.integers(-9, 10))
            seen.append((label, (x, y, x + w, y + h), float(scores[place])))
        objects.append(found)
        detections.append(seen)
    expected = by_hand(objects, detections)
    assert count(tmp_path, objects, detections)['false_positives'] == pytest.approx(expected)
    assert expected > 1
