"""PASCAL VOC."""

import pytest
from foreign_data import Converted, write_picture, write_text

from mmsniper.errors import InputError
from mmsniper.foreign_formats import voc_source
from mmsniper.foreign_formats.voc import CLASSES

SIZE = '<size><width>100</width><height>80</height><depth>3</depth></size>'


def thing(name, box, more=''):
    corners = ''.join(
        f'<{key}>{value}</{key}>' for key, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), box)
    )
    return f'<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>'


def document(*parts):
    return '\n'.join(['<annotation>', '<filename>x.jpg</filename>', *parts, '</annotation>'])


PART = '<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>'


@pytest.fixture
def devkit(tmp_path):
    place = tmp_path / 'VOCdevkit' / 'VOC2007'
    for name in ('000001', '000002', '000003'):
        write_picture(place / f'JPEGImages/{name}.jpg', 100, 80)
    write_text(
        place / 'Annotations/000001.xml',
        document(
            SIZE,
            thing('dog', (1, 1, 100, 80), '<pose>Left</pose><truncated>1</truncated>'),
            thing('person', (11, 21, 30, 40), '<difficult>0</difficult>' + PART),
            thing('cat', (5.5, 6, 20, 30.25), '<difficult>1</difficult>'),
            thing('unicorn', (1, 1, 5, 5)),
            thing('cow', (0, 1, 5, 5)),
            thing('cow', (30, 30, 28, 40)),
        ),
    )
    write_text(place / 'Annotations/000002.xml', document(SIZE.replace('100', '0')))
    write_text(place / 'Annotations/000009.xml', document(SIZE))
    main = place / 'ImageSets/Main'
    write_text(main / 'trainval.txt', '000001', '000002', '000003', '000009')
    write_text(main / 'dog_train.txt', '000001  1', '000002 -1', '')
    return tmp_path / 'VOCdevkit'


def test_objects(devkit, tmp_path):
    source = voc_source(devkit, ['VOC2007/trainval', 'VOC2007/dog_train'])
    found = Converted(source, tmp_path / 'out.json')
    assert found.classes == list(CLASSES)
    name = 'VOC2007/JPEGImages/000001.jpg'
    assert found.sizes() == {name: (100, 80), 'VOC2007/JPEGImages/000002.jpg': (100, 80)}
    assert found.objects(name) == [
        ('dog', 0, 0, 100, 80),
        ('person', 10, 20, 20, 20),
        ('cow', 0, 0, 5, 5),
    ]
    assert found.objects(name, crowds=True) == [('cat', 4.5, 5, 15.5, 25.25)]
    assert found.counts() == {
        'pictures without an annotation file': 1,
        'annotation files whose picture is missing': 1,
        'pictures that are in several sets': 2,
        'annotations without an object': 1,
        'annotations that state no size': 1,
        "objects of the class 'unicorn', which is not asked for": 1,
        'boxes without area': 1,
        'boxes cut at the border of their picture': 1,
    }
    assert [i['ignore_flag'] for i in found.loaded()[0]['instances']] == [0, 0, 1, 0]


def test_difficult_objects_may_count(devkit, tmp_path):
    source = voc_source(devkit, ['VOC2007/trainval'], keep_difficult=True)
    found = Converted(source, tmp_path / 'out.json')
    assert ('cat', 4.5, 5, 15.5, 25.25) in found.objects('VOC2007/JPEGImages/000001.jpg')


def test_own_data_side_by_side(tmp_path):
    write_picture(tmp_path / 'data/deep/a.png', 30, 20)
    write_text(tmp_path / 'data/deep/a.xml', document(thing('cup', (1, 1, 10, 10))))
    found = Converted(voc_source(tmp_path / 'data'), tmp_path / 'out.json')
    assert found.classes == ['cup']
    assert found.objects('deep/a.png') == [('cup', 0, 0, 10, 10)]


@pytest.mark.parametrize('orientation', [1, 6])
def test_sizes_are_compared_with_the_picture_as_it_is_loaded(tmp_path, orientation):
    """A picture of 40x30 that is to be turned has 30x40 pixels."""
    folder = tmp_path / 'data'
    write_picture(folder / 'a.jpg', 40, 30, orientation)
    size = '<size><width>40</width><height>30</height></size>'
    write_text(folder / 'a.xml', document(size, thing('cup', (1, 1, 40, 30))))
    if orientation == 1:
        found = Converted(voc_source(folder), tmp_path / 'out.json')
        assert found.sizes() == {'a.jpg': (40, 30)}
        return
    with pytest.raises(InputError, match='has 30x40 pixels turned upright .* says 40x30'):
        Converted(voc_source(folder), tmp_path / 'out.json')
    found = Converted(voc_source(folder), tmp_path / 'out.json', trust_pictures=True)
    assert found.objects('a.jpg') == [('cup', 0, 0, 30, 30)]
    assert found.counts()['annotations that state another size'] == 1


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        (['<object>'], r'a\.xml, line 4: it is no XML, mismatched tag'),
        ([thing('', (1, 1, 2, 2))], r'a\.xml, line 3: the object has no name'),
        ([SIZE, '<object><name>x</name></object>'], r'line 4: the object has no bndbox'),
        ([thing('x', (1, 1, 2))], r'line 3: bndbox has no ymax'),
        ([thing('x', (1, 'b', 2, 2))], r"line 3: the ymin 'b' is no number"),
        ([thing('x', (1, 1, 2, 2), '<difficult>so</difficult>')], r"the difficult 'so' is no"),
    ],
)
def test_malformed_files(tmp_path, parts, message):
    write_picture(tmp_path / 'a.jpg', 40, 30)
    write_text(tmp_path / 'a.xml', document(*parts))
    with pytest.raises(InputError, match=message):
        Converted(voc_source(tmp_path), tmp_path / 'out.json')


def test_missing_lists(devkit):
    with pytest.raises(InputError, match=r'test\.txt of --sets VOC2007/test does not exist'):
        voc_source(devkit, ['VOC2007/test'])


def test_other_xml(tmp_path):
    write_picture(tmp_path / 'a.jpg', 40, 30)
    write_text(tmp_path / 'a.xml', '<svg/>')
    with pytest.raises(InputError, match="has 'svg' and no annotation as its root"):
        Converted(voc_source(tmp_path), tmp_path / 'out.json')
