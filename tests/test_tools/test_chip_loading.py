"""The benchmark of loading, on few small images."""

import json
import runpy

import numpy as np
import pytest
from coco_files import write_coco
from command_line import TOOLS

from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks.chip_loading import measure_chips
from mmsniper.experiments.benchmarks.loading_images import WAYS, Chips, prepare_images
from mmsniper.experiments.benchmarks.loading_process import LoadingProcess

SIZES = [(160, 200), (300, 280), (128, 180), (140, 140)]
BOXES = [[(10, 10, 30, 30), (80, 60, 70, 70)], [(20, 60, 25, 20)], [], [(5, 5, 120, 120)]]
LEVELS = '--levels', '[1.0, 0.5]', '--valid-ranges', '[(-1, 60), (40, -1)]', '--chip-size', '96'


@pytest.fixture
def images(tmp_path):
    (tmp_path / 'images').mkdir()
    write_coco(tmp_path / 'images', SIZES, BOXES, suffix='jpg')
    return tmp_path / 'images'


def run(*arguments):
    path = str(TOOLS / 'benchmarks' / 'chip_loading.py')
    runpy.run_path(path)['main']([str(part) for part in arguments])


def test_all_ways_are_measured(images, tmp_path, capsys):
    run(
        *(images / 'annotations.json', images, *LEVELS, '--epochs', '2', '--tile-size', '64'),
        *('--test-images', '2', '--json', tmp_path / 'figures.json'),
    )
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['images'] == 3  # one has no object
    training, testing = figures['training'], figures['testing']
    assert [row['way'] for row in training] == list(WAYS)
    assert training[0]['items_per_image'] == 1
    assert len({row['items_per_image'] for row in training[1:]}) == 1
    for row in training:
        assert row['ms_per_image'] == pytest.approx(row['ms_per_item'] * row['items_per_image'])
        assert row['peak_mb'] > 50
    assert training[1]['times_faster'] == 1
    assert [(row['way'], row['tile_size']) for row in testing] == [
        (way, size) for size in (None, 64) for way in WAYS[1:]
    ]
    views = [row['views_per_image'] for row in testing]
    assert views[:3] == [2, 2, 2]
    assert views[3] > 4
    assert all(row['seconds_per_image'] > 0 for row in testing)
    assert all(row['peak_mb'] >= row['start_mb'] for row in testing)
    assert figures['tiling']['mb_after'] > 0
    lines = capsys.readouterr().out.splitlines()
    # Tiles of 64 px share too little for its levels, which the log says.
    assert len([line for line in lines if 'tiles share' not in line]) == 15


def test_some_ways_without_testing(images, capsys):
    run(images / 'annotations.json', images, *LEVELS, '--ways', 'windows', '--test-images', '0')
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith('windows of the files')


def test_workers_load_the_same_chips(images, tmp_path):
    found = prepare_images(images / 'annotations.json', images, tmp_path, 2, with_tiled=False)
    chips = Chips([1.0, 0.5], [(-1, 60), (40, -1)], 96)
    done = []
    rows = measure_chips(found, chips, WAYS[:3], 2, num_workers=1, on_done=done.append)
    assert len(done) == 2
    assert {row['items_per_image'] * found.num_images for row in rows[1:]} == {done[0]}


@pytest.mark.slow
def test_satellite_pictures(images, tmp_path, capsys):
    """16 bits that are used in part, and bands that no file of this kind says to be colours."""
    tifffile = pytest.importorskip('tifffile')
    content = json.loads((images / 'annotations.json').read_text())
    for image, (height, width) in zip(content['images'], SIZES):
        image['file_name'] = image['file_name'].replace('.jpg', '.tif')
        samples = np.full((height, width, 4), 500, np.uint16)
        kind = dict(photometric='minisblack', planarconfig='contig')
        tifffile.imwrite(images / image['file_name'], samples, **kind)
    (images / 'annotations.json').write_text(json.dumps(content))
    arguments = images / 'annotations.json', images, *LEVELS, '--epochs', '1'
    run(*arguments, '--bands', '3', '2', '1', '--json', tmp_path / 'figures.json')
    figures = json.loads((tmp_path / 'figures.json').read_text())
    for rows in (figures['training'], figures['testing']):
        assert {row['way'] for row in rows} == {'windows', 'tiled'}
    with pytest.raises(InputError, match='4 bands'):
        run(*arguments, '--ways', 'windows')
    with pytest.raises(InputError, match='windows and tiled alone'):
        run(*arguments, '--ways', 'before', '--bands', '1')


@pytest.mark.slow
def test_16_bits_are_measured_in_all_ways(images, tmp_path):
    tifffile = pytest.importorskip('tifffile')
    content = json.loads((images / 'annotations.json').read_text())
    for image, size in zip(content['images'], SIZES):
        image['file_name'] = image['file_name'].replace('.jpg', '.tif')
        tifffile.imwrite(images / image['file_name'], np.full(size, 500, np.uint16))
    (images / 'annotations.json').write_text(json.dumps(content))
    arguments = images / 'annotations.json', images, *LEVELS, '--epochs', '1'
    run(*arguments, '--test-images', '1', '--json', tmp_path / 'figures.json')
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert [row['way'] for row in figures['training']] == list(WAYS)


@pytest.mark.parametrize('ways', [(), ('--ways', 'windows')])
def test_a_wrong_folder_is_told(images, tmp_path, ways):
    with pytest.raises(InputError, match=r'nowhere/\d\.jpg does not exist.*/images/annotations'):
        run(images / 'annotations.json', tmp_path / 'nowhere', *LEVELS, *ways)


def test_what_cannot_be_loaded_is_told(images, tmp_path):
    (images / '1.jpg').write_bytes(b'')
    arguments = images / 'annotations.json', images, *LEVELS
    with pytest.raises(InputError, match=r'1\.jpg'):
        run(*arguments, '--ways', 'before')
    with pytest.raises(InputError, match='belong together'):
        run(*arguments[:2], '--levels', '[1.0]')
    content = json.loads((images / 'annotations.json').read_text())
    content['annotations'] = []
    (images / 'annotations.json').write_text(json.dumps(content))
    with pytest.raises(InputError, match='no image with an object'):
        run(*arguments)


class Deadly:
    """A dataset whose items end the process."""

    def __getitem__(self, index):
        import os

        os._exit(3)


def test_the_end_of_a_process_is_told():
    with LoadingProcess(Deadly) as process, pytest.raises(InputError, match='ended with status 3'):
        process.load([0])
