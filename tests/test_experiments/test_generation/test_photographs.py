import json
from pathlib import Path

import numpy as np
import pytest
from image_files import photograph, tiff
from photograph_sources import write_source
from pycocotools import mask as mask_util

from mmsniper.errors import InputError
from mmsniper.experiments.generation.photographs import (
    class_name,
    fingerprint,
    read_source,
    scale_outline,
)


def change(source, edit):
    """Edits the annotation file of a source in place."""
    with open(source[0]) as file:
        content = json.load(file)
    edit(content)
    with open(source[0], 'w') as file:
        json.dump(content, file)


@pytest.fixture
def source(tmp_path):
    boxes = [[(5, 6, 20, 10), (30, 8, 10, 30)], [], [(0, 0, 9, 9)]]
    return write_source(tmp_path / 'source', [(48, 64), (40, 40), (60, 50)], boxes, crowds={(0, 1)})


def read(source, choice='all'):
    return read_source(Path(source[0]), Path(source[1]), choice)


def test_a_source_is_read_with_photographs_without_objects(source):
    photographs, names = read(source)
    assert names == ['cat', 'dog', 'cell']
    assert [(photo.width, photo.height) for photo in photographs] == [(64, 48), (40, 40), (50, 60)]
    first, empty, last = photographs
    assert first.boxes.tolist() == [[5, 6, 25, 16], [30, 8, 40, 38]]
    assert first.crowd.tolist() == [False, True]
    assert first.names == ('cat', 'dog')
    assert empty.boxes.shape == (0, 4) and empty.names == ()
    assert last.load().shape == (60, 50, 3)


@pytest.mark.parametrize(
    ('choice', 'names'),
    [('all', ['cat', 'dog', 'cell']), ('super', ['animal', 'cell']), ('single', ['object'])],
)
def test_classes(source, choice, names):
    photographs, found = read(source, choice)
    assert found == names
    assert set(photographs[0].names) <= set(names)


def test_a_category_without_a_supercategory_keeps_its_name():
    assert class_name(dict(name='cell'), 'super') == 'cell'
    assert class_name(dict(name='cell', supercategory=''), 'super') == 'cell'


def test_boxes_are_clipped_and_those_outside_left_out(source):
    def edit(content):
        content['annotations'][0]['bbox'] = [-4, 40, 30, 30]
        content['annotations'][1]['bbox'] = [64, 0, 10, 10]

    change(source, edit)
    photo = read(source)[0][0]
    assert photo.boxes.tolist() == [[0, 40, 26, 48]]
    assert photo.names == ('cat',)


def test_the_fingerprint_is_of_the_contents(source, tmp_path):
    def print_of(pair):
        return fingerprint(Path(pair[0]), read(pair)[0])

    before = print_of(source)
    (tmp_path / 'source').rename(tmp_path / 'elsewhere')
    moved = [str(tmp_path / 'elsewhere' / 'source.json'), str(tmp_path / 'elsewhere')]
    assert print_of(moved) == before
    with open(tmp_path / 'elsewhere' / 'source_1.png', 'ab') as file:
        file.write(b'more')
    assert print_of(moved) != before


def test_an_rle_follows_as_the_resized_mask(source):
    photo = read(source)[0][0]
    place, canvas = (7, 11, 32, 24), (50, 60)
    rle = scale_outline(photo.outlines[1], photo, place, canvas)
    expected = np.zeros(canvas, np.uint8)
    for row in range(24):  # half the size: pixel (2 * row, 2 * column) of the source
        for column in range(32):
            inside = 8 <= 2 * row < 38 and 30 <= 2 * column < 40
            expected[11 + row, 7 + column] = inside
    assert expected.sum() == 5 * 15
    assert rle['size'] == list(canvas)
    assert (mask_util.decode(mask_util.frPyObjects(rle, *canvas)) == expected).all()
    # Compressed ones too, as pycocotools writes them.
    compressed = mask_util.frPyObjects(photo.outlines[1], 48, 64)
    compressed['counts'] = compressed['counts'].decode()
    assert scale_outline(compressed, photo, place, canvas) == rle


@pytest.mark.parametrize('corner', [(0, 0), (10, 10)])
def test_an_rle_from_the_first_or_to_the_last_pixel(source, corner):
    photo = read(source)[0][2]
    outline = dict(size=[60, 50], counts=[0, 3000])
    rle = scale_outline(outline, photo, (*corner, 10, 12), (22, 20))
    mask = mask_util.decode(mask_util.frPyObjects(rle, 22, 20))
    x, y = corner
    assert mask.sum() == 120 and mask[y : y + 12, x : x + 10].all()
    empty = scale_outline(dict(size=[60, 50], counts=[3000]), photo, (0, 0, 10, 12), (22, 20))
    assert empty['counts'] == [440]


def test_polygons_are_scaled_and_clipped_to_the_photograph(source):
    photo = read(source)[0][0]
    polygon = [[-3, 10, 70, 10, 32, 48]]
    assert scale_outline(polygon, photo, (100, 50, 128, 24), (200, 300)) == [
        [100, 55, 228, 55, 164, 74]
    ]


def drop(key, index=0, of='images'):
    return lambda content: content[of][index].pop(key)


def put(key, value, index=0, of='annotations'):
    return lambda content: content[of][index].update({key: value})


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (lambda content: content.pop('categories'), r'source\.json is not in COCO format.*categor'),
        (lambda content: content.update(images=[], annotations=[]), 'lists no images'),
        (drop('file_name'), 'not in COCO format.*file_name'),
        (
            lambda content: content['images'][1].update(id=content['images'][0]['id']),
            r'images\[0\] .*images\[1\] .* have the same id',
        ),
        (drop('height'), 'not in COCO format.*height'),
        (drop('name', of='categories'), 'not in COCO format.*name'),
        (put('width', 0, of='images'), 'source_0.png has 0x48 pixels in .*source.json'),
        (
            put('image_id', 5),
            r'annotation 100 of .*source\.json is of image 5, which is not listed',
        ),
        (put('category_id', 5), 'annotation 100 of .* is of category 5, which is not listed'),
        (put('bbox', [1, 2, 3]), r'annotation 100 of .* has the box \[1, 2, 3\]'),
        (put('bbox', [1, 2, -3, 4]), r'has the box \[1, 2, -3, 4\]'),
        (put('bbox', [1, 2, float('nan'), 4]), r'has the box \[1, 2, nan, 4\]'),
        (put('bbox', 'wide'), 'not in COCO format.*wide'),
        (put('segmentation', [[1, 2, 3, 4, 5, 6, 7]]), 'annotation 100 .* an x without a y'),
        (put('file_name', 'gone.png', of='images'), r'image .*gone\.png of .*does not exist'),
    ],
)
def test_broken_sources_are_named(source, edit, message):
    change(source, edit)
    with pytest.raises(InputError, match=message):
        read(source)


def test_files_that_cannot_be_read_are_named(source, tmp_path):
    with pytest.raises(InputError, match=r'gone\.json does not exist'):
        read([tmp_path / 'gone.json', source[1]])
    with pytest.raises(InputError, match='cannot be read'):
        read([tmp_path, source[1]])
    (tmp_path / 'half.json').write_text('{"images": [')
    with pytest.raises(InputError, match=r'half\.json is not valid JSON'):
        read([tmp_path / 'half.json', source[1]])
    with pytest.raises(InputError, match=r'source_0\.png of .* does not exist'):
        read([source[0], tmp_path / 'no_images'])


def test_pictures_that_do_not_fit_their_annotations_are_named(source, tmp_path):
    photographs, _ = read(source)
    (tmp_path / 'source' / 'source_0.png').write_bytes(b'no picture')
    with pytest.raises(InputError, match=r'source_0\.png cannot be read as a picture'):
        photographs[0].load()
    change(source, put('width', 51, index=2, of='images'))
    with pytest.raises(InputError, match=r'source_2\.png has 50x60 pixels, but .* says 51x60'):
        read(source)[0][2].load()


def test_pictures_follow_the_rules_for_all_pixels(source, tmp_path):
    picture = photograph(48, 64)
    alpha = np.full((48, 64, 1), 100, np.uint8)
    file = tmp_path / 'source' / 'source_0.png'  # what a file is called does not matter
    file.write_bytes(tiff(np.dstack([picture[:, :, ::-1], alpha]), t338=[2]))
    assert (read(source)[0][0].load() == picture).all()
    file.write_bytes(tiff(picture.astype(np.uint16) * 16))
    with pytest.raises(InputError, match='nearly black'):
        read(source)[0][0].load()
