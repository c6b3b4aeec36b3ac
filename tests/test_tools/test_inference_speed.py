"""The benchmark of inference, with a detector of painted rectangles and without SAHI."""

import json
import runpy

import pytest
from coco_files import write_coco
from command_line import TOOLS
from rectangle_finder import CLASSES, paint, random_boxes, write_detector

from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks.inference_speed import load_annotations

SIZES = [(512, 384), (300, 400)]
MMSNIPER = '--ways', 'mmsniper', 'mmsniper_tiles'


@pytest.fixture
def files(tmp_path):
    """A config, a checkpoint, annotations and the folder of the painted pictures."""
    images, annotations = [], []
    for number, size in enumerate(SIZES):
        boxes, labels = random_boxes(size, 8, number)
        name = f'{number}.png'
        paint(tmp_path / 'images' / name, size, boxes, labels)
        images.append(dict(id=number, file_name=name, width=size[0], height=size[1]))
        for (left, top, right, bottom), label in zip(boxes, labels):
            box = [left, top, right - left, bottom - top]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=label + 5,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=0,
                )
            )
    categories = [dict(id=label + 5, name=name) for label, name in enumerate(CLASSES)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    return *write_detector(tmp_path), tmp_path / 'annotations.json', tmp_path / 'images'


def run(*arguments):
    path = str(TOOLS / 'benchmarks' / 'inference_speed.py')
    runpy.run_path(path)['main']([str(part) for part in arguments])


def test_figures_of_mmsniper(files, tmp_path, capsys):
    run(*files, *MMSNIPER, '--tile-size', '160', '--json', tmp_path / 'figures.json')
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['images'] == 2
    assert figures['settings']['tile_overlap'] == 0.2
    default, tiles = figures['ways']
    assert (default['way'], tiles['way']) == ('mmsniper', 'mmsniper_tiles')
    assert default['times_faster'] == default['times_less_cpu'] == 1
    # 4 x 3 and 3 x 3 tiles, of which each begins at most 128 pixels after the one before, and the
    # whole picture; in these no other level is between the two.
    assert default['views_per_image'] == tiles['views_per_image'] == (13 + 10) / 2
    assert default['AP'] == tiles['AP'] > 0.8
    for row in figures['ways']:
        assert row['images_per_second'] > 0 and row['cpu_seconds_per_image'] > 0
        assert row['peak_mb'] >= row['start_mb'] > 50
        assert row['detections_per_image'] >= 8
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_level_between_tiles_and_the_whole_picture(files, tmp_path):
    run(*files, *MMSNIPER, '--tile-size', '48', '--max-images', '1', '--json', tmp_path / 'f.json')
    default, tiles = json.loads((tmp_path / 'f.json').read_text())['ways']
    # A quarter of 512 x 384 pixels has 4 x 3 tiles, which begin at most 38.4 pixels apart.
    assert default['views_per_image'] - tiles['views_per_image'] == 12


def test_annotations_of_other_classes(files, tmp_path):
    (tmp_path / 'others').mkdir()
    write_coco(tmp_path / 'others', [(100, 100)], [[(10, 10, 30, 30)]])
    paint(tmp_path / 'others' / '0.png', (100, 100), [(10, 10, 40, 40)], [0])
    arguments = *files[:2], tmp_path / 'others' / 'annotations.json', tmp_path / 'others'
    with pytest.raises(InputError, match='no class of the detector, such as red, is annotated'):
        run(*arguments, '--ways', 'mmsniper', '--tile-size', '160')


def test_what_cannot_be_measured(files, tmp_path):
    with pytest.raises(InputError, match='1.png of .* does not exist'):
        (files[3] / '1.png').unlink()
        load_annotations(*files[2:], 10)
    assert load_annotations(*files[2:], 1)[1] == [0]
    (tmp_path / 'none.json').write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(InputError, match='has no picture with objects'):
        load_annotations(tmp_path / 'none.json', files[3], 10)
    (tmp_path / 'none.json').write_text('[]')
    with pytest.raises(InputError, match='is no COCO annotation file'):
        load_annotations(tmp_path / 'none.json', files[3], 10)
    config = tmp_path / 'no_scale.py'
    config.write_text(files[0].read_text().replace("dict(type='Resize', scale=(160, 160), k", '#'))
    with pytest.raises(InputError, match='does not bring whole images to a scale'):
        run(config, *files[1:])
