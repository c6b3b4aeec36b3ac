import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmsniper.errors import InputError

SCRIPT = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'draw_shapes.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('draw_shapes', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope='module')
def small_set(tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes') / 'set'
    tool.main(['--out-dir', str(folder), '--train', '6', '--val', '2'])
    return folder


def scene(tool, number, *options):
    args = tool.parse_args(['--out-dir', 'unused', *options])
    background, shapes = tool.draw_scene(np.random.default_rng([3, number]), args)
    image = background.copy()
    for shape in shapes:
        tool.paint(image, shape)
    return background, shapes, image


def without(tool, background, shapes, left_out):
    image = background.copy()
    for number, shape in enumerate(shapes):
        if number != left_out:
            tool.paint(image, shape)
    return image


def test_boxes_are_those_of_the_visible_pixels(tool):
    checked = 0
    for number in range(5):
        background, shapes, image = scene(tool, number)
        for index, shape in enumerate(shapes):
            bare = without(tool, background, shapes, index)
            found = cv2.boundingRect((bare != image).any(axis=2).astype(np.uint8))
            assert shape.annotation()['bbox'] == list(found)
            checked += 1
    assert checked > 25


def test_area_and_polygon_are_those_of_the_painted_pixels(tool):
    for number in range(4):
        _, shapes, image = scene(tool, number, '--min-size', '40')
        for shape in shapes:
            annotation = shape.annotation()
            painted = float(shape.alpha.sum())
            assert annotation['area'] == pytest.approx(painted, rel=0.04)
            encoded = coco_mask.merge(
                coco_mask.frPyObjects(annotation['segmentation'], *image.shape[:2])
            )
            solid = np.zeros(image.shape[:2], np.uint8, order='F')
            solid[shape.window] = shape.alpha >= 0.5
            assert coco_mask.iou([encoded], [coco_mask.encode(solid)], [0])[0, 0] > 0.93


def test_a_ring_has_a_hole(tool):
    rng = np.random.default_rng(0)
    alpha = tool.coverage(tool.make_contours('ring', rng), 60, 60)
    assert alpha[30, 30] == 0
    assert alpha[30, 4] == 1


@pytest.mark.parametrize('side', [8, 13, 100])
def test_every_shape_touches_all_sides_of_its_box(tool, side):
    for seed in range(5):
        for name in tool.CLASSES:
            contours = tool.make_contours(name, np.random.default_rng(seed))
            alpha = tool.coverage(contours, side, side)
            assert all(edge.max() > 0 for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))


def test_objects_hide_little_of_each_other(tool):
    for number in range(4):
        _, shapes, image = scene(tool, number, '--objects', '20', '25')
        owners = np.full(image.shape[:2], -1)
        for index, shape in enumerate(shapes):
            owners[shape.window][shape.alpha > 0] = index
        for index, shape in enumerate(shapes):
            visible = (owners == index).sum() / (shape.alpha > 0).sum()
            assert visible >= 1 - tool.MAX_COVERED


def test_objects_stand_out_from_what_is_under_them(tool):
    for number in range(4):
        background, shapes, _ = scene(tool, number)
        image = background.copy()
        for shape in shapes:
            before = image[shape.window].astype(float)
            tool.paint(image, shape)
            changed = np.abs(image[shape.window] - before).mean(axis=2)
            assert changed[shape.alpha == 1].mean() > 20


def test_sizes_spread_evenly_over_the_octaves(tool):
    boxes = [shape.annotation()['bbox'] for number in range(25) for shape in scene(tool, number)[1]]
    sizes = np.sqrt(np.prod(np.array(boxes)[:, 2:], axis=1))
    assert 7 <= sizes.min() < 12
    assert 280 < sizes.max() <= 401
    counts, _ = np.histogram(sizes, [7, 20, 52, 135, 401])
    assert counts.min() > 0.6 * counts.mean()


def test_the_files_form_a_coco_data_set(tool, small_set):
    for split, count in (('train', 6), ('val', 2)):
        coco = COCO(small_set / 'annotations' / f'{split}.json')
        assert [category['name'] for category in coco.dataset['categories']] == list(tool.CLASSES)
        assert len(coco.imgs) == count
        for image_id, image in coco.imgs.items():
            picture = cv2.imread(str(small_set / split / image['file_name']))
            assert picture.shape == (image['height'], image['width'], 3)
            annotations = coco.imgToAnns[image_id]
            assert annotations
            x, y, width, height = np.array([a['bbox'] for a in annotations]).T
            assert (x >= 0).all() and (y >= 0).all()
            assert (x + width <= image['width']).all() and (y + height <= image['height']).all()
            assert not any(a['iscrowd'] for a in annotations)
        ids = [annotation['id'] for annotation in coco.dataset['annotations']]
        assert len(set(ids)) == len(ids)


def read_all(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tool, small_set, tmp_path):
    tool.main(['--out-dir', str(tmp_path / 'again'), '--train', '6', '--val', '2'])
    assert read_all(tmp_path / 'again') == read_all(small_set)


def test_another_seed_gives_other_images_and_a_larger_set_the_same_first_ones(
    tool, small_set, tmp_path
):
    tool.main(['--out-dir', str(tmp_path / 'a'), '--train', '1', '--val', '1', '--seed', '1'])
    tool.main(['--out-dir', str(tmp_path / 'b'), '--train', '1', '--val', '1'])
    first = Path('train') / '000000.jpg'
    reference = (small_set / first).read_bytes()
    assert (tmp_path / 'a' / first).read_bytes() != reference
    assert (tmp_path / 'b' / first).read_bytes() == reference
    assert (tmp_path / 'b' / 'val' / '000000.jpg').read_bytes() != reference


def test_a_finished_set_is_kept_and_others_are_replaced(tool, tmp_path, capsys):
    folder = tmp_path / 'set'
    small = ['--out-dir', str(folder), '--train', '2', '--val', '1']
    tool.main(small)
    image = folder / 'train' / '000001.jpg'
    written = image.stat().st_mtime_ns
    tool.main(small)
    assert 'kept' in capsys.readouterr().out
    assert image.stat().st_mtime_ns == written

    image.unlink()
    tool.main(small)  # no longer whole
    assert image.exists()

    tool.main([*small, '--seed', '5'])
    assert json.loads((folder / 'draw_shapes.json').read_text())['seed'] == 5
    assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_an_interrupted_run_leaves_nothing(tool, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tool.cv2, 'imwrite', interrupt)
    with pytest.raises(KeyboardInterrupt):
        tool.main(['--out-dir', str(tmp_path / 'set'), '--train', '1', '--val', '1'])
    assert not list(tmp_path.iterdir())


def test_folders_of_others_are_left_alone(tool, tmp_path):
    (tmp_path / 'mine.txt').write_text('precious')
    with pytest.raises(InputError, match=r'mine\.txt'):
        tool.main(['--out-dir', str(tmp_path), '--train', '1', '--val', '1'])
    assert (tmp_path / 'mine.txt').read_text() == 'precious'
    with pytest.raises(InputError, match='is a file'):
        tool.main(['--out-dir', str(tmp_path / 'mine.txt')])
    with pytest.raises(InputError, match='cannot be made'):
        tool.main(['--out-dir', str(tmp_path / 'mine.txt' / 'deep' / 'set')])


def test_a_way_through_a_missing_folder_does_not_evade_the_check(tool, tmp_path):
    precious = tmp_path / 'precious'
    precious.mkdir()
    (precious / 'mine.txt').write_text('precious')
    way = tmp_path / 'missing' / '..' / 'precious'
    with pytest.raises(InputError, match=r'mine\.txt'):
        tool.main(['--out-dir', str(way), '--train', '1', '--val', '1'])
    assert read_all(tmp_path) == {Path('precious/mine.txt'): b'precious'}


@pytest.mark.parametrize('name', ['mine.txt', 'train/mine.txt', 'annotations/mine/deep.json'])
def test_a_set_with_files_of_others_in_it_is_not_replaced(tool, tmp_path, name):
    folder = tmp_path / 'set'
    tool.main(['--out-dir', str(folder), '--train', '1', '--val', '1'])
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text('precious')
    before = read_all(folder)
    with pytest.raises(InputError, match='did not write'):
        tool.main(['--out-dir', str(folder), '--train', '1', '--val', '1', '--seed', '2'])
    assert read_all(folder) == before


def test_what_comes_while_drawing_is_left_alone(tool, tmp_path, monkeypatch):
    folder = tmp_path / 'set'
    draw_split = tool.draw_split

    def draw_and_intrude(*args):
        draw_split(*args)
        folder.mkdir(exist_ok=True)
        (folder / 'mine.txt').write_text('precious')

    monkeypatch.setattr(tool, 'draw_split', draw_and_intrude)
    with pytest.raises(InputError, match=r'mine\.txt'):
        tool.main(['--out-dir', str(folder), '--train', '1', '--val', '1'])
    assert read_all(tmp_path) == {Path('set/mine.txt'): b'precious'}


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (['--train', '0'], '--train 0'),
        (['--val', '-1'], '--val -1'),
        (['--seed', '-1'], '--seed -1'),
        (['--min-size', '2'], '--min-size 2'),
        (['--min-size', '90', '--max-size', '80'], '--max-size 80'),
        (['--height', '200'], '--max-size 400 .* at most 182'),
        (['--objects', '5', '4'], '--objects 5 4'),
    ],
)
def test_impossible_parameters_are_named(tool, tmp_path, options, named):
    with pytest.raises(InputError, match=named):
        tool.main(['--out-dir', str(tmp_path / 'set'), *options])
    assert not list(tmp_path.iterdir())
