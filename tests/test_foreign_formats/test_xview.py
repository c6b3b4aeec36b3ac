"""xView."""

import json

import pytest
from foreign_data import Converted, write_picture

from mmsniper.errors import InputError
from mmsniper.foreign_formats import xview_source
from mmsniper.foreign_formats.xview import NAMES


def feature(picture, number, bounds):
    return dict(
        type='Feature',
        properties=dict(image_id=picture, type_id=number, bounds_imcoords=bounds, cat_id='x'),
        geometry=dict(type='Polygon', coordinates=[]),
    )


FEATURES = [
    feature('10.tif', 18, '10,20,30,50'),
    feature('2.tif', 73, '0,0,100,80'),
    feature('10.tif', 75, '1,1,9,9'),  # of no class
    feature('10.tif', 94, 'nan,nan,nan,nan'),
    feature('10.tif', 94, '-5,70,20,95'),
    feature('1395.tif', 18, '1,1,9,9'),  # not there
    feature('1395.tif', 18, '2,2,9,9'),
]


@pytest.fixture
def folder(tmp_path):
    for name in ('10.tif', '2.tif', '7.tif'):
        write_picture(tmp_path / 'train_images' / name, 100, 80)
    write(tmp_path, FEATURES)
    return tmp_path


def write(folder, features):
    content = dict(type='FeatureCollection', features=features)
    (folder / 'train.geojson').write_text(json.dumps(content))


def source(folder, part='all'):
    return xview_source(folder / 'train.geojson', folder / 'train_images', part)


def test_features(folder):
    found = Converted(source(folder), folder / 'out.json')
    assert list(found.sizes()) == ['2.tif', '10.tif'], 'by number'
    assert found.objects('2.tif') == [('Building', 0, 0, 100, 80)]
    assert found.objects('10.tif') == [('Small Car', 10, 20, 20, 30), ('Tower', 0, 70, 20, 10)]
    assert found.counts() == {
        'pictures with annotations that are missing': 1,
        'objects whose picture is missing': 2,
        'pictures without an annotation': 1,
        'objects of the unknown type_id 75': 1,
        'boxes that are not finite': 1,
        'boxes cut at the border of their picture': 1,
    }
    assert len(found.loaded()[1]['instances']) == 2


def test_classes(folder):
    assert len(NAMES) == len(set(NAMES.values())) == 60
    found = Converted(source(folder), folder / 'out.json', classes=['Tower', 'Building'])
    assert found.classes == ['Tower', 'Building']
    assert found.counts()["objects of the class 'Small Car', which is not asked for"] == 1
    with pytest.raises(InputError, match="'Castle', which is none of the classes"):
        Converted(source(folder), folder / 'other.json', classes=['Castle'])


def test_parts_do_not_depend_on_what_is_there(folder):
    write(folder, [feature(f'{number}.tif', 18, '1,1,9,9') for number in range(25)])
    for number in range(25):
        if number != 3:
            write_picture(folder / 'train_images' / f'{number}.tif', 20, 20)
    train, val = (
        [int(item.picture.stem) for item in source(folder, part).items] for part in ('train', 'val')
    )
    assert val == [9, 19]
    assert train == [number for number in range(25) if number not in (3, 9, 19)]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(bounds_imcoords='1,2,3'), r"features\[0\] has the bounds_imcoords '1,2,3'"),
        (dict(bounds_imcoords=None), r'features\[0\] has the bounds_imcoords None'),
        (dict(image_id=5), r'features\[0\] has the image_id 5'),
    ],
)
def test_malformed_features(folder, change, message):
    broken = feature('10.tif', 18, '10,20,30,50')
    broken['properties'].update(change)
    write(folder, [broken])
    with pytest.raises(InputError, match=message):
        source(folder)


def test_other_files(folder):
    (folder / 'train.geojson').write_text('{"features": 1}')
    with pytest.raises(InputError, match='has no list of features'):
        source(folder)
    write(folder, [feature('x.tif', 18, '1,1,9,9')])
    with pytest.raises(InputError, match='none of the pictures'):
        source(folder)
