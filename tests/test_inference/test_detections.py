"""What is found in one image, and through JSON and back."""

import json

import numpy as np

from mmsniper.inference import ImageDetections


def detections(masks=None):
    return ImageDetections(
        index=3,
        name='north/1.jpg',
        path='pictures/north/1.jpg',
        width=640,
        height=480,
        boxes=np.array([[0.1, 1, 20, 30.3], [5, 5, 6, 6]], np.float32),
        scores=np.array([0.9, 0.1], np.float32),
        labels=np.array([2, 0]),
        levels=np.array([0, 1]),
        masks=masks,
    )


def test_json_keeps_all():
    masks = [dict(size=[480, 640], counts='abc'), dict(size=[480, 640], counts='d')]
    for given in (detections(), detections(masks), detections(masks).of(np.array([], int))):
        found = ImageDetections.from_json(json.loads(json.dumps(given.to_json())))
        assert found.to_json() == given.to_json()
        for field in ('boxes', 'scores', 'labels', 'levels'):
            before, after = getattr(given, field), getattr(found, field)
            assert before.dtype == after.dtype and before.shape == after.shape
            assert (before == after).all()


def test_some_of_them():
    masks = [dict(size=[480, 640], counts='abc'), dict(size=[480, 640], counts='d')]
    some = detections(masks).of(np.array([False, True]))
    assert len(some) == 1 and some.masks == masks[1:] and some.labels.tolist() == [0]
    assert some.name == 'north/1.jpg'


def test_a_broken_image():
    broken = ImageDetections.broken(7, 'a.jpg', 'in/a.jpg', 'it is empty')
    assert len(broken) == 0 and broken.fault == 'it is empty'
    assert ImageDetections.from_json(broken.to_json()).to_json() == broken.to_json()
