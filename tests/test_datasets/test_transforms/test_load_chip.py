"""LoadChip: what comes of loading whole images, of no more pixels than the chip has."""

import copy
import pickle
from fractions import Fraction
from math import ceil, floor

import cv2
import numpy as np
import pycocotools.mask as mask_util
import pytest
import torch
from image_files import photograph
from log_capture import log_of
from mmdet.datasets import MultiImageMixDataset
from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.dataset import Compose
from mmengine.structures import BaseDataElement
from painted_scenes import LEVELS, write_scenes
from PIL import Image

from mmsniper import InputError
from mmsniper.datasets import BrokenImageError, ChipDataset, LoadChip
from mmsniper.datasets.transforms import load_chip
from mmsniper.images import read_window

SHAPES = [(120, 170), (97, 41), (33, 200), (64, 64), (5, 3), (2, 2)]
ANNOTATIONS = [
    dict(type='LoadAnnotations', with_bbox=True, with_seg=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True, with_seg=True),
    dict(type='LoadChipAnnotations', with_bbox=True, with_mask=True, without_mask='ignore'),
    dict(
        type='LoadChipAnnotations',
        with_bbox=True,
        with_mask=True,
        without_mask='ignore',
        poly2mask=False,
    ),
]
CUT, SCALE, PACK = dict(type='ChipSample'), dict(type='ScaleNormalize'), dict(type='PackChipInputs')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for index, (height, width) in enumerate(SHAPES):
        cv2.imwrite(str(folder / f'{index}.png'), photograph(height, width, index))
        labels = rng.integers(0, 4, (height, width), np.uint8)
        cv2.imwrite(str(folder / f'{index}_labels.png'), labels)
    return folder


@pytest.fixture
def reads(monkeypatch):
    """What LoadChip asks for: window, size, more."""
    asked = []

    def read(path, window, size, **kwargs):
        asked.append((window, size, kwargs['more']))
        return read_window(path, window, size, **kwargs)

    monkeypatch.setattr(load_chip, 'read_window', read)
    return asked


@pytest.fixture(params=['at its own size', 'at the size of the level'])
def reading(request, monkeypatch):
    """Chips of files that nothing is gained by reading at a lower resolution, and of others."""
    if request.param == 'at the size of the level':
        read_reduced(monkeypatch)
    return request.param


def read_reduced(monkeypatch):
    def read(*args, **kwargs):
        return read_window(*args, **dict(kwargs, exact=True))

    monkeypatch.setattr(load_chip, 'read_window', read)


def random_chip(folder, rng):
    """What ChipDataset could say of a chip of any place, size and level."""
    index = int(rng.integers(len(SHAPES)))
    height, width = SHAPES[index]
    corners = np.sort(rng.uniform(0, 1, (2, 2)), axis=0) * [width, height]
    if rng.random() < 0.2:  # of some pixels
        corners[1] = corners[0] + rng.uniform(0, 3, 2)
    if rng.random() < 0.2:
        corners = np.array([[0, 0], [width, height]])
    chip = np.rint(corners.reshape(4))
    chip[:2] = np.minimum(chip[:2], [width - 1, height - 1])
    chip[2:] = np.clip(chip[2:], chip[:2] + 1, [width, height])
    instances = [random_instance(rng, height, width) for _ in range(rng.integers(7))]
    info = dict(
        img_path=str(folder / f'{index}.png'),
        seg_map_path=str(folder / f'{index}_labels.png'),
        img_id=index,
        height=height,
        width=width,
        instances=instances,
        proposals=dict(
            bboxes=np.array(
                [random_instance(rng, height, width)['bbox'] for _ in range(5)], np.float32
            ),
            scores=rng.random(5).astype(np.float32),
        ),
        chip=(chip + rng.uniform(-0.4, 0.4, 4)).astype(np.float32),
        chip_level=1,
        chip_scale=float(rng.choice([2.0, 1.0, 0.5, 0.25, 1 / 3, rng.uniform(0.1, 1.5)])),
        valid_range=[(-1.0, 30.0), (10.0, 40.0), (25.0, -1.0)][rng.integers(3)],
    )
    if rng.random() < 0.3 and instances:
        info['promoted_boxes'] = np.array([instances[0]['bbox']], np.float32)
    return info


def random_instance(rng, height, width):
    left, right = np.sort(rng.uniform(-5, width + 5, 2))
    top, bottom = np.sort(rng.uniform(-5, height + 5, 2))
    if rng.random() < 0.5:
        left, top, right, bottom = np.rint([left, top, right, bottom]) + [0, 0, 1, 1]
    polygon = [left, top, right, top, right, bottom, (left + right) / 2, top]
    mask = [polygon]
    if rng.random() < 0.3:
        mask = mask_util.merge(mask_util.frPyObjects(mask, height, width))
    return dict(
        bbox=[float(side) for side in (left, top, right, bottom)],
        bbox_label=int(rng.integers(3)),
        ignore_flag=int(rng.random() < 0.2),
        mask=mask,
    )


def through(info, *steps):
    results = copy.deepcopy(info)
    for step in steps:
        results = (TRANSFORMS.build(step) if isinstance(step, dict) else step)(results)
    return results


def assert_same(found, expected, tolerance=0, path='results'):
    """Assert that all is equal, to the last digit; but the image to within a tolerance."""
    assert type(found) is type(expected), path
    if isinstance(found, dict):
        assert found.keys() == expected.keys(), path
        for key in found:
            assert_same(found[key], expected[key], tolerance, f'{path}[{key!r}]')
    elif isinstance(found, (list, tuple)):
        assert len(found) == len(expected), path
        for index, pair in enumerate(zip(found, expected)):
            assert_same(*pair, tolerance, f'{path}[{index}]')
    elif isinstance(found, BaseDataElement):
        assert_same(dict(found.all_items()), dict(expected.all_items()), tolerance, path)
    elif hasattr(found, 'to_ndarray'):
        assert_same(found.to_ndarray(), expected.to_ndarray(), tolerance, path)
    elif isinstance(found, HorizontalBoxes):
        assert_same(found.numpy(), expected.numpy(), tolerance, path)
    elif isinstance(found, (np.ndarray, torch.Tensor)):
        found, expected = (np.asarray(each) for each in (found, expected))
        assert found.dtype == expected.dtype and found.shape == expected.shape, path
        if path == "results['img']":
            assert not found.size or np.abs(found.astype(float) - expected).max() <= tolerance
        else:
            assert (found == expected).all(), path
    else:
        assert found == expected, path


@pytest.mark.parametrize('annotations', range(len(ANNOTATIONS)))
@pytest.mark.parametrize('mode', ['ignore', 'drop', 'keep', 'erase'])
def test_everything_is_as_of_whole_images(folder, reading, mode, annotations):
    """Boxes, masks, maps, proposals, flags and all that is said of the image; and its pixels."""
    rng = np.random.default_rng(annotations)
    to_float = mode == 'drop'
    reduced = reading == 'at the size of the level'
    steps = [
        dict(type='LoadProposals'),
        ANNOTATIONS[annotations],
        dict(type='ChipSample', min_visible=0.3),
        dict(SCALE, mode=mode) if reduced else dict(SCALE, mode=mode, interpolation='nearest'),
    ]
    whole, chip = (
        [TRANSFORMS.build(dict(type=name, to_float32=to_float)), *map(TRANSFORMS.build, steps)]
        for name in ('LoadIntactImage', 'LoadChip')
    )
    num_reduced = 0
    for _ in range(50):
        info = random_chip(folder, rng)
        if annotations == 1:  # MMDetection's bitmaps cannot be made of compressed RLE
            info['instances'] = [i for i in info['instances'] if isinstance(i['mask'], list)]
        expected = through(info, *whole)
        found = through(info, *chip)
        num_reduced += found['img'].shape[:2] != found['ori_shape']
        if mode == 'erase' and reduced:
            expected['img'] = found['img']  # see below
        assert_same(found, expected, tolerance=1 if to_float and reduced else 0)
    assert num_reduced > 25


def test_erasing_at_the_resolution_of_the_level(folder, monkeypatch):
    """Every pixel that an ignored box touches and no valid box does, in exact arithmetic."""
    read_reduced(monkeypatch)
    rng = np.random.default_rng(0)
    steps = [dict(type='LoadChip'), dict(type='LoadProposals'), ANNOTATIONS[0], CUT]
    loaded = [TRANSFORMS.build(step) for step in steps]
    erase = TRANSFORMS.build(dict(SCALE, mode='erase', fill_value=(1, 2, 3)))
    num_erased = 0
    for _ in range(60):
        info = random_chip(folder, rng)
        info['chip_scale'] = min(info['chip_scale'], 1.0)
        cut = through(info, *loaded)
        kept = through(cut, dict(SCALE, mode='ignore'))
        height, width = cut['img_shape']
        expected = cut['img'].copy()
        filled = np.zeros(expected.shape[:2], bool)
        factors = [Fraction(expected.shape[1], width), Fraction(expected.shape[0], height)] * 2
        for ignored in (True, False):
            for box, flag in zip(cut['gt_bboxes'].numpy(), kept['gt_ignore_flags']):
                if flag == ignored:
                    left, top, right, bottom = (
                        Fraction(float(side)) * factor for side, factor in zip(box, factors)
                    )
                    filled[floor(top) : ceil(bottom), floor(left) : ceil(right)] = ignored
        expected[filled] = (1, 2, 3)
        assert (through(cut, erase)['img'] == through(dict(cut, img=expected), SCALE)['img']).all()
        num_erased += filled.any()
    assert num_erased > 20


def test_no_more_is_asked_for_than_is_needed(folder, reads):
    info = dict(img_path=str(folder / '0.png'), height=120, width=170, chip_scale=0.5)
    load = LoadChip()
    for chip, scale, size in [
        ([10, 20, 110, 100], 0.5, (50, 40)),
        ([10.4, 19.6, 109.7, 100.2], 0.3, (30, 24)),
        ([10, 20, 110, 100], 1.0, (100, 80)),
        ([10, 20, 110, 100], 1.5, None),
        ([10, 20, 11, 100], 0.5, None),  # a side of less than two pixels is enlarged
        ([10, 20, 12, 100], 0.01, (2, 2)),
    ]:
        results = load(dict(info, chip=np.array(chip, np.float32), chip_scale=scale))
        window = tuple(int(side) for side in np.rint(chip))
        assert reads.pop() == (window, size, False)
        assert results['loaded_window'] == window
        assert results['img_shape'] == results['ori_shape'] == (120, 170)
        left, top, right, bottom = window
        assert results['img'].shape == (bottom - top, right - left, 3)
    load(dict(info, chip=np.array([0, 0, 9, 9]), num_views=2))
    assert reads.pop()[2], 'of the other views the next will be asked for'
    load(dict(info, chip=np.array([0, 0, 9, 9]), num_views=1))
    assert not reads.pop()[2]
    load.chips_follow = True
    load(dict(info, chip=np.array([0, 0, 9, 9])))
    assert reads.pop()[2]
    assert 'loaded_window' not in load(dict(img_path=info['img_path']))
    assert reads.pop() == (None, None, True)


@pytest.mark.parametrize(
    'settings',
    [
        LEVELS,
        dict(LEVELS, levels=[1.0, 0.4]),
        dict(test_mode=True, levels=[1.0, 0.5], valid_ranges=[(-1, 24), (20, -1)]),
        dict(test_mode=True, tile_size=64, levels=[1.0, 0.5], valid_ranges=[(-1, 24), (20, -1)]),
    ],
)
def test_items_of_a_dataset(tmp_path, reading, settings):
    scenes = write_scenes(tmp_path, num_images=2)
    annotations = dict(ANNOTATIONS[2])
    steps = [CUT, SCALE, annotations, PACK]
    if not settings.get('test_mode'):
        colours = dict(type='RandomGrayscale', prob=1.0, keep_channels=True)
        steps = [annotations, *([] if reading.endswith('level') else [colours]), CUT, SCALE, PACK]
    whole, chips = (
        ChipDataset(scenes, [dict(type=name), *steps], **settings)
        for name in ('LoadIntactImage', 'LoadChip')
    )
    assert len(chips) >= 4
    for expected, found in zip(whole, chips):
        assert_same(found, expected)


@pytest.mark.parametrize(
    'mixing',
    [
        [dict(type='Mosaic', img_scale=(96, 96))],
        [dict(type='MixUp', img_scale=(96, 96), ratio_range=(0.8, 1.25))],
        [dict(type='Mosaic', img_scale=(96, 96)), dict(type='RandomAffine', border=(-48, -48))],
    ],
)
def test_chips_are_mixed_as_before(tmp_path, monkeypatch, mixing):
    read_reduced(monkeypatch)
    scenes = write_scenes(tmp_path, num_images=2)
    items = []
    for name in ('LoadIntactImage', 'LoadChip'):
        steps = [dict(type=name), ANNOTATIONS[0] | dict(with_seg=False), CUT, SCALE]
        inner = dict(type='ChipDataset', dataset=scenes, pipeline=steps, **LEVELS)
        np.random.seed(0)
        mixed = MultiImageMixDataset(inner, [*mixing, PACK])
        items.append([mixed[index] for index in range(6)])
    assert_same(*items[::-1])


@pytest.mark.parametrize(
    'steps',
    [
        [dict(CUT, levels=[1.0, 0.5], valid_ranges=[(-1, 40), (30, -1)], chip_size=48), SCALE],
        [dict(SCALE, levels=[1.0, 0.5], valid_ranges=[(-1, 40), (30, -1)])],
    ],
    ids=['chips of its own', 'SNIP'],
)
def test_without_a_chip_dataset(folder, steps):
    rng = np.random.default_rng(0)
    for number in range(10):
        info = random_chip(folder, rng)
        kept = ('img_path', 'seg_map_path', 'height', 'width', 'instances')
        info = {key: info[key] for key in kept}
        results = []
        for name in ('LoadIntactImage', 'LoadChip'):
            np.random.seed(number)
            results.append(through(info, dict(type=name), ANNOTATIONS[2], *steps))
        assert_same(*results)


@TRANSFORMS.register_module()
class Blur(Resize):
    """One of a user's own that has more to do with pixels than resizing them."""

    def _resize_img(self, results):
        results['img'] = cv2.blur(results['img'], (3, 3))
        super()._resize_img(results)


@pytest.mark.parametrize(
    'steps, names',
    [
        ([CUT, SCALE], ''),
        ([dict(type='PhotoMetricDistortion'), CUT, SCALE], ''),
        ([CUT, dict(type='YOLOXHSVRandomAug'), SCALE], ''),
        ([dict(type='FilterAnnotations', min_gt_bbox_wh=(9, 9)), CUT, SCALE], ''),
        ([dict(type='RandomApply', transforms=[dict(type='Invert', prob=1.0)]), CUT, SCALE], ''),
        # What looks at the whole image, at places in it or at boxes.
        ([dict(type='RandomErasing', n_patches=2, ratio=0.1), CUT, SCALE], 'RandomErasing'),
        ([dict(type='CutOut', n_holes=1, cutout_shape=(9, 9)), CUT, SCALE], 'CutOut'),
        ([dict(type='Equalize', prob=1.0), CUT, SCALE], 'Equalize'),
        (
            [
                dict(
                    type='RandomApply',
                    transforms=[dict(type='Invert', prob=1.0), dict(type='Contrast', prob=1.0)],
                    prob=1.0,
                ),
                CUT,
                SCALE,
            ],
            'Contrast',
        ),
        ([CUT, dict(type='RandomFlip', prob=1.0), SCALE], 'RandomFlip'),
        ([CUT, dict(SCALE, resize_type='Blur')], 'Blur'),
    ],
)
def test_whole_images_for_what_may_need_them(tmp_path, reads, caplog, steps, names):
    scenes = write_scenes(tmp_path, num_images=1)
    steps = [dict(ANNOTATIONS[0], with_seg=False), *steps, PACK]
    settings = dict(LEVELS, levels=[1.0, 0.5])
    chips, log = log_of(
        caplog, lambda: ChipDataset(scenes, [dict(type='LoadChip'), *steps], **settings)
    )
    whole = ChipDataset(scenes, [dict(type='LoadIntactImage'), *steps], **settings)
    items = []
    for dataset in (whole, chips):
        np.random.seed(0)
        items.append(list(dataset))
    assert_same(*items)
    assert {window is None for window, _, _ in reads} == {bool(names)}
    assert (f'LoadChip loads whole images, because {names} may need more' in log) == bool(names)
    chips.pipeline = Compose(
        [TRANSFORMS.build(step) for step in (dict(type='LoadChip'), CUT, SCALE)]
    )
    reads.clear()
    chips[0]
    assert reads[0][0] is not None


def test_what_is_wrong_with_an_image_or_a_chip_is_said_as_before(folder, tmp_path):
    info = dict(img_path=str(folder / '0.png'), height=120, width=170, chip_scale=0.5)
    info['chip'] = np.array([90, 90, 171, 110])
    cases = [info, dict(info, height=119), dict(info, height=170, width=120)]
    cases += [dict(info, chip=np.array([20, 20, 20, 40])), dict(info, img_path='none.png')]
    cut = (tmp_path / 'cut.png', (folder / '0.png').read_bytes()[:-20])
    cut[0].write_bytes(cut[1])
    cases.append(dict(info, img_path=str(cut[0])))
    for case in cases:
        sentences = []
        for name in ('LoadIntactImage', 'LoadChip'):
            with pytest.raises(InputError) as caught:
                through(case, dict(type=name), CUT)
            sentences.append((type(caught.value), str(caught.value)))
        assert sentences[0] == sentences[1]
    assert sentences[0][0] is BrokenImageError


def test_a_chip_that_was_changed_after_loading(folder, monkeypatch):
    info = dict(img_path=str(folder / '0.png'), height=120, width=170, chip_scale=0.5)
    info |= dict(chip=np.array([0, 0, 60, 40]), valid_range=(-1.0, -1.0))
    results = through(info, dict(type='LoadChip'))
    with pytest.raises(InputError, match=r'chip .*0\.png is \(0, 0, 60, 60\), but was \(0, 0, 60,'):
        through(dict(results, chip=np.array([0, 0, 60, 60])), CUT)
    read_reduced(monkeypatch)
    results = through(info, dict(type='LoadChip'), CUT)
    with pytest.raises(InputError, match='has 30x20 pixels at ScaleNormalize instead of 15x10'):
        through(dict(results, chip_scale=0.25), SCALE)


@pytest.mark.parametrize('height', [40, 60])
def test_an_image_that_was_turned_is_said_once(tmp_path, caplog, height):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / 'turned.jpg'
    Image.fromarray(photograph(40, height)).save(path, exif=exif)
    info = dict(img_path=str(path), height=height, width=40, chip=np.array([0, 0, 9, 9]))
    load = LoadChip()
    _, log = log_of(caplog, lambda: [load(dict(info)) for _ in range(3)])
    assert log.count("use LoadChip(color_type='color_ignore_orientation')") == (height == 40)


def test_a_copy_begins_with_an_empty_cache(folder):
    load = LoadChip(cache_size=12345)
    load(dict(img_path=str(folder / '0.png'), chip=np.array([0, 0, 9, 9]), num_views=2))
    for another in (copy.deepcopy(load), pickle.loads(pickle.dumps(load))):
        assert another.cache.num_bytes == 0 and another.cache.max_bytes == 12345
    assert 'depth_range=None, cache_size=12345)' in repr(load)
    with pytest.raises(InputError, match='LoadChip: cache_size=-1 must be 0 or more bytes'):
        LoadChip(cache_size=-1)
