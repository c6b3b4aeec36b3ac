"""VisDrone-DET."""

import pytest
from foreign_data import Converted, write_picture, write_text
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmsniper.datasets.box_table import read_boxes
from mmsniper.errors import InputError
from mmsniper.foreign_formats import visdrone_source
from mmsniper.foreign_formats.visdrone import CLASSES

LINES = (
    '10,20,30,40,1,4,0,0',
    '5,6,7,8,1,1,1,2,',  # a comma behind, as some files have
    '50,60,20,10,0,9,0,0',  # a bus that is not to be evaluated
    '0,0,100,50,0,0,0,0',  # a region
    '90,90,20,10,0,11,0,0',  # others
    '10,20,30,40,1,4,0,0',  # again
    '10,20,0,40,1,4,0,0',
    '300,20,10,10,1,4,0,0',
    '190,95,30,30,1,2,0,0',  # crosses the border
    '1,1,5,5,1,12,0,0',
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / 'VisDrone2019-DET-train'
    write_picture(folder / 'images/b.jpg', 200, 100)
    write_picture(folder / 'images/a.JPG', 64, 48)
    write_picture(folder / 'images/lonely.jpg', 64, 48)
    write_text(folder / 'annotations/b.txt', *LINES)
    write_text(folder / 'annotations/a.txt', '')
    write_text(folder / 'annotations/gone.txt', LINES[0])
    return folder


def test_objects_and_what_is_ignored(folder, tmp_path):
    found = Converted(visdrone_source(folder), tmp_path / 'out.json')
    assert found.classes == list(CLASSES)
    assert found.sizes() == {'a.JPG': (64, 48), 'b.jpg': (200, 100)}
    assert [image['id'] for image in found.content['images']] == [1, 2]
    assert found.objects('a.JPG') == []
    assert found.objects('b.jpg') == [
        ('car', 10, 20, 30, 40),
        ('pedestrian', 5, 6, 7, 8),
        ('people', 190, 95, 10, 5),
    ]
    everywhere = [(name, 0, 0, 100, 50) for name in CLASSES]
    everywhere += [(name, 90, 90, 20, 10) for name in CLASSES]
    assert found.objects('b.jpg', crowds=True) == [('bus', 50, 60, 20, 10), *everywhere]
    ids = [entry['id'] for entry in found.content['annotations']]
    assert ids == list(range(1, len(ids) + 1))
    assert found.counts() == {
        'pictures without an annotation file': 1,
        'annotation files whose picture is missing': 1,
        'annotations without an object': 1,
        'objects that are there twice': 1,
        'boxes without area': 1,
        'boxes outside of their picture': 1,
        'boxes cut at the border of their picture': 1,
        'objects of the unknown category 12': 1,
    }
    assert (found.result.num_crowds, found.result.num_empty) == (21, 1)


def test_mmdetection_ignores_the_crowds(folder, tmp_path):
    _, info = Converted(visdrone_source(folder), tmp_path / 'out.json').loaded()
    assert info['img_path'] == str(folder / 'images/b.jpg')
    flags = [instance['ignore_flag'] for instance in info['instances']]
    assert sorted(flags) == [0] * 3 + [1] * 21


def test_chips_are_made_for_objects_alone(folder, tmp_path):
    table = read_boxes(Converted(visdrone_source(folder), tmp_path / 'out.json').dataset())
    assert (len(table.boxes), table.num_ignored, table.dropped) == (3, 21, {})


def test_the_metric_ignores_what_is_found_in_a_region(folder, tmp_path):
    """False cars of a high score, in a region and elsewhere."""
    truth = COCO(str(Converted(visdrone_source(folder), tmp_path / 'out.json').file))
    car = dict(image_id=2, category_id=4, bbox=[10, 20, 30, 40], score=0.5)

    def precision(*false_box):
        found = truth.loadRes([car, dict(car, bbox=list(false_box), score=0.9)])
        evaluation = COCOeval(truth, found, 'bbox')
        evaluation.evaluate()
        evaluation.accumulate()
        return evaluation.eval['precision'][:, :, 3, 0, -1].mean()

    assert precision(60, 5, 20, 20) == pytest.approx(1)
    assert precision(150, 60, 20, 20) == pytest.approx(0.5)


def test_people_become_one_class(folder, tmp_path):
    found = Converted(visdrone_source(folder, merge_people=True), tmp_path / 'out.json')
    assert found.classes == ['person', *CLASSES[2:]]
    assert [name for name, *_ in found.objects('b.jpg')] == ['car', 'person', 'person']


def test_pictures_alone(folder, tmp_path):
    found = Converted(visdrone_source(folder, annotated=False), tmp_path / 'out.json')
    assert list(found.sizes()) == ['a.JPG', 'b.jpg', 'lonely.jpg']
    assert not found.content['annotations']


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1,2,3,4,1,4,0', r'a\.txt, line 2: 7 values instead of the 8'),
        ('1,2,x,4,1,4,0,0', r"a\.txt, line 2: 'x' is no number"),
    ],
)
def test_malformed_lines(folder, tmp_path, line, message):
    write_text(folder / 'annotations/a.txt', LINES[0], line)
    with pytest.raises(InputError, match=message):
        Converted(visdrone_source(folder), tmp_path / 'out.json')
    assert not (tmp_path / 'out.json').exists()


def test_folders_that_do_not_belong_together(folder):
    for path in (folder / 'annotations').iterdir():
        path.unlink()
    with pytest.raises(InputError, match='none of 3 pictures'):
        visdrone_source(folder)
    with pytest.raises(InputError, match='does not exist'):
        visdrone_source(folder / 'images')
