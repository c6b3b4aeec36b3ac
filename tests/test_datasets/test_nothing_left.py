"""What a dataset without images or chips says of the reason."""

import json

import pytest
from coco_files import LEVELS, PIPELINE, write_coco

from mmsniper import InputError
from mmsniper.datasets import ChipDataset


def message_of(config, **settings):
    with pytest.raises(InputError) as caught:
        ChipDataset(config, PIPELINE, **{**LEVELS, **settings})
    return str(caught.value)


def test_boxes_larger_than_a_chip(tmp_path):
    """That they are in range is not what is wrong."""
    config = write_coco(tmp_path, [(300, 300)], [[(10, 10, 100, 100), (50, 50, 200, 200)]])
    message = message_of(config, levels=[1.0], valid_ranges=[(-1, -1)], chip_size=64)
    assert 'none of the 1 images has a chip' in message
    assert '2 are in a valid range but larger than a chip of 64 px' in message
    assert message.endswith('make chip_size larger, or add a coarser level')
    assert 'classes' not in message


def test_boxes_out_of_range(tmp_path):
    config = write_coco(tmp_path, [(300, 300)], [[(10, 10, 100, 100)]])
    message = message_of(config, valid_ranges=[(-1, 20), (10, 30)])
    assert 'none of the 1 images has a box in a valid range of ChipDataset' in message
    assert 'of their 1 boxes 1 are in none of the valid ranges' in message
    assert 'set valid_ranges to sizes' in message


def test_every_fate_of_a_box_is_counted(tmp_path):
    boxes = [[(10, 10, 90, 90), (9, 9, 9, 9), (5, 5, 0, 9), (5, 5, 9, 9), (8, 8, 8, 8)]]
    boxes[0] += [(3, 3, 7, 7)] * 3
    config = write_coco(tmp_path, [(100, 100)], boxes, crowds=[(0, 4)])
    config['metainfo'] = dict(classes=('a',))
    path = tmp_path / 'annotations.json'
    content = json.loads(path.read_text())
    content['annotations'][6]['ignore'] = 1
    path.write_text(json.dumps(content))
    message = message_of(config, valid_ranges=[(-1, 2), (50, 60)], allow_holes=True)
    assert 'of their 8 boxes 4 are of other classes' in message
    assert '2 are crowds or ignored, 1 are not finite, below 1 px' in message
    assert '1 are in none of the valid ranges' in message
    assert message.endswith("name their classes in metainfo['classes']")


def test_filters_that_leave_nothing(tmp_path):
    config = write_coco(tmp_path, [(30, 50), (60, 20), (50, 50)], [[(1, 1, 9, 9)], [], []])
    message = message_of(dict(config, filter_cfg=dict(filter_empty_gt=True, min_size=32)))
    assert 'filter_cfg leaves none of the 3 images of annotation file' in message
    assert '2 have a side below min_size=32' in message
    message = message_of(dict(config, filter_cfg=dict(min_size=64), serialize_data=False))
    assert '3 have a side below min_size=64' in message
    message = message_of(
        dict(type='RepeatDataset', times=2, dataset=dict(config, filter_cfg=dict(min_size=64)))
    )
    assert '3 have a side below min_size=64' in message


def test_a_data_root_that_is_there_twice(tmp_path, monkeypatch):
    (tmp_path / 'data/set').mkdir(parents=True)
    config = write_coco(tmp_path / 'data/set', [(60, 60)], [[(1, 1, 9, 9)]])
    monkeypatch.chdir(tmp_path)
    config.update(data_root='data/set/', ann_file='data/set/annotations.json')
    message = message_of(config)
    assert 'data/set/data/set/annotations.json does not exist, but data/set/annotations' in message


def edit(folder, change):
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_ids_that_are_texts_in_one_place_only(tmp_path):
    config = write_coco(tmp_path, [(100, 100)], [[(1, 1, 20, 20), (30, 30, 9, 9)]])

    def change(content):
        for entry in content['annotations']:
            entry['image_id'] = str(entry['image_id'])

    edit(tmp_path, change)
    message = message_of(config)
    assert 'of their 2 boxes 2 are of images that their file does not list' in message
    assert message.endswith('both as numbers or both as texts')


def test_objects_in_images_that_a_filter_leaves_out(tmp_path):
    config = write_coco(tmp_path, [(30, 50), (60, 60)], [[(1, 1, 9, 9)], []])
    message = message_of(dict(config, filter_cfg=dict(min_size=32)))
    assert '1 are in images that are left out; loosen filter_cfg' in message
