"""CSV and YOLO with names of images and classes that are hard to write."""

import csv
import os

import numpy as np
import pytest

from mmsniper.inference import ImageDetections
from mmsniper.inference.formats import FORMATS

CLASSES = 'a "big", red\ncar', 'lorry\u2028two', 'über'
NAMES = [
    'plain.jpg',
    'comma, "quote".jpg',
    'new\nline.jpg',
    'return\r.jpg',
    'both\r\n',
    '\N{PILE OF POO}.jpg',
    os.fsdecode(b'latin-\xe9.jpg'),
]


def detections(index, name):
    return ImageDetections(
        index=index,
        name=name,
        path=None,
        width=60,
        height=40,
        boxes=np.array([[0, 10, 30, 20]] * 3, np.float32),
        scores=np.array([0.9, 0.5, 0.25], np.float32),
        labels=np.arange(3),
        levels=np.zeros(3, np.int64),
    )


def test_csv(tmp_path):
    output = FORMATS['csv'](tmp_path, CLASSES)
    output.write_all(detections(index, name) for index, name in enumerate(NAMES))
    with output.file.open(encoding='utf-8', errors='surrogateescape', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['image'] for row in rows] == [name for name in NAMES for _ in CLASSES]
    assert [row['class'] for row in rows[:3]] == list(CLASSES)
    assert b'latin-\xe9.jpg' in output.file.read_bytes()
    assert output.file.read_bytes().startswith(
        b'image,class,score,x1,y1,x2,y2,label,level\nplain.jpg,'
    )


def test_yolo(tmp_path):
    output = FORMATS['yolo'](tmp_path, CLASSES)
    names = [*NAMES, 'classes.jpg']
    for index, name in enumerate(names):
        output.write(detections(index, name))
    lines = (tmp_path / 'yolo' / 'classes.txt').read_text(encoding='utf-8').split('\n')
    assert lines == ['a "big", red car', 'lorry two', 'über', '']
    labels = tmp_path / 'yolo' / 'labels'
    assert set(os.listdir(labels)) == {
        'both\r\n.txt' if name == 'both\r\n' else f'{name[:-4]}.txt' for name in names
    }
    assert (labels / 'classes.txt').read_text().splitlines()[1] == (
        '1 0.250000 0.375000 0.500000 0.250000 0.500000'
    )


@pytest.mark.parametrize('kind', ['yolo', 'labelme', 'geojson'])
def test_images_that_share_a_stem(tmp_path, kind):
    output = FORMATS[kind](tmp_path, CLASSES, {'sub/a.jpg', 'sub/a.png'})
    for index, name in enumerate(['sub/a.jpg', 'sub/a.png', 'a.jpg']):
        output.write(detections(index, name))
    ending = output.ending
    files = {path.relative_to(tmp_path / output.place).as_posix() for path in output_files(output)}
    assert files == {f'sub/a.jpg{ending}', f'sub/a.png{ending}', f'a{ending}'}


def output_files(output):
    return [path for path in (output.folder / output.place).rglob('*') if path.is_file()]
