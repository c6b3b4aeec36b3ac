"""DOTA."""

import pytest
from foreign_data import Converted, write_picture, write_text

from mmsniper.errors import InputError
from mmsniper.foreign_formats import dota_source
from mmsniper.foreign_formats.dota import CLASSES

LINES = (
    'imagesource:GoogleEarth',
    'gsd:0.146343590398',
    '20.0 10.0 40.0 30.0 20.0 50.0 0.0 30.0 plane 0',  # stands on a corner
    '60 10 80 10 80 20 60 20 small-vehicle 1',
    '1 1 2 1 2 9 1 9 container-crane 0',
    '5 5 5 5 5 5 5 5 ship 0',
    '-4 -4 6 -4 6 6 -4 6 ship',  # without a difficulty
    '',
)


@pytest.fixture
def folder(tmp_path):
    write_picture(tmp_path / 'images/part1/P0000.png', 100, 80)
    write_text(tmp_path / 'labelTxt/P0000.txt', *LINES)
    return tmp_path


def test_upright_boxes(folder):
    source = dota_source(folder / 'images', folder / 'labelTxt')
    found = Converted(source, folder / 'out.json')
    name = 'part1/P0000.png'
    assert found.objects(name) == [('plane', 0, 10, 40, 40), ('ship', 0, 0, 6, 6)]
    assert found.objects(name, crowds=True) == [('small-vehicle', 60, 10, 20, 10)]
    assert found.counts() == {
        "objects of the class 'container-crane', which is not asked for": 1,
        'boxes without area': 1,
        'boxes cut at the border of their picture': 1,
    }
    assert [i['ignore_flag'] for i in found.loaded()[0]['instances']] == [0, 1, 0]


@pytest.mark.parametrize(('version', 'count'), [('1.0', 15), ('1.5', 16), ('2.0', 18)])
def test_versions(folder, version, count):
    source = dota_source(folder / 'images', folder / 'labelTxt', version, keep_difficult=True)
    found = Converted(source, folder / 'out.json')
    assert len(found.classes) == len(set(CLASSES[version])) == count
    cranes = [name for name, *_ in found.objects('part1/P0000.png') if 'crane' in name]
    assert len(cranes) == (version != '1.0')
    assert not found.objects('part1/P0000.png', crowds=True)


def test_pictures_alone(folder):
    found = Converted(dota_source(folder / 'images', None), folder / 'out.json')
    assert found.sizes() == {'part1/P0000.png': (100, 80)}


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1 2 3 4 plane 0', r'P0000\.txt, line 3: 6 values'),
        ('1 2 3 4 5 6 7 a plane 0', r"P0000\.txt, line 3: 'a' is no number"),
        ('1 2 3 4 5 6 7 8 plane hard', r"P0000\.txt, line 3: 'hard' is no number"),
        ('1 2 3 4 5 6 7 8 plane 0.5', r"line 3: the difficulty '0.5' is no whole number"),
    ],
)
def test_malformed_lines(folder, line, message):
    write_text(folder / 'labelTxt/P0000.txt', *LINES[:2], line)
    with pytest.raises(InputError, match=message):
        Converted(dota_source(folder / 'images', folder / 'labelTxt'), folder / 'out.json')


def test_two_pictures_of_one_name(folder):
    write_picture(folder / 'images/part2/P0000.png', 100, 80)
    with pytest.raises(InputError, match='have the same name without suffix'):
        dota_source(folder / 'images', folder / 'labelTxt')
