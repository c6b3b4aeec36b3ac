"""Annotation files that contradict themselves, each other, or the classes of their dataset."""

import copy
import json

import numpy as np
import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from log_capture import log_of
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from pycocotools.coco import COCO

from mmsniper import InputError
from mmsniper.datasets import ChipDataset

SIZES = [(150, 200), (128, 96), (100, 100)]
BOXES = [[(10, 10, 20, 20), (120, 90, 30, 30)], [(5, 80, 35, 25), (60, 5, 30, 20)], []]


@pytest.fixture
def inner(tmp_path):
    return write_coco(tmp_path, SIZES, BOXES)


def edited(inner, edit, name='annotations.json'):
    """The config of a dataset whose file, of that name, is as ``edit`` makes it."""
    path = f'{inner["data_root"]}/annotations.json'
    content = json.load(open(path))
    content = edit(content) or content
    with open(f'{inner["data_root"]}/{name}', 'w') as file:
        json.dump(content, file)
    return dict(inner, ann_file=name)


def setting(section, index, **values):
    return lambda content: content[section][index].update(values)


def removing(section, index, key):
    def edit(content):
        del content[section][index][key]

    return edit


MESSAGES = [
    (
        setting('images', 2, id=1),
        r'images\[0\] \(0.png\) and images\[2\] \(2.png\) .*the same id 1',
    ),
    (setting('annotations', 3, id=2), r'annotations\[1\] .*annotations\[3\] .*the same id 2'),
    (setting('categories', 1, id=1), r'categories\[0\] \(a\) and categories\[1\] .*same id 1'),
    (setting('categories', 1, name='a'), "have the same name 'a'|class 'b' of"),
    (lambda c: c['categories'].append(dict(id=7, name='b')), "2 and 7 .*have the same name 'b'"),
    (removing('images', 1, 'file_name'), r"images\[1\] \(id 2\) .*has no 'file_name'"),
    (setting('images', 1, file_name=3), r"has the 'file_name' 3; give a text"),
    (removing('images', 1, 'id'), r"images\[1\] \(1.png\) .*has no 'id'"),
    (setting('images', 1, id=[1]), r"images\[1\] .*has the 'id' \[1\]; give a number or a text"),
    (removing('images', 1, 'width'), r"\(1.png\) .*has no 'height' and 'width', as 1 of its 3"),
    (setting('images', 1, width='96'), r"images\[1\] \(1.png\) .*has .*the width '96'"),
    (setting('images', 1, width=-96), r'images\[1\] \(1.png\) .*has .*the width -96'),
    (removing('annotations', 2, 'id'), r"annotations\[2\] .*has no 'id'"),
    (removing('annotations', 2, 'image_id'), r"annotations\[2\] \(id 3\) .*has no 'image_id'"),
    (removing('annotations', 2, 'category_id'), r"\(id 3\) .*has no 'category_id'"),
    (removing('annotations', 2, 'bbox'), r"annotations\[2\] \(id 3\) .*has no 'bbox'"),
    (setting('annotations', 2, bbox=None), r"\(id 3\) .*has no 'bbox'"),
    (setting('annotations', 2, bbox=[1, 2, 3]), r'\(id 3\) .*has the bbox \[1, 2, 3\]; give x, y'),
    (setting('annotations', 2, bbox=['1', '2', '3', '4']), r'\(id 3\) .*has the bbox'),
    (setting('annotations', 2, bbox=[1, 2, None, 4]), r'\(id 3\) .*has the bbox'),
    (setting('annotations', 2, bbox=dict(x=1)), r'\(id 3\) .*has the bbox'),
    (setting('annotations', 2, iscrowd='0'), r"\(id 3\) .*has the 'iscrowd' '0'; give 0 or 1"),
    (removing('categories', 0, 'name'), r"categories\[0\] .*has no 'name'"),
    (lambda content: content['images'], 'holds a list and no dictionary'),
    (lambda content: dict(content, images=dict(a=1)), "'images' .*is no list of dictionaries"),
    (lambda content: dict(content, annotations=[3]), "'annotations' .*is no list of dict"),
]


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('edit, message', MESSAGES)
def test_a_contradiction_is_named_with_file_and_entry(inner, edit, message, test_mode):
    config = dict(type='ChipDataset', dataset=edited(inner, edit), pipeline=PIPELINE)
    with pytest.raises(InputError, match=message) as caught:
        DATASETS.build(dict(config, test_mode=test_mode, **LEVELS))
    assert f'{inner["data_root"]}/annotations.json' in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'change',
    [
        lambda entry: entry.pop('area'),
        lambda entry: entry.update(area=None),
        lambda entry: entry.update(area=0),
        lambda entry: entry.pop('iscrowd'),
        lambda entry: entry.update(iscrowd=None),
    ],
)
def test_what_has_one_right_value_is_filled_in(inner, change, caplog):
    expected = ChipDataset(inner, PIPELINE, **LEVELS)

    def edit(content):
        for entry in content['annotations'][1:]:
            change(entry)

    dataset, log = log_of(
        caplog, lambda: ChipDataset(edited(inner, edit, 'b.json'), PIPELINE, **LEVELS)
    )
    assert np.array_equal(dataset.boxes.boxes, expected.boxes.boxes)
    assert np.array_equal(dataset.table.boxes, expected.table.boxes)
    assert '3 annotations have no' in log and 'b.json' in log
    assert 'dropped' not in log.replace('are dropped', '')


def test_an_ignored_annotation_needs_no_box(inner):
    config = edited(
        inner, lambda c: c['annotations'].append(dict(id=99, image_id=1, category_id=1, ignore=1))
    )
    assert ChipDataset(config, PIPELINE, **LEVELS).boxes.boxes.shape == (4, 4)


def test_what_points_nowhere_is_counted(inner, caplog):
    def edit(content):
        content['annotations'][0]['image_id'] = 77
        content['annotations'][1]['category_id'] = 77
        content['images'][2]['file_name'] = '1.png'

    dataset, log = log_of(caplog, lambda: ChipDataset(edited(inner, edit), PIPELINE, **LEVELS))
    assert len(dataset.boxes.boxes) == 2
    assert r'annotations.json (the first is annotations[0] (id 1)) are of an image that' in log
    assert r'annotations.json (the first is annotations[1] (id 2)) are of a category that' in log
    assert r'annotations.json (the first is images[2] (1.png)) are the same file as one' in log


def test_loading_of_other_datasets_is_as_before(inner):
    methods = CocoDataset.parse_data_info, COCO.createIndex, CocoDataset.full_init
    with pytest.raises(InputError):
        ChipDataset(edited(inner, setting('images', 2, id=1)), PIPELINE, **LEVELS)
    assert methods == (CocoDataset.parse_data_info, COCO.createIndex, CocoDataset.full_init)
    assert len(DATASETS.build(inner)) == 2, 'MMDetection itself loses a picture'


@pytest.mark.parametrize('classes', ['a', 'ab', ('a', 'a')])
def test_classes_that_are_no_list_of_names(inner, classes):
    with pytest.raises(InputError, match="metainfo.*'classes'.*annotations.json") as caught:
        ChipDataset(dict(inner, metainfo=dict(classes=classes)), PIPELINE, **LEVELS)
    assert repr(classes if isinstance(classes, str) else 'a') in str(caught.value)


def reverse_categories(content):
    content['categories'].reverse()


@pytest.mark.parametrize('test_mode', [False, True])
def test_files_with_the_classes_in_another_order(inner, test_mode):
    other = edited(inner, reverse_categories, 'b.json')
    config = dict(type='ConcatDataset', datasets=[dict(inner), other])
    with pytest.raises(InputError, match="label 0 is 'a' in .*annotations.json, but 'b' in .*b.js"):
        ChipDataset(config, PIPELINE, test_mode=test_mode, **LEVELS)


def write_voc(folder, name, classes):
    """A VOC data set of one image."""
    box = '<xmin>11</xmin><ymin>11</ymin><xmax>31</xmax><ymax>31</ymax>'
    root = folder / name
    (root / 'Annotations').mkdir(parents=True)
    (root / 'list.txt').write_text('0')
    (root / 'Annotations/0.xml').write_text(
        '<annotation><size><width>100</width><height>100</height></size>'
        f'<object><name>b</name><bndbox>{box}</bndbox></object></annotation>'
    )
    return dict(
        type='XMLDataset',
        data_root=str(root),
        ann_file='list.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=classes),
    )


def test_other_formats_with_the_classes_in_another_order(tmp_path, inner):
    same, other = write_voc(tmp_path, 's', ('a', 'b')), write_voc(tmp_path, 'o', ('b', 'a'))
    joined = ChipDataset(dict(type='ConcatDataset', datasets=[inner, same]), PIPELINE, **LEVELS)
    assert joined.label_names == ('a', 'b') and joined.num_images == 4
    config = dict(type='ConcatDataset', datasets=[same, other])
    with pytest.raises(InputError, match="label 0 is 'a' in .*list.txt, but 'b' in .*list.txt"):
        ChipDataset(copy.deepcopy(config), PIPELINE, **LEVELS)
    ChipDataset(dict(config, ignore_keys=['classes']), PIPELINE, **LEVELS)


def test_one_file_in_another_order_than_the_classes_is_told(inner, caplog):
    """The labels agree in themselves, and with the metric, which numbers them alike."""
    other = edited(inner, reverse_categories)
    dataset, log = log_of(caplog, lambda: ChipDataset(other, PIPELINE, **LEVELS))
    assert dataset.label_names == ('b', 'a')
    assert "label 0, called 'a', is 'b'; put the classes into the order of the file" in log


def test_what_failed_is_what_is_blamed(inner, tmp_path):
    """Not the first file that is odd."""
    empty = edited(inner, lambda content: dict(content, annotations=[]), 'empty.json')
    faulty = edited(inner, setting('annotations', 0, bbox=None), 'faulty.json')
    cut = edited(inner, lambda content: None, 'cut.json')
    (tmp_path / 'cut.json').write_text('{"images": [')
    gone = dict(inner, ann_file='gone.json')
    for bad, name in ((faulty, 'faulty.json'), (cut, 'cut.json'), (gone, 'gone.json')):
        config = dict(type='ConcatDataset', datasets=[dict(empty), dict(inner), bad])
        with pytest.raises(InputError, match=name):
            ChipDataset(config, PIPELINE, **LEVELS)


@pytest.mark.parametrize('settings', [{}, dict(filter_cfg=dict(filter_empty_gt=True))])
def test_a_file_without_annotations_may_stand_beside_others(inner, settings, caplog):
    empty = edited(inner, lambda content: dict(content, annotations=[]), 'empty.json')
    config = dict(type='ConcatDataset', datasets=[dict(empty, **settings), dict(inner, **settings)])
    dataset, log = log_of(caplog, lambda: ChipDataset(config, PIPELINE, **LEVELS))
    expected = ChipDataset(dict(inner, **settings), PIPELINE, **LEVELS)
    assert np.array_equal(dataset.boxes.boxes, expected.boxes.boxes)
    assert len(dataset) == len(expected)
    assert len(dataset[0]['data_samples'].gt_instances)
    assert ('filter_cfg leaves none of the 3 images of' in log) == bool(settings)


def test_boxes_of_other_formats_are_looked_at(inner):
    for box in ([1, 2, 3], ['1', '2', '3', '4'], [1, 2, None, 4]):
        dataset = DATASETS.build(dict(inner, serialize_data=False))
        dataset.data_list[1]['instances'][0]['bbox'] = box
        with pytest.raises(InputError, match=r'image .*1\.png has the box .*; give four numbers'):
            ChipDataset(dataset, PIPELINE, **LEVELS)
