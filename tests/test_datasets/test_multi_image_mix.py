"""Mosaic, MixUp and copy-paste: MMDetection's MultiImageMixDataset around ChipDataset."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from painted_scenes import (
    BRIGHT,
    COLOURS,
    LEVELS,
    LOAD,
    ONE_LEVEL,
    SIDES,
    assert_flags_follow_labels,
    assert_same_picture,
    is_ignored,
    painted_boxes,
    painted_masks,
    with_masks,
    write_scenes,
)

from mmsniper.datasets import ChipDataset, InfiniteChipSampler
from mmsniper.engine import ChipEpochHook

# PyCOCOTools with NumPy 2.
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')

MOSAIC = dict(type='Mosaic', img_scale=(128, 128))
PACK = dict(type='PackDetInputs', meta_keys=('img_id', 'chip', 'chip_level', 'partners'))


@TRANSFORMS.register_module()
class NotePartners(BaseTransform):
    """Writes down the chips that MultiImageMixDataset gives to a transform."""

    def get_indexes(self, dataset):
        return list(range(len(dataset)))

    def transform(self, results):
        results['partners'] = np.stack([partner['chip'] for partner in results['mix_results']])
        return results


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path)


def mixed_config(scenes, *augmentations, load=LOAD, settings=ONE_LEVEL, **more):
    """Config of a dataset that mixes chips."""
    inner = dict(type='ChipDataset', dataset=scenes, pipeline=load, **settings)
    return dict(type='MultiImageMixDataset', dataset=inner, pipeline=list(augmentations), **more)


def mixed(scenes, *augmentations, repeats=3, **settings):
    """All items of a dataset that mixes chips, each with some random draws."""
    dataset = DATASETS.build(mixed_config(scenes, *augmentations, **settings))
    np.random.seed(0)
    for _ in range(repeats):
        for index in range(len(dataset)):
            yield dataset[index]


def test_mosaic(scenes):
    num_objects, flags = [], set()
    for results in mixed(scenes, MOSAIC, dict(type='RandomFlip', prob=0.5)):
        assert results['img'].shape == (256, 256, 3)
        assert_flags_follow_labels(results)
        assert_same_picture(results['img'], painted_boxes(results))
        num_objects.append(len(results['gt_bboxes']))
        flags |= set(results['gt_ignore_flags'].tolist())
    assert max(num_objects) > len(COLOURS), 'objects of several chips'
    assert flags == {True, False}


def test_mosaic_of_chips_of_several_levels(scenes):
    """Every chip's objects keep the flags of its own level."""
    seen = set()
    for results in mixed(scenes, MOSAIC, settings=LEVELS):
        assert_same_picture(results['img'], painted_boxes(results))
        labels, flags = results['gt_bboxes_labels'].tolist(), results['gt_ignore_flags'].tolist()
        assert len(labels) == len(flags) == len(results['gt_bboxes'])
        corners = results['gt_bboxes'].numpy()
        for label, flag, sides in zip(labels, flags, corners[:, 2:] - corners[:, :2]):
            # Objects that are not cut tell by their size which level they come from.
            for level, scale in enumerate(LEVELS['levels']):
                if np.abs(sides - np.multiply(SIDES[label], scale)).max() < 0.5:
                    assert flag == is_ignored(label, LEVELS['valid_ranges'][level])
                    seen.add((level, flag))
    assert seen == {(0, False), (0, True), (1, False), (1, True)}


def test_mosaic_then_scaled_and_cropped(scenes):
    affine = dict(
        type='RandomAffine',
        max_rotate_degree=0.0,
        max_shear_degree=0.0,
        scaling_ratio_range=(0.8, 1.2),
        border=(-64, -64),
    )
    filtering = dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False)
    flip = dict(type='RandomFlip', prob=0.5)
    for results in mixed(scenes, MOSAIC, affine, flip, filtering):
        assert results['img'].shape == (128, 128, 3)
        assert_flags_follow_labels(results)
        assert_same_picture(results['img'], painted_boxes(results))


def test_mix_up(scenes):
    mix_up = dict(type='MixUp', img_scale=(128, 128), ratio_range=(0.8, 1.2), pad_val=0.0)
    num_objects = []
    for results in mixed(scenes, mix_up):
        assert_flags_follow_labels(results)
        num_objects.append(len(results['gt_bboxes']))
        # Each of two pictures shows at half its brightness: where either is bright, so is the mix.
        canvas = np.zeros(results['img'].shape, bool)
        boxes = np.rint(results['gt_bboxes'].numpy()).astype(int)
        for (left, top, right, bottom), label in zip(boxes, results['gt_bboxes_labels']):
            canvas[top:bottom, left:right] |= COLOURS[label] > 0
        seen = np.where(results['img'] > 92, np.uint8(255), np.uint8(0))
        # Resized twice, so the edges are blurred more.
        assert_same_picture(seen, canvas, 3)
    assert max(num_objects) > len(COLOURS)


COPY_PASTE = dict(type='CopyPaste', mask_occluded_thr=0)


def test_copy_paste(scenes):
    load = [*with_masks(poly2mask=True), dict(type='Pad', size=(128, 128))]
    plain = ChipDataset(scenes, load, **ONE_LEVEL)
    pasted = {True: 0, False: 0}
    for number, results in enumerate(mixed(scenes, COPY_PASTE, load=load)):
        assert_flags_follow_labels(results)
        assert_same_picture(results['img'], painted_masks(results))
        # A box is that of the visible part.
        for mask, box in zip(results['gt_masks'].to_ndarray(), results['gt_bboxes'].numpy()):
            rows, columns = np.nonzero(mask)
            visible = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.abs(box - visible).max() <= 1
        before = plain[number % len(plain)]['gt_bboxes_labels'].tolist()
        after = results['gt_bboxes_labels'].tolist()
        for label, flag in zip(after, results['gt_ignore_flags'].tolist()):
            if after.count(label) > before.count(label):
                pasted[flag] += 1
    assert pasted[True] and pasted[False], 'valid and ignored objects were pasted'


def test_copy_paste_without_masks(scenes):
    load = [*LOAD, dict(type='Pad', size=(128, 128))]
    pasting = dict(COPY_PASTE, paste_by_box=True)
    num_objects = []
    for results in mixed(scenes, pasting, load=load):
        assert_flags_follow_labels(results)
        assert_same_picture(results['img'], painted_boxes(results))
        num_objects.append(len(results['gt_bboxes']))
    assert max(num_objects) > len(COLOURS)


@pytest.mark.parametrize('augmentation', [MOSAIC, COPY_PASTE], ids=['Mosaic', 'CopyPaste'])
def test_chips_without_any_object_take_part(tmp_path, augmentation):
    load = [*with_masks(poly2mask=True), dict(type='Pad', size=(128, 128))]
    inner = ChipDataset(write_scenes(tmp_path), load, **ONE_LEVEL)
    transform = TRANSFORMS.build(augmentation)
    full, empty = inner[0], inner[1]
    none = np.zeros(len(empty['gt_bboxes']), bool)
    empty['img'] = np.zeros_like(empty['img'])
    for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks'):
        empty[key] = empty[key][none]
    partners = 3 if augmentation is MOSAIC else 1
    for one, other in ((full, empty), (empty, full)):
        np.random.seed(1)
        results = transform({**one, 'mix_results': [dict(other) for _ in range(partners)]})
        if augmentation is MOSAIC:
            del results['gt_masks']
        assert_flags_follow_labels(results)
        assert_same_picture(results['img'], painted_boxes(results))


@pytest.mark.parametrize('poly2mask', [True, False])
def test_cached_mosaic_needs_no_wrapper_and_takes_masks(scenes, poly2mask):
    mosaic = dict(type='CachedMosaic', img_scale=(128, 128), max_cached_images=8)
    dataset = ChipDataset(scenes, [*with_masks(poly2mask), mosaic], **ONE_LEVEL)
    np.random.seed(0)
    mosaics = 0
    for _ in range(4):
        for results in dataset:
            mosaics += results['img'].shape == (256, 256, 3)
            assert_flags_follow_labels(results)
            assert_same_picture(results['img'], painted_boxes(results))
            assert_same_picture(results['img'], painted_masks(results), 3)
    assert mosaics > 10


def set_epoch_by_hook(dataset, epoch):
    runner = SimpleNamespace(
        train_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset)),
        epoch=epoch,
        logger=MMLogger.get_current_instance(),
    )
    ChipEpochHook().before_train_epoch(runner)


@pytest.mark.parametrize('persistent_workers', [True, False])
def test_the_hook_reaches_the_chips_in_running_workers(scenes, persistent_workers):
    loader = Runner.build_dataloader(
        dict(
            dataset=mixed_config(scenes, dict(type='NotePartners'), PACK),
            batch_size=2,
            num_workers=1,
            persistent_workers=persistent_workers,
            sampler=dict(type='DefaultSampler', shuffle=False),
        )
    )
    chips = loader.dataset.dataset
    reference = ChipDataset(scenes, LOAD, **ONE_LEVEL)
    seen = []
    for epoch in (0, 3, 1):
        set_epoch_by_hook(loader.dataset, epoch)
        assert chips.epoch == epoch
        samples = [sample for batch in loader for sample in batch['data_samples']]
        reference.set_epoch(epoch)
        assert np.array_equal([sample.chip for sample in samples], reference.table.boxes)
        for sample in samples:
            assert np.array_equal(sample.partners, reference.table.boxes), 'of the same epoch'
        seen.append(reference.table.boxes.tolist())
    assert seen[0] != seen[1] != seen[2]


def test_passes_of_an_endless_sampler(scenes):
    dataset = DATASETS.build(mixed_config(scenes, dict(type='NotePartners')))
    length = len(dataset)
    indices = iter(InfiniteChipSampler(dataset, shuffle=False))
    given = [dataset[next(indices)] for _ in range(2 * length)]
    reference = ChipDataset(scenes, LOAD, **ONE_LEVEL)
    first = reference.table.boxes
    for later in (0, 1):
        reference.set_epoch(later)
        chips = [results['chip'] for results in given[later * length : (later + 1) * length]]
        assert np.array_equal(chips, reference.table.boxes)
    assert not np.array_equal(first, reference.table.boxes)
    for results in given:
        assert np.array_equal(results['partners'], first), 'partners stay those of the first pass'


def batches(scenes, seed):
    config = dict(
        dataset=mixed_config(scenes, MOSAIC, PACK),
        batch_size=2,
        num_workers=2,
        sampler=dict(type='DefaultSampler', shuffle=True),
    )
    loader = Runner.build_dataloader(config, seed=seed)
    return np.stack([image.numpy() for batch in loader for image in batch['inputs']])


def test_the_same_seed_gives_the_same_mosaics(scenes):
    first = batches(scenes, 3)
    assert np.array_equal(first, batches(scenes, 3))
    assert not np.array_equal(first, batches(scenes, 4))
    assert len(np.unique(first.reshape(len(first), -1), axis=0)) == len(first)


def test_it_answers_like_any_dataset(scenes):
    config = mixed_config(scenes, MOSAIC, lazy_init=True)
    config['dataset'].update(lazy_init=True, dataset=dict(scenes, lazy_init=True))
    dataset = DATASETS.build(config)
    assert isinstance(dataset, MultiImageMixDataset)
    assert len(dataset) == len(dataset.dataset) > 3
    assert dataset.metainfo['classes'] == ('a', 'b', 'c', 'd', 'e', 'f', 'g')
    assert np.array_equal(dataset.get_data_info(1)['chip'], dataset.dataset.table.boxes[1])
    assert dataset[0]['img'].shape == (256, 256, 3)
    assert dataset._fully_initialized and dataset.dataset._fully_initialized


def test_mosaic_can_be_switched_off_for_the_last_epochs(scenes):
    dataset = DATASETS.build(mixed_config(scenes, MOSAIC, dict(type='RandomFlip', prob=1.0)))
    plain = ChipDataset(scenes, LOAD, **ONE_LEVEL)
    assert dataset[0]['img'].shape == (256, 256, 3)
    dataset.update_skip_type_keys(('Mosaic',))
    for index in range(len(dataset)):
        image, expected = dataset[index]['img'], plain[index]['img']
        assert np.array_equal(image, cv2.flip(expected, 1))
        assert (image > BRIGHT).any()
