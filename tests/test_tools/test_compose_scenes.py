import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import TOOLS, run
from mmdet.datasets import CocoDataset
from photograph_sources import write_source
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmsniper.errors import InputError
from mmsniper.experiments.generation.mosaic import Layout, PhotographPool, arrange, compose, resize
from mmsniper.experiments.generation.photographs import read_source

SCRIPT = TOOLS / 'dataset_converters' / 'compose_scenes.py'
SMALL = '--width 320 --height 240 --sizes 4 160 --max-photographs 10'.split()


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('compose_scenes', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


SIZES = [(90, 120), (120, 90), (100, 100), (60, 160)]
BOXES = [
    [(10, 20, 60, 50)],
    [(8, 8, 12, 16), (40, 60, 40, 50), (62, 10, 9, 9)],
    [],
    [(100, 5, 40, 40), (0, 0, 3, 3)],
]


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """Options that name a source for training with a crowd, and one for validation."""
    folder = tmp_path_factory.mktemp('sources')
    train = write_source(folder / 'one', SIZES, BOXES, crowds={(1, 1)})
    val = write_source(folder / 'two', SIZES[:2], BOXES[:2], seed=1)
    return ['--train-source', *train, '--val-source', *val]


@pytest.fixture(scope='module')
def small_set(tool, sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp('scenes') / 'set'
    tool.main([*sources, *SMALL, '--out-dir', str(folder), '--train', '6', '--val', '3'])
    return folder


def pool_of(source, **changes):
    layout = dict(width=320, height=240, scales=(0.1, 2.0), sizes=(4.0, 160.0), min_size=4.0)
    layout = Layout(**{**layout, 'max_photographs': 10, **changes})
    photographs, names = read_source(Path(source[0]), Path(source[1]), 'all')
    ids = {name: number + 1 for number, name in enumerate(names)}
    return PhotographPool([photographs], layout), ids


def read_all(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()
    }


def weights(old, new):
    """(new, old) how much of each old pixel goes into each new one along one axis, worked out
    pixel by pixel: by the overlap of their areas where smaller, by a cubic (-0.75) where larger."""
    matrix = np.zeros((new, old))
    step = old / new
    for target in range(new):
        if new < old:
            for source in range(old):
                overlap = min((target + 1) * step, source + 1) - max(target * step, source)
                matrix[target, source] = max(overlap, 0) / step
        else:
            centre = (target + 0.5) * step - 0.5
            for source in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
                d = abs(centre - source)
                near, far = 1.25 * d**3 - 2.25 * d**2 + 1, -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
                matrix[target, min(max(source, 0), old - 1)] += near if d <= 1 else far
    return matrix


def slowly_resized(image, width, height):
    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.einsum('yi,ijc,xj->yxc', rows, image.astype(float), columns, optimize=True).clip(
        0, 255
    )


@pytest.mark.parametrize('size', [(12, 9), (47, 35), (60, 45), (120, 90), (171, 128), (240, 180)])
def test_resizing_is_that_of_a_slow_reference(size):
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    difference = np.abs(resize(image, *size) - slowly_resized(image, *size))
    assert difference.max() <= 1.01


def test_the_pixels_of_every_box_are_those_of_its_object_in_the_photograph(sources):
    """Follows each annotation back to its source by its place, and resizes that slowly."""
    pool, ids = pool_of(sources[1:3])
    originals = {photo.path.name: photo for photo in pool.sources[0]}
    checked = set()
    for seed in range(12):
        image, annotations, facts = compose(np.random.default_rng(seed), pool, ids)
        annotations = iter(annotations)
        for found in facts['photographs']:
            x, y, width, height = found['bbox']
            photo = originals[found['file_name']]
            expected = slowly_resized(photo.load(), width, height)
            assert 0.09 < width / photo.width < 2.01
            assert width / photo.width == pytest.approx(height / photo.height, abs=0.51 / 6)
            for box, name in zip(photo.boxes, photo.names):
                annotation = next(annotations)
                assert annotation['category_id'] == ids[name]
                in_tile = box.reshape(2, 2) * [width / photo.width, height / photo.height]
                low, high = in_tile + (x, y)
                assert annotation['bbox'] == pytest.approx([*low, *(high - low)], abs=0.011)
                left, top = np.floor(low).astype(int)
                right, bottom = np.ceil(high).astype(int)
                shown = image[top:bottom, left:right].astype(float)
                there = expected[top - y : bottom - y, left - x : right - x]
                assert np.abs(shown - there).max() <= 1.01
                checked.add(name)
        assert next(annotations, None) is None
    assert checked == {'cat', 'dog', 'cell'}


def test_red_objects_are_found_where_the_boxes_say(sources):
    """Looks for them in the scene itself: each patch of red is one box, and each box one patch."""
    pool, ids = pool_of(sources[1:3])
    objects = 0
    for seed in range(10):
        image, annotations, facts = compose(np.random.default_rng(seed), pool, ids)
        colours = image.astype(int)
        red = (colours[..., 2] - colours[..., 0] > 80).astype(np.uint8)
        gaps = np.ones_like(red)
        for x, y, width, height in (photo['bbox'] for photo in facts['photographs']):
            gaps[y : y + height, x : x + width] = 0
        red[gaps > 0] = 0  # they may have a tinge of it
        boxes = np.array([a['bbox'] for a in annotations if a['bbox'][2] * a['bbox'][3] > 25])
        _, _, patches, _ = cv2.connectedComponentsWithStats(red, connectivity=4)
        patches = patches[1:, :4]
        near = np.abs(boxes[:, None] - patches[None]).max(axis=2) <= 2.01
        assert (near.sum(axis=1) == 1).all()
        assert (near.any(axis=0) | (patches[:, 2] * patches[:, 3] <= 36)).all()
        objects += len(boxes)
    assert objects > 60


def test_photographs_are_whole_and_never_overlap(sources):
    pool, _ = pool_of(sources[1:3])
    for seed in range(20):
        covered = np.zeros((240, 320), int)
        for _, (x, y, width, height) in arrange(np.random.default_rng(seed), pool):
            assert 0 <= x <= 320 - width and 0 <= y <= 240 - height
            covered[y : y + height, x : x + width] += 1
        assert covered.max() == 1
        assert covered.mean() > 0.6


def test_the_most_photographs_are_kept_to(sources):
    for most in (1, 3):
        pool, _ = pool_of(sources[1:3], max_photographs=most)
        assert len(arrange(np.random.default_rng(0), pool)) == most


def test_objects_of_all_sizes_appear(sources):
    pool, ids = pool_of(sources[1:3], min_size=0)
    boxes = [
        annotation['bbox'][2:]
        for seed in range(40)
        for annotation in compose(np.random.default_rng(seed), pool, ids)[1]
    ]
    counts, _ = np.histogram(np.sqrt(np.prod(boxes, axis=1)), [4, 8, 16, 32, 64, 128])
    assert counts.min() > 25


def test_sources_of_any_length_are_drawn_from_alike(tmp_path):
    many = write_source(tmp_path / 'many', [(60, 80)] * 20, [[(20, 20, 30, 30)]] * 20)
    one = write_source(tmp_path / 'one', [(60, 80)], [[(20, 20, 30, 30)]])
    layout = Layout(320, 240, (0.1, 2.0), (4.0, 60.0), 4.0, 10)
    read = [read_source(Path(file), Path(folder), 'all')[0] for file, folder in (many, one)]
    pool, rng = PhotographPool(read, layout), np.random.default_rng(0)
    drawn = [pool.draw(rng)[0].path.name for _ in range(400)]
    assert 150 < sum(name.startswith('one') for name in drawn) < 250
    filling = [pool.draw_filling(rng, 100, 100)[0].path.name for _ in range(400)]
    assert 150 < sum(name.startswith('one') for name in filling) < 250


def test_photographs_without_objects_are_shown_as_well(sources):
    pool, _ = pool_of(sources[1:3])
    rng = np.random.default_rng(0)
    empty = [not pool.draw(rng)[0].names for _ in range(400)]
    assert 60 < sum(empty) < 140  # one in four


def test_sizes_that_no_photograph_can_have_leave_its_scale_to_chance(sources):
    pool, _ = pool_of(sources[1:3], sizes=(5000.0, 6000.0))
    rng = np.random.default_rng(0)
    scales = [pool.draw(rng)[1] for _ in range(50)]
    assert 0.1 <= min(scales) < 0.2 and 1.3 < max(scales) <= 2


def test_small_objects_and_crowds_are_ignored_but_not_lost(sources):
    pool, ids = pool_of(sources[1:3], min_size=10.0)
    kinds = set()
    for seed in range(10):
        _, annotations, facts = compose(np.random.default_rng(seed), pool, ids)
        number = {photo.path.name: len(photo.names) for photo in pool.sources[0]}
        assert len(annotations) == sum(number[p['file_name']] for p in facts['photographs'])
        for annotation in annotations:
            size = np.sqrt(np.prod(annotation['bbox'][2:]))
            is_crowd = isinstance(annotation['segmentation'], dict)
            assert annotation['iscrowd'] == int(size < 10 or is_crowd)
            kinds.add((bool(size < 10), is_crowd))
    assert len(kinds) == 4


def test_outlines_and_areas_are_those_of_the_boxes(sources):
    pool, ids = pool_of(sources[1:3])
    for seed in range(6):
        for annotation in compose(np.random.default_rng(seed), pool, ids)[1]:
            x, y, width, height = annotation['bbox']
            assert annotation['area'] == pytest.approx(width * height, rel=0.02, abs=0.1)
            outline = annotation['segmentation']
            if isinstance(outline, dict):
                mask = coco_mask.decode(coco_mask.frPyObjects(outline, 240, 320))
                found = cv2.boundingRect(mask)
                assert found == pytest.approx((x, y, width, height), abs=1.51)
            else:
                points = np.array(outline).reshape(-1, 2)
                assert points.min(0) == pytest.approx([x, y], abs=0.02)
                assert points.max(0) == pytest.approx([x + width, y + height], abs=0.02)


def test_the_files_form_a_coco_data_set(small_set):
    shown = {'train': set(), 'val': set()}
    for split, count in (('train', 6), ('val', 3)):
        coco = COCO(small_set / 'annotations' / f'{split}.json')
        assert [entry['name'] for entry in coco.dataset['categories']] == ['cat', 'dog', 'cell']
        assert len(coco.imgs) == count
        for image_id, image in coco.imgs.items():
            picture = cv2.imread(str(small_set / split / image['file_name']))
            assert picture.shape == (image['height'], image['width'], 3) == (240, 320, 3)
            shown[split] |= {photo['file_name'] for photo in image['photographs']}
            for annotation in coco.imgToAnns[image_id]:
                x, y, width, height = annotation['bbox']
                assert 0 <= x <= x + width <= 320.001 and 0 <= y <= y + height <= 240.001
        ids = [annotation['id'] for annotation in coco.dataset['annotations']]
        assert len(set(ids)) == len(ids) > 0
    assert {name[:3] for name in shown['train']} == {'one'}
    assert {name[:3] for name in shown['val']} == {'two'}


def test_the_pictures_show_the_composed_scene(small_set, sources):
    pool, ids = pool_of(sources[1:3])
    for number in range(3):
        scene, _, _ = compose(np.random.default_rng([0, 0, number]), pool, ids)
        picture = cv2.imread(str(small_set / 'train' / f'{number:06d}.jpg'))
        assert np.abs(picture.astype(float) - scene).mean() < 2


def test_mmdetection_reads_it_and_ignores_what_is_marked(small_set):
    dataset = CocoDataset(
        data_root=str(small_set),
        ann_file='annotations/train.json',
        data_prefix=dict(img='train/'),
        metainfo=dict(classes=('cat', 'dog', 'cell')),
        pipeline=[],
    )
    content = json.loads((small_set / 'annotations' / 'train.json').read_text())
    for number in range(len(dataset)):
        info = dataset.get_data_info(number)
        expected = [
            (a['category_id'] - 1, a['iscrowd'])
            for a in content['annotations']
            if a['image_id'] == info['img_id'] and min(a['bbox'][2:]) >= 1
        ]
        found = [(entry['bbox_label'], entry['ignore_flag']) for entry in info['instances']]
        assert found == expected
        assert Path(info['img_path']).is_file()


@pytest.mark.parametrize(
    ('choice', 'names'),
    [('all', ['cat', 'dog', 'cell', 'car']), ('super', ['animal', 'cell']), ('single', ['object'])],
)
def test_sources_with_other_categories_are_merged(tool, sources, tmp_path, choice, names):
    categories = [dict(id=1, name='cell'), dict(id=3, name='car', supercategory='animal')]
    other = write_source(tmp_path / 'three', SIZES[:2], BOXES[:2], categories)
    options = [*sources, *SMALL, '--train-source', *other, '--categories', choice]
    tool.main([*options, '--out-dir', str(tmp_path / 'set'), '--train', '4', '--val', '1'])
    content = json.loads((tmp_path / 'set' / 'annotations' / 'train.json').read_text())
    assert [entry['name'] for entry in content['categories']] == names
    assert {entry['category_id'] for entry in content['annotations']} == {
        entry['id'] for entry in content['categories']
    }
    val = json.loads((tmp_path / 'set' / 'annotations' / 'val.json').read_text())
    assert val['categories'] == content['categories']


def test_the_same_command_gives_the_same_bytes(tool, sources, small_set, tmp_path):
    options = [*sources, *SMALL, '--out-dir', str(tmp_path / 'again'), '--train', '6', '--val', '3']
    tool.main(options)
    assert read_all(tmp_path / 'again') == read_all(small_set)


def test_another_seed_gives_other_scenes_and_a_larger_set_the_same_first_ones(
    tool, sources, small_set, tmp_path
):
    few = [*sources, *SMALL, '--train', '1', '--val', '1']
    tool.main([*few, '--out-dir', str(tmp_path / 'a'), '--seed', '1'])
    tool.main([*few, '--out-dir', str(tmp_path / 'b')])
    first = Path('train') / '000000.jpg'
    reference = (small_set / first).read_bytes()
    assert (tmp_path / 'a' / first).read_bytes() != reference
    assert (tmp_path / 'b' / first).read_bytes() == reference


def test_a_finished_set_is_kept_until_a_source_changes(tool, tmp_path, capsys):
    train = write_source(tmp_path / 'one', SIZES[:1], BOXES[:1])
    val = write_source(tmp_path / 'two', SIZES[:1], BOXES[:1])
    options = ['--train-source', *train, '--val-source', *val, *SMALL, '--train', '1', '--val', '1']
    options += ['--out-dir', str(tmp_path / 'set')]
    tool.main(options)
    assert capsys.readouterr().out.startswith('composed')
    tool.main(options)
    assert 'kept, already composed' in capsys.readouterr().out
    write_source(tmp_path / 'one', SIZES[:1], [[(10, 20, 55, 50)]])
    tool.main(options)
    assert capsys.readouterr().out.startswith('composed')


def test_the_figures_are_those_of_the_annotations(tool, sources, small_set, tmp_path, capsys):
    options = [*sources, *SMALL, '--out-dir', str(small_set), '--train', '6', '--val', '3']
    tool.main([*options, '--json', str(tmp_path / 'figures.json')])
    figures = json.loads((tmp_path / 'figures.json').read_text())
    printed = capsys.readouterr().out
    for split in ('train', 'val'):
        content = json.loads((small_set / 'annotations' / f'{split}.json').read_text())
        objects = [a for a in content['annotations'] if not a['iscrowd']]
        found = figures[split]
        assert found['objects'] == len(objects) == sum(found['by_size'].values())
        assert found['objects'] == sum(found['by_class'].values())
        ignored = len(content['annotations']) - len(objects)
        assert found['crowds'] + found['too_small'] == ignored
        between = [a for a in objects if 32**2 <= a['bbox'][2] * a['bbox'][3] < 64**2]
        assert found['by_size']['32'] == len(between) > 0
        assert f'{split}: {found["images"]} scenes of {found["photographs"]} photogr' in printed
        assert f'{found["too_small"]} objects below 4 px' in printed
    assert figures['train']['crowds'] > 0 and figures['train']['too_small'] > 0


def test_a_set_of_another_tool_is_left_alone(tool, sources, small_set, tmp_path):
    folder = tmp_path / 'set'
    for name, content in read_all(small_set).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / 'compose_scenes.json').rename(folder / 'draw_shapes.json')
    before = read_all(folder)
    with pytest.raises(InputError, match='did not write'):
        tool.main([*sources, *SMALL, '--out-dir', str(folder)])
    assert read_all(folder) == before


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (['--train', '0'], '--train 0'),
        (['--val', '-1'], '--val -1'),
        (['--seed', '-1'], '--seed -1'),
        (['--width', '8'], '--width 8'),
        (['--scales', '2', '1'], '--scales 2 1 is no range'),
        (['--scales', '0', '1'], '--scales 0 1 is no range'),
        (['--sizes', '8', 'inf'], '--sizes 8 inf is no range'),
        (['--min-size', '-1'], '--min-size -1'),
        (['--max-photographs', '0'], '--max-photographs 0'),
        (['--scales', '9', '10'], r'no image of .*one/source\.json fits on 320x240 .* scale 9'),
    ],
)
def test_impossible_options_are_named(tool, sources, tmp_path, options, named):
    with pytest.raises(InputError, match=named):
        tool.main([*sources, *SMALL, '--out-dir', str(tmp_path / 'set'), *options])
    assert not list(tmp_path.iterdir())


def test_an_image_in_both_splits_is_refused(tool, sources, tmp_path):
    options = [*sources, '--val-source', *sources[1:3], '--out-dir', str(tmp_path / 'set')]
    with pytest.raises(
        InputError, match=r'one_0\.png is in a --train-source and in a --val-source'
    ):
        tool.main(options)


def test_sources_without_any_object_are_refused(tool, sources, tmp_path):
    empty = write_source(tmp_path / 'empty', [(50, 50)], [[]])
    options = [*sources[:3], '--val-source', *empty, '--out-dir', str(tmp_path / 'set')]
    with pytest.raises(InputError, match='the images of --val-source have no object'):
        tool.main(options)


def test_a_broken_picture_ends_the_script_with_one_sentence_and_no_set(sources, tmp_path):
    val = write_source(tmp_path / 'val', SIZES[:1], BOXES[:1])
    (tmp_path / 'val' / 'val_0.png').write_bytes(b'no picture')
    options = [*sources[:3], '--val-source', *val, *SMALL, '--train', '1', '--val', '1']
    done = run(sys.executable, SCRIPT, *options, '--out-dir', 'new/set', cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith('error: image ')
    assert 'val_0.png cannot be read as a picture' in done.stderr
    assert 'Traceback' not in done.stderr
    assert not list((tmp_path / 'new').iterdir())
