"""Masks of chips have the pixels that pycocotools gives the annotation, in whatever form it is."""

import json
import tracemalloc
from contextlib import contextmanager

import cv2
import numpy as np
import pycocotools.mask as mask_util
import pytest
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.dataset import Compose
from mmengine.logging import MMLogger

from mmsniper import InputError
from mmsniper.datasets import ChipDataset

# PyCOCOTools with NumPy 2.
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')

HEIGHT, WIDTH = 180, 240
ONE_LEVEL = dict(levels=[1.0], valid_ranges=[(-1, -1)], chip_size=96, stride=16)


def star(x, y, radius, turn=0.3, points=5):
    """A star drawn in one go, which crosses itself."""
    angles = turn + 4 * np.pi * np.arange(points) / points
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1).ravel().tolist()


def frame(x, y, w, h, wall):
    """A frame with a slit of no width between its inner and its outer outline."""
    a, b, c, d = x + wall, y + wall, x + w - wall, y + h - wall
    return [x, y, x + w, y, x + w, y + h, x, y + h, x, y, a, b, a, d, c, d, c, b, a, b]


# Corners are no whole pixels, so that their rounding matters.
POLYGONS = [
    [star(60.3, 50.7, 40.2)],
    [frame(110.4, 20.2, 70.3, 60.8, 14.6)],
    [[10.2, 90.7, 60.9, 93.1, 33.3, 140.6], [70.5, 100.5, 95.2, 99.1, 90.7, 150.3, 66.1, 140.9]],
    [[30.1, 20.9, 60.2, 60.3, 30.7, 60.1, 60.8, 20.4], star(80, 120, 30.5)],
    [[150.7, 90.2, 230.9, 101.3, 199.2, 170.8, 160.4, 140.1]],
    [[200.4, 5.3, 235.1, 15.2, 222.7, 70.6, 205.9, 60.2], [210.2, 20.1, 230.8, 30.4, 215.5, 50.9]],
]
CROWD = 6  # the label of the last object, which is RLE in every form
CLASSES = tuple('abcdefg')


def compressed(polygons):
    rle = mask_util.merge(mask_util.frPyObjects(polygons, HEIGHT, WIDTH))
    return dict(size=rle['size'], counts=rle['counts'].decode())


def uncompressed(polygons):
    pixels = reference(polygons).ravel(order='F')
    borders = np.flatnonzero(np.diff(pixels, prepend=0)).tolist()
    counts = np.diff([0, *borders, pixels.size]).tolist()
    return dict(size=[HEIGHT, WIDTH], counts=counts)


FORMS = {
    'polygons': lambda polygons, label: polygons,
    'compressed': lambda polygons, label: compressed(polygons),
    'uncompressed': lambda polygons, label: uncompressed(polygons),
    'mixture': lambda polygons, label: [
        polygons,
        compressed(polygons),
        uncompressed(polygons),
    ][label % 3],
}


def reference(segmentation):
    """The object's pixels in the whole image, the slow way."""
    rle = mask_util.frPyObjects(segmentation, HEIGHT, WIDTH)
    return mask_util.decode(mask_util.merge(rle))


def write(folder, form, leave_out=()):
    """An image with the objects above, and the config of its dataset."""
    annotations = []
    objects = [*POLYGONS, [[5.5, 150.2, 60.3, 152.8, 58.4, 175.9, 7.1, 172.2]]]
    for label, polygons in enumerate(objects):
        corners = np.concatenate(polygons).reshape(-1, 2)
        low, high = corners.min(0), corners.max(0)
        segmentation = FORMS[form](polygons, label)
        annotation = dict(
            id=label + 1,
            image_id=1,
            category_id=label + 1,
            bbox=[*low.tolist(), *(high - low).tolist()],
            area=float(reference(polygons).sum()),
            iscrowd=int(label == CROWD),
            segmentation=uncompressed(polygons) if label == CROWD else segmentation,
        )
        if label in leave_out:
            annotation.update(leave_out[label])
            if annotation['segmentation'] is None:
                del annotation['segmentation']
        annotations.append(annotation)
    cv2.imwrite(str(folder / 'image.png'), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    content = dict(
        images=[dict(id=1, file_name='image.png', height=HEIGHT, width=WIDTH)],
        annotations=annotations,
        categories=[dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)],
    )
    (folder / 'annotations.json').write_text(json.dumps(content))
    return dict(
        type='CocoDataset',
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES),
    )


def load(poly2mask, loader='LoadAnnotations', more=(), **settings):
    return [
        dict(type='LoadIntactImage'),
        dict(type=loader, with_bbox=True, with_mask=True, poly2mask=poly2mask, **settings),
        dict(type='ChipSample', min_visible=0.0),
        dict(type='ScaleNormalize'),
        *more,
    ]


def chips_of(dataset, num_epochs=3):
    for epoch in range(num_epochs):
        dataset.set_epoch(epoch)
        yield from dataset


@pytest.mark.parametrize('poly2mask', [True, False])
@pytest.mark.parametrize('form', FORMS)
def test_pixels_are_those_of_pycocotools(tmp_path, form, poly2mask):
    dataset = ChipDataset(write(tmp_path, form), load(poly2mask), **ONE_LEVEL)
    whole = [reference(polygons) for polygons in POLYGONS]
    seen, num_cut = set(), 0
    for results in chips_of(dataset):
        left, top, right, bottom = np.rint(results['chip']).astype(int)
        pixels = results['gt_masks'].to_ndarray()
        assert len(pixels) == len(results['gt_bboxes_labels'])
        for label, flag, mask in zip(
            results['gt_bboxes_labels'], results['gt_ignore_flags'], pixels
        ):
            if label == CROWD:
                assert flag
                continue
            expected = whole[label][top:bottom, left:right]
            assert (mask == expected).all()
            assert flag == (not expected.any()), f'{CLASSES[label]} is an object as any other'
            seen.add(int(label))
            num_cut += 0 < expected.sum() < whole[label].sum()
    assert seen == set(range(CROWD))
    assert num_cut > 5


@pytest.mark.parametrize('poly2mask', [True, False])
def test_all_forms_train_alike(tmp_path, poly2mask):
    levels = dict(levels=[2.5, 0.6], valid_ranges=[(-1, 70), (50, -1)], chip_size=128, stride=16)
    chips = {}
    for form in FORMS:
        (tmp_path / form).mkdir()
        dataset = ChipDataset(write(tmp_path / form, form), load(poly2mask), **levels)
        chips[form] = list(chips_of(dataset))
    for form in FORMS:
        for one, other in zip(chips['compressed'], chips[form]):
            assert (one['img'] == other['img']).all()
            assert (one['gt_bboxes'].numpy() == other['gt_bboxes'].numpy()).all()
            assert (one['gt_bboxes_labels'] == other['gt_bboxes_labels']).all()
            assert (one['gt_ignore_flags'] == other['gt_ignore_flags']).all()
            different = one['gt_masks'].to_ndarray() != other['gt_masks'].to_ndarray()
            if poly2mask:
                assert not different.any()
            # Outlines that are enlarged as polygons are smoother, and just that.
            for each in different.astype(np.uint8):
                assert not cv2.erode(each, np.ones((4, 4), np.uint8), borderValue=0).any()
    assert not all(results['gt_ignore_flags'].all() for results in chips['compressed'])


@pytest.mark.parametrize('poly2mask', [True, False])
def test_masks_are_mixed_and_moved_as_bitmaps(tmp_path, poly2mask):
    dataset = write(tmp_path, 'mixture')
    for step in (
        dict(type='RandomFlip', prob=1.0),
        dict(type='Rotate', prob=1.0),
        dict(type='Pad', size=(128, 128)),
        dict(type='CachedMosaic', img_scale=(96, 96), pad_val=0.0),
        dict(type='RandomErasing', n_patches=2, ratio=0.2),
    ):
        for results in chips_of(ChipDataset(dataset, load(poly2mask, more=[step]), **ONE_LEVEL)):
            masks = results['gt_masks'].to_ndarray()
            assert masks.shape[1:] == results['img'].shape[:2]
            assert len(masks) == len(results['gt_bboxes'])


def test_polygons_stay_where_a_cut_keeps_their_pixels(tmp_path):
    u = [20, 20, 40, 20, 40, 60, 60, 60, 60, 20, 80, 20, 80, 80, 20, 80]
    kinds = {}
    for name, segmentation in (('u', [u]), ('star', [star(50.3, 50.2, 30)])):
        results = dict(
            img=np.zeros((100, 100, 3), np.uint8),
            ori_shape=(100, 100),
            instances=[dict(bbox=[20, 20, 80, 80], bbox_label=0, mask=segmentation, ignore_flag=0)],
            chip=np.array([0, 0, 100, 50]),
            chip_scale=1.0,
            valid_range=(-1, -1),
        )
        for step in load(False, 'LoadChipAnnotations')[1:3]:
            results = TRANSFORMS.build(step)(results)
        kinds[name] = results['gt_masks']
    assert isinstance(kinds['u'], PolygonMasks) and len(kinds['u'].masks[0]) == 2
    assert isinstance(kinds['star'], BitmapMasks)


@pytest.mark.parametrize('poly2mask', [True, False])
def test_a_chip_costs_what_its_pixels_cost(poly2mask):
    height, width = 3000, 4000
    rng = np.random.default_rng(0)
    instances = []
    for number in range(100):
        x, y = float(rng.uniform(0, width - 90)), float(rng.uniform(0, height - 90))
        polygon = star(x + 45, y + 45, 44)
        mask = [polygon]
        if number % 2:
            mask = mask_util.merge(mask_util.frPyObjects([polygon], height, width))
        instances.append(dict(bbox=[x, y, x + 90, y + 90], bbox_label=0, mask=mask, ignore_flag=0))
    image = np.zeros((height, width, 3), np.uint8)
    steps = [TRANSFORMS.build(step) for step in load(poly2mask, 'LoadChipAnnotations')[1:]]
    tracemalloc.start()
    try:
        for chip, scale in (((1000, 1000, 1512, 1512), 1.0), ((0, 0, width, height), 0.128)):
            results = dict(
                img=image,
                ori_shape=(height, width),
                instances=instances,
                chip=np.array(chip),
                chip_scale=scale,
                valid_range=(-1, -1),
            )
            for step in steps:
                results = step(results)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(results['gt_masks']) == 100
    num_bytes = 100 * 512 * 384
    assert peak < 4 * num_bytes, f'{peak / 1e6:.0f} MB, of which the bitmaps are {num_bytes / 1e6}'


NOTHING = dict(
    missing=None,
    empty=[],
    degenerate=[[10, 10, 20, 20]],
    odd=[[10, 10, 20, 20, 30, 10, 5]],
    flat=[10, 10, 20, 20, 30, 10],
    empty_rle=dict(size=[HEIGHT, WIDTH], counts=[HEIGHT * WIDTH]),
    empty_compressed=mask_util.encode(np.zeros((HEIGHT, WIDTH), np.uint8, order='F')),
    another_size=dict(size=[WIDTH, HEIGHT], counts=[5, 5, HEIGHT * WIDTH - 10]),
    unfinished=dict(size=[HEIGHT, WIDTH]),
)
NOTHING['empty_compressed']['counts'] = NOTHING['empty_compressed']['counts'].decode()


@contextmanager
def logged(caplog):
    """Let ``caplog`` hear MMEngine's logger, which passes nothing on."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        yield
    finally:
        logger.removeHandler(caplog.handler)


@pytest.mark.parametrize('what', NOTHING)
@pytest.mark.parametrize('poly2mask', [True, False])
def test_an_object_without_a_mask_stops_the_run_or_is_ignored(tmp_path, what, poly2mask, caplog):
    dataset = write(tmp_path, 'mixture', {4: dict(segmentation=NOTHING[what])})
    with pytest.raises(InputError, match=r'1 of 6 objects .* image .*image\.png .* \[150\.7, 90\.'):
        ChipDataset(dataset, load(poly2mask), **ONE_LEVEL)
    with pytest.raises(InputError, match=r"box \[150\.7, .* \(xyxy\) .*without_mask='ignore'"):
        plain = ChipDataset(dataset, **ONE_LEVEL)
        results = plain.get_data_info(0) | dict(ori_shape=(HEIGHT, WIDTH))
        TRANSFORMS.build(load(poly2mask, 'LoadChipAnnotations')[1])(results)

    ignoring = load(poly2mask, 'LoadChipAnnotations', without_mask='ignore')
    with logged(caplog):
        dataset = ChipDataset(dataset, ignoring, **ONE_LEVEL)
    assert 'Ignored: 1 of 6 objects have no mask; the object of image' in caplog.text
    assert 4 not in dataset.boxes.labels, 'no chip is for it'
    flags = [
        (label, flag)
        for results in chips_of(dataset)
        for label, flag in zip(results['gt_bboxes_labels'].tolist(), results['gt_ignore_flags'])
    ]
    assert (4, True) in flags and (4, False) not in flags
    assert {label for label, flag in flags if not flag} == {0, 1, 2, 3, 5}


def test_a_crowd_needs_no_mask(tmp_path):
    dataset = write(tmp_path, 'mixture', {CROWD: dict(segmentation=[])})
    for poly2mask in (True, False):
        for results in chips_of(ChipDataset(dataset, load(poly2mask), **ONE_LEVEL)):
            flags = results['gt_ignore_flags'][results['gt_bboxes_labels'] == CROWD]
            assert flags.all()


def test_masks_are_only_looked_at_where_they_are_loaded(tmp_path):
    dataset = write(tmp_path, 'mixture', {4: dict(segmentation=None)})
    boxes = load(True)
    boxes[1] = dict(type='LoadAnnotations', with_bbox=True)
    assert 4 in ChipDataset(dataset, boxes, **ONE_LEVEL).boxes.labels


@pytest.mark.parametrize('poly2mask', [True, False])
def test_masks_in_testing_are_those_of_the_whole_image(tmp_path, poly2mask):
    pipeline = load(poly2mask)
    pipeline.append(pipeline.pop(1))
    settings = dict(ONE_LEVEL, test_mode=True, tile_size=100)
    for results in ChipDataset(write(tmp_path, 'mixture'), pipeline, **settings):
        masks = results['gt_masks'].to_ndarray()
        assert len(masks) == len(CLASSES)
        for mask, polygons in zip(masks, POLYGONS):
            assert (mask == reference(polygons)).all()


OF_A_LARGER_IMAGE = mask_util.encode(np.ones((HEIGHT, WIDTH + 1), np.uint8, order='F'))['counts']
OF_A_LARGER_IMAGE = OF_A_LARGER_IMAGE.decode()


@pytest.mark.parametrize(
    'segmentation, message',
    [
        (dict(size=[HEIGHT, WIDTH], counts=[7, HEIGHT * WIDTH]), 'counts of an RLE are damaged'),
        (dict(size=[HEIGHT, WIDTH], counts=[7, 9, -5, 20]), 'damaged'),
        (dict(size=[HEIGHT, WIDTH], counts=OF_A_LARGER_IMAGE), 'damaged'),
        ([[10, 10, 20, float('nan'), 30, 40]], 'not finite'),
    ],
)
def test_damaged_masks_are_named(tmp_path, segmentation, message):
    dataset = write(tmp_path, 'mixture', {4: dict(segmentation=segmentation)})
    with pytest.raises(InputError, match=rf'{message}.* of image .*image\.png: correct'):
        list(chips_of(ChipDataset(dataset, load(True), **ONE_LEVEL)))


def test_a_mask_of_no_pixel_is_named_once_and_ignored(tmp_path, caplog):
    sliver = dict(segmentation=[[150, 90, 190, 90, 230, 90]])
    dataset = ChipDataset(write(tmp_path, 'mixture', {4: sliver}), load(True), **ONE_LEVEL)
    with logged(caplog):
        flags = [
            flag
            for results in chips_of(dataset)
            for flag in results['gt_ignore_flags'][results['gt_bboxes_labels'] == 4]
        ]
    assert flags and all(flags)
    assert caplog.text.count('not one pixel') == caplog.text.count('image.png') == 1


def loaded_by_mmdetection(segmentation, poly2mask, chip=None):
    """What ``LoadAnnotations`` gives outside of a ChipDataset."""
    results = dict(
        img_path='image.png',
        img=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        img_shape=(HEIGHT, WIDTH),
        ori_shape=(HEIGHT, WIDTH),
        instances=[dict(bbox=[1, 1, 99, 99], bbox_label=0, mask=segmentation, ignore_flag=0)],
        chip_scale=1.0,
        valid_range=(-1, -1),
    )
    if chip is not None:
        results['chip'] = np.array(chip)
    return TRANSFORMS.build(load(poly2mask)[1])(results)


@pytest.mark.parametrize('chip', [(0, 0, 96, 96), None])
def test_outside_of_a_chip_dataset_lost_rle_stops_the_run(chip):
    steps = [TRANSFORMS.build(step) for step in load(False)[2 if chip else 3 :]]
    with pytest.raises(InputError, match=r'image\.png is RLE.* with LoadChipAnnotations'):
        results = loaded_by_mmdetection(compressed(POLYGONS[0]), False, chip)
        for step in steps:
            results = step(results)
    for segmentation, poly2mask in ((compressed(POLYGONS[0]), True), (POLYGONS[0], False)):
        results = loaded_by_mmdetection(segmentation, poly2mask, chip)
        for step in steps:
            results = step(results)
        shape = results['img'].shape[:2]
        expected = reference(POLYGONS[0])[: shape[0], : shape[1]]
        assert (results['gt_masks'].to_ndarray()[0] == expected).all()


def test_an_instance_without_boxes_of_its_own():
    results = loaded_by_mmdetection(POLYGONS[0], True, (0, 0, 50, 50))
    results['gt_bboxes'] = HorizontalBoxes(np.zeros((0, 4), np.float32))
    results['gt_bboxes_labels'] = np.zeros(0, np.int64)
    results['gt_ignore_flags'] = np.zeros(0, bool)
    results['gt_masks'] = results['gt_masks'][np.zeros(0, np.int64)]
    for step in load(True)[2:]:
        results = TRANSFORMS.build(step)(results)
    assert results['gt_masks'].masks.shape == (0, 50, 50)


def test_bad_settings():
    with pytest.raises(InputError, match='without_mask must be one of error, ignore'):
        TRANSFORMS.build(dict(type='LoadChipAnnotations', without_mask='skip'))


def test_a_pipeline_that_is_set_later_loads_masks_alike(tmp_path):
    """As MMDetection's ``PipelineSwitchHook`` sets one in the middle of a training."""
    dataset = ChipDataset(write(tmp_path, 'compressed'), load(True), **ONE_LEVEL)
    dataset.pipeline = Compose([TRANSFORMS.build(step) for step in load(poly2mask=False)])
    assert any(
        results['gt_masks'].areas[results['gt_ignore_flags'] == 0].any() for results in dataset
    )
