"""YOLO."""

import pytest
from foreign_data import Converted, write_picture, write_text

from mmsniper.errors import InputError
from mmsniper.foreign_formats import yolo_source


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / 'data'
    for name in ('train/a.jpg', 'train/deep/b.png', 'val/c.jpg'):
        write_picture(folder / 'images' / name, 200, 100)
    write_text(
        folder / 'labels/train/a.txt',
        '0 0.5 0.5 0.1 0.2',
        '0 0.5 0.5 0.1 0.2',  # twice
        '1 0.25 0.25 0.5 0.5 0.87',  # with a confidence
        '1 0.1 0.2 0.3 0.2 0.2 0.8',  # a triangle
        '1.0 1.0 0.5 0.1 0.1',  # crosses the border
        '7 0.5 0.5 0.1 0.1',
    )
    write_text(folder / 'labels/val/c.txt', '0 0.5 0.5 1 1')
    write_text(folder / 'labels/train/gone.txt', '0 0.5 0.5 1 1')
    data(folder)
    return folder


def data(folder, names='[cat, dog]', train='images/train', more=''):
    text = f'path: .\ntrain: {train}\nval: images/val\nnames: {names}\n{more}'
    return write_text(folder / 'data.yaml', text)


def test_boxes_and_polygons(folder, tmp_path):
    found = Converted(yolo_source(folder / 'data.yaml'), tmp_path / 'out.json')
    assert found.classes == ['cat', 'dog']
    names = ['images/train/a.jpg', 'images/train/deep/b.png']
    assert found.sizes() == dict.fromkeys(names, (200, 100))
    assert found.objects(names[0]) == [
        ('cat', 90, 40, 20, 20),
        ('dog', 0, 0, 100, 50),
        ('dog', 20, 20, 40, 60),
        ('dog', 190, 45, 10, 10),
    ]
    assert found.objects(names[1]) == []
    assert found.counts() == {
        'pictures without a label file, which have no object': 1,
        'label files whose picture is missing': 1,
        'objects that are there twice': 1,
        'boxes with a confidence, which is not used': 1,
        'objects of the class 7, which data.yaml does not name': 1,
        'boxes cut at the border of their picture': 1,
    }
    assert len(found.loaded()[0]['instances']) == 4


def test_shares_are_of_the_picture_as_it_is_loaded(tmp_path):
    write_picture(tmp_path / 'images/a.jpg', 200, 100, orientation=8)
    write_text(tmp_path / 'labels/a.txt', '0 0.5 0.5 0.2 0.1')
    write_text(tmp_path / 'data.yaml', 'train: images', 'names: [cat]')
    found = Converted(yolo_source(tmp_path / 'data.yaml'), tmp_path / 'out.json')
    assert found.objects('images/a.jpg') == [('cat', 40, 90, 20, 20)]


@pytest.mark.parametrize(
    'train',
    [
        'images/train/',
        '../images/train',  # as in exports of Roboflow
        '[images/train/deep, images/train]',
        'train.txt',
        'lists/train.txt',
    ],
)
def test_places(folder, tmp_path, train):
    data(folder, train=train)
    write_text(folder / 'train.txt', './images/train/a.jpg', 'images/train/deep/b.png')
    lines = '../images/train/a.jpg', 'images/train/deep/b.png', 'images/train/no.jpg'
    write_text(folder / 'lists/train.txt', *lines)
    found = Converted(yolo_source(folder / 'data.yaml'), tmp_path / 'out.json')
    assert list(found.sizes()) == ['images/train/a.jpg', 'images/train/deep/b.png']
    assert found.counts().get('listed pictures that are missing', 0) == ('lists' in train)
    assert found.counts().get('pictures that are listed twice', 0) == ('[' in train)


def test_other_parts_and_roots(folder, tmp_path):
    moved = write_text(tmp_path / 'config/my.yaml', (folder / 'data.yaml').read_text())
    found = Converted(yolo_source(moved, 'val', folder), tmp_path / 'out.json')
    assert found.objects('images/val/c.jpg') == [('cat', 0, 0, 200, 100)]
    with pytest.raises(InputError, match="has no 'test'; of train, val and test it has train, val"):
        yolo_source(folder / 'data.yaml', 'test')


def test_names_by_number(folder, tmp_path):
    data(folder, names='{7: sheep, 0: cat, 1: 2}')
    found = Converted(yolo_source(folder / 'data.yaml'), tmp_path / 'out.json')
    assert found.classes == ['cat', '2', 'sheep']
    assert ('sheep', 90, 45, 20, 10) in found.objects('images/train/a.jpg')


def test_labels_beside_the_pictures(tmp_path):
    write_picture(tmp_path / 'photos/a.jpg', 200, 100)
    write_text(tmp_path / 'photos/a.txt', '0 0.5 0.5 0.1 0.2')
    write_text(tmp_path / 'photos/classes.txt', 'cat')
    write_text(tmp_path / 'data.yaml', 'train: photos', 'names: [cat]')
    found = Converted(yolo_source(tmp_path / 'data.yaml'), tmp_path / 'out.json')
    assert found.objects('photos/a.jpg') == [('cat', 90, 40, 20, 20)]
    assert not found.counts()


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('0 0.5 0.5 0.1', r'a\.txt, line 2: 4 values are neither a box'),
        ('0 0.1 0.1 0.2 0.2 0.3 0.3 0.4', r'a\.txt, line 2: 8 values are neither'),
        ('0 0.5 0.5 0.1 x', r"a\.txt, line 2: 'x' is no number"),
        ('0.5 0.5 0.5 0.1 0.1', r"line 2: the class '0.5' is no whole number"),
        ('cat 0.5 0.5 0.1 0.1', r"line 2: 'cat' is no number"),
        ('0 100 50 20 20', r'a\.txt, line 2: 100 is no share'),
    ],
)
def test_malformed_lines(folder, tmp_path, line, message):
    write_text(folder / 'labels/train/a.txt', '0 0.5 0.5 0.1 0.1', line)
    with pytest.raises(InputError, match=message):
        Converted(yolo_source(folder / 'data.yaml'), tmp_path / 'out.json')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('names: [a]\ntrain: images\n: [', r'data\.yaml, line 3: it is no YAML'),
        ('- a', 'has no keys such as names'),
        ('train: images', 'has the names None'),
        ('names: [yes, no]\ntrain: images', 'has the name True for class 0: write it in quotes'),
        ('names: [a, a]\ntrain: images', "names the class 'a' twice"),
        ('names: [a]\nnc: 2\ntrain: images', 'has nc: 2, but names 1 classes'),
        ('names: [a]\ntrain: nowhere', r"nowhere, which .*data\.yaml names in 'train'"),
        ('names: [a]\ntrain: 5', "has 5 in 'train'"),
        ('path: gone\nnames: [a]\ntrain: images', "the path 'gone' .* as --root"),
    ],
)
def test_malformed_data_files(folder, text, message):
    write_text(folder / 'data.yaml', text)
    with pytest.raises(InputError, match=message):
        yolo_source(folder / 'data.yaml')


def test_labels_that_are_elsewhere(folder):
    for path in (folder / 'labels/train').glob('*.txt'):
        path.unlink()
    with pytest.raises(InputError, match=r'none of 2 pictures .* would be .*labels/train/a\.txt'):
        yolo_source(folder / 'data.yaml')
