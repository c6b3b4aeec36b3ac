"""labelme."""

import json

import pytest
from foreign_data import Converted, write_picture, write_text

from mmsniper.errors import InputError
from mmsniper.foreign_formats import labelme_source


def shape(label, points, kind='rectangle', **more):
    return dict(label=label, points=points, shape_type=kind, flags={}, group_id=None, **more)


def write(path, shapes, picture='a.jpg', size=(100, 80), **more):
    content = dict(version='5.4.1', flags={}, shapes=shapes, imagePath=picture, imageData=None)
    content.update(imageWidth=size[0], imageHeight=size[1], **more)
    return write_text(path, json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / 'data'
    write_picture(folder / 'a.jpg', 100, 80)
    return folder


def converted(folder, **options):
    return Converted(labelme_source(folder, **options), folder.parent / 'out.json')


def test_shapes(folder):
    parts = [
        dict(shape('bus', [[1, 1], [10, 10]]), group_id=3),
        dict(shape('bus', [[20, 30], [15, 5]]), group_id=3),
        dict(shape('bus', [[40, 40], [50, 50]]), group_id=4),
        dict(shape('car', [[60, 60], [70, 70]]), group_id=3),
    ]
    write(
        folder / 'a.json',
        [
            shape('car', [[40.5, 60], [10, 20]]),  # from the lower right
            shape('dog', [[0, 0], [20, 5], [10, 30]], 'polygon'),
            shape('ball', [[50, 40], [53, 44]], 'circle'),
            shape('cat', [[5, 5], [9, 9]], 'mask', mask='...'),
            shape('nose', [[5, 5]], 'point'),
            *parts,
            dict(shape('car', [[1, 2], [3, 4]]), flags=dict(difficult=True, red=True)),
            dict(shape('car', [[5, 2], [8, 4]]), flags=dict(difficult=False, red=True)),
            shape('__ignore__', [[0, 0], [90, 9]]),
            shape('car', [[float('nan'), 2], [8, 4]]),
        ],
    )
    found = converted(folder)
    assert found.classes == ['ball', 'bus', 'car', 'cat', 'dog']
    assert found.objects('a.jpg') == [
        ('car', 10, 20, 30.5, 40),
        ('dog', 0, 0, 20, 30),
        ('ball', 45, 35, 10, 10),
        ('cat', 5, 5, 5, 5),
        ('bus', 1, 1, 19, 29),
        ('bus', 40, 40, 10, 10),
        ('car', 60, 60, 10, 10),
        ('car', 5, 2, 3, 2),
    ]
    crowds = [('car', 1, 2, 2, 2), *((name, 0, 0, 90, 9) for name in found.classes)]
    assert found.objects('a.jpg', crowds=True) == crowds
    assert found.counts() == {
        "shapes of the type 'point', which has no box": 1,
        'boxes that are not finite': 1,
    }
    assert sum(i['ignore_flag'] for i in found.loaded()[0]['instances']) == 6


def test_where_pictures_are(folder):
    for name in ('deep/b.png', 'deep/er/c.jpg', 'photos/d.jpg', 'e.jpeg'):
        write_picture(folder / name, 100, 80)
    cars = [shape('car', [[1, 2], [3, 4]])]
    write(folder / 'a.json', cars, picture='C:\\Users\\me\\a.jpg')
    write(folder / 'deep/b.json', cars, picture='b.png')
    write(folder / 'deep/er/c.json', cars, picture='..\\er\\c.jpg')
    write(folder / 'labels/d.json', cars, picture='..\\photos\\d.jpg')
    write(folder / 'e.json', cars, picture='old_name.jpg')
    write(folder / 'f.json', cars, picture='f.jpg', imageData='aGVsbG8=')
    write(folder / 'g.json', cars, picture='g.jpg')
    write_text(folder / 'coco.json', json.dumps(dict(images=[], annotations=[])))
    write_picture(folder / 'lonely.jpg', 100, 80)
    found = converted(folder)
    assert list(found.sizes()) == [
        *('a.jpg', 'deep/b.png', 'deep/er/c.jpg', 'e.jpeg', 'photos/d.jpg')
    ]
    assert found.counts() == {
        'annotation files whose picture is missing': 1,
        'annotation files whose picture is missing, but in the file itself': 1,
        'JSON files that are not of labelme': 1,
        'pictures without an annotation file': 1,
    }


def test_pictures_in_another_folder(folder):
    write_picture(folder.parent / 'photos/deep/b.jpg', 100, 80)
    write(folder / 'deep/b.json', [shape('car', [[1, 2], [3, 4]])], picture='b.jpg')
    found = converted(folder, images=folder.parent / 'photos')
    assert found.sizes() == {'deep/b.jpg': (100, 80)}
    write(folder / 'deep/b.json', [], picture='../../photos/deep/b.jpg')
    with pytest.raises(InputError, match=r'b\.jpg, the picture of .* --images'):
        converted(folder)


def test_classes_and_flags(folder):
    shapes = [shape('car', [[1, 2], [3, 4]]), shape('dog', [[1, 2], [3, 4]])]
    shapes[0]['flags'] = dict(blurred=True)
    write(folder / 'a.json', shapes)
    source = labelme_source(folder, classes=['dog', 'car'], ignore_flags=['blurred'])
    found = Converted(source, folder.parent / 'out.json')
    assert found.classes == ['dog', 'car']
    assert found.objects('a.jpg', crowds=True) == [('car', 1, 2, 2, 2)]


@pytest.mark.parametrize('size', [(0, 0), (None, 80)])
def test_sizes_that_are_not_stated(folder, size):
    write(folder / 'a.json', [shape('car', [[1, 2], [3, 4]])], size=size)
    assert converted(folder).counts() == {'annotations that state no size': 1}


def test_sizes_that_are_wrong(folder):
    write(folder / 'a.json', [], size=(101, 80))
    with pytest.raises(InputError, match=r'a\.jpg has 100x80 pixels, but .*a\.json says 101x80'):
        converted(folder)


@pytest.mark.parametrize(
    ('broken', 'message'),
    [
        (shape('', [[1, 2], [3, 4]]), r"a\.json, shapes\[0\] has the label ''"),
        (shape('x', [[1, 2], [3]]), r'shapes\[0\] has the points'),
        (shape('x', []), r'shapes\[0\] has the points'),
        (shape('x', [[1, 2]], 'circle'), r'shapes\[0\] is a circle of 1 points'),
        (dict(shape('x', [[1, 2], [3, 4]]), flags='no'), r"shapes\[0\] has the flags 'no'"),
        (5, r'shapes\[0\] has the label None'),
    ],
)
def test_malformed_shapes(folder, broken, message):
    write(folder / 'a.json', [broken])
    with pytest.raises(InputError, match=message):
        converted(folder)


def test_malformed_files(folder):
    write_text(folder / 'a.json', '{"shapes": [\n')
    with pytest.raises(InputError, match=r'a\.json is not valid JSON: .*line 2'):
        converted(folder)
    write_text(folder / 'a.json', '{}')
    with pytest.raises(InputError, match='no annotation file of labelme .* 1 JSON files'):
        converted(folder)
