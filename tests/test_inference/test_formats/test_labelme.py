"""labelme's files, against what labelme reads and the pixels of masks."""

import json
import os

import cv2
import numpy as np
import pycocotools.mask as mask_util
import pytest

from mmsniper.inference import ImageDetections
from mmsniper.inference.formats.labelme import Labelme

CLASSES = 'car', 'truck'


def detections(masks=None, name='north/1.jpg', path=None):
    return ImageDetections(
        index=0,
        name=name,
        path=path,
        width=60,
        height=40,
        boxes=np.array([[0.12345, 1, 20, 30.3], [5, 5, 6, 6]], np.float32),
        scores=np.array([0.9, 0.1234567], np.float32),
        labels=np.array([1, 0]),
        levels=np.array([0, 1]),
        masks=masks,
    )


def encode(bitmap):
    rle = mask_util.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    return dict(rle, counts=rle['counts'].decode())


def written(folder, image):
    output = Labelme(folder, CLASSES)
    output.write(image)
    return json.loads(output.path(image).read_text())


def test_boxes(tmp_path):
    content = written(tmp_path, detections())
    assert os.listdir(tmp_path / 'labelme' / 'north') == ['1.json']
    assert [content.pop(key) for key in ('version', 'flags')] == ['5.4.1', {}]
    assert [content.pop(key) for key in ('imageHeight', 'imageWidth')] == [40, 60]
    assert content.pop('imageData') is None and content.pop('imagePath') == 'north/1.jpg'
    first, second = content.pop('shapes')
    assert content == {}
    assert first == dict(
        label='truck',
        points=[[0.123, 1], [20, 30.3]],
        group_id=None,
        description='score 0.900',
        shape_type='rectangle',
        flags={},
        mask=None,
        score=0.9,
    )
    assert second['label'] == 'car' and second['points'] == [[5, 5], [6, 6]]
    assert second['score'] == 0.123457 and second['description'] == 'score 0.123'


def test_masks(tmp_path):
    ring = np.zeros((40, 60), bool)
    ring[5:20, 5:25] = True
    ring[8:12, 8:20] = False
    ring[14:16, 10:12] = False
    parts = np.zeros((40, 60), bool)
    parts[1:4, 1:9] = parts[30:, 50:] = True
    masks = [encode(ring), encode(parts)]
    shapes = written(tmp_path, detections(masks))['shapes']
    assert [shape['label'] for shape in shapes] == ['truck', 'car', 'car']
    assert [shape['group_id'] for shape in shapes] == [None, 1, 1]
    assert {shape['shape_type'] for shape in shapes} == {'polygon'}
    for mask, polygons in ((ring, shapes[:1]), (parts, shapes[1:])):
        # Each pixel ten times as large, so that how lines are drawn does not matter at centres.
        drawn = np.zeros((400, 600), np.uint8)
        points = [np.array(shape['points'], np.int32) * 10 for shape in polygons]
        cv2.fillPoly(drawn, points, 1)
        assert (drawn[5::10, 5::10] == mask).all()


def test_a_mask_without_a_pixel_is_its_box(tmp_path):
    masks = [encode(np.zeros((40, 60)))] * 2
    assert (
        written(tmp_path, detections(masks))['shapes'] == written(tmp_path, detections())['shapes']
    )


def test_no_detection(tmp_path):
    none = detections().of(np.zeros(2, bool))
    assert written(tmp_path, none)['shapes'] == []


@pytest.mark.parametrize('name', ['1.jpg', 'north/deep/1.jpg'])
@pytest.mark.parametrize('relative', [False, True])
def test_the_image_is_found(tmp_path, name, relative, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = tmp_path / 'input' / name
    image.parent.mkdir(parents=True)
    image.write_text('pixels')
    path = os.path.relpath(image) if relative else str(image)
    given = detections(name=name, path=path)
    content = written('out' if relative else tmp_path / 'out', given)
    file = tmp_path / 'out' / 'labelme' / f'{name[:-4]}.json'
    assert (file.parent / content['imagePath']).read_text() == 'pixels'
    assert not os.path.isabs(content['imagePath'])


def test_the_image_is_found_through_links(tmp_path):
    (tmp_path / 'disk' / 'deep').mkdir(parents=True)
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / '1.jpg').write_text('pixels')
    (tmp_path / 'out').symlink_to(tmp_path / 'disk' / 'deep')
    given = detections(name='1.jpg', path=str(tmp_path / 'images' / '1.jpg'))
    content = written(tmp_path / 'out', given)
    folder = tmp_path / 'out' / 'labelme'
    assert (folder / content['imagePath']).read_text() == 'pixels'


def test_an_address(tmp_path):
    given = detections(name='1.jpg', path='s3://bucket/1.jpg')
    assert written(tmp_path, given)['imagePath'] == 's3://bucket/1.jpg'


def test_a_frame_is_looked_for_beside_its_file(tmp_path):
    given = detections(name='clip.mp4/000012', path=str(tmp_path / 'clip.mp4'))
    assert written(tmp_path, given)['imagePath'] == '000012.jpg'
