import numpy as np
import pytest
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import PolygonMasks

from mmsniper import InputError
from mmsniper.datasets import ChipSample, ScaleNormalize

CHIP = dict(chip_level=0, chip_scale=1.0, valid_range=(-1.0, -1.0))


def results_of(boxes, height=100, width=200, channels=3, **extra):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return dict(
        img_path='image.png',
        img=np.zeros(shape, np.uint8),
        img_shape=(height, width),
        ori_shape=(height, width),
        height=height,
        width=width,
        gt_bboxes=HorizontalBoxes(boxes),
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.zeros(len(boxes), bool),
        **extra,
    )


def test_visible_share_decides_between_valid_ignored_and_removed():
    boxes = [
        [60, 20, 100, 60],  # wholly inside
        [40, 20, 60, 60],  # half of it inside: still counts
        [30, 20, 60, 60],  # a third: ignored
        [10, 20, 50, 60],  # touches the chip from outside: gone
        [150, 20, 190, 60],  # far away: gone
    ]
    results = ChipSample()(results_of(boxes, chip=np.array([50, 0, 150, 100]), **CHIP))
    assert results['gt_bboxes_labels'].tolist() == [0, 1, 2]
    assert results['gt_ignore_flags'].tolist() == [False, False, True]
    assert results['gt_bboxes'].numpy().tolist() == [
        [10, 20, 50, 60],
        [0, 20, 10, 60],
        [0, 20, 10, 60],
    ]
    sizes = [40, np.sqrt(20 * 40), np.sqrt(30 * 40)]
    assert results['gt_box_sizes'] == pytest.approx(sizes), 'sizes are those before the crop'


def test_a_box_over_the_image_border_counts_with_its_part_inside():
    results = results_of([[-30, 10, 20, 30]], chip=np.array([0, 0, 100, 100]), **CHIP)
    results = ChipSample()(results)
    assert results['gt_ignore_flags'].tolist() == [False]
    assert results['gt_box_sizes'] == pytest.approx([20])


def test_crowds_stay_ignored():
    results = results_of([[60, 20, 100, 60]], chip=np.array([50, 0, 150, 100]), **CHIP)
    results['gt_ignore_flags'][:] = True
    results = ScaleNormalize()(ChipSample()(results))
    assert results['gt_ignore_flags'].tolist() == [True]


def test_a_mask_without_a_pixel_in_the_chip_is_ignored():
    # An L-shaped object whose box reaches into the chip with its empty quarter.
    polygon = np.array([0, 0, 20, 0, 20, 80, 100, 80, 100, 90, 0, 90], np.float32)
    results = results_of([[0, 0, 100, 90]], chip=np.array([30, 0, 110, 70]), **CHIP)
    results['gt_masks'] = PolygonMasks([[polygon]], 100, 200)
    results = ChipSample(min_visible=0.1)(results)
    assert results['gt_ignore_flags'].tolist() == [True]


def test_without_a_wrapper_it_samples_a_chip_of_the_image():
    np.random.seed(0)
    transform = ChipSample(levels=[2.0, 0.5], valid_ranges=[(-1, 30), (30, -1)], chip_size=64)
    seen = set()
    for _ in range(40):
        results = transform(results_of([[60, 20, 70, 30], [100, 10, 190, 90]]))
        left, top, right, bottom = results['chip']
        assert results['img'].shape[:2] == (bottom - top, right - left)
        valid_label = {0: 0, 1: 1}[results['chip_level']]
        assert valid_label in results['gt_bboxes_labels'].tolist()
        seen.add(results['chip_level'])
    assert seen == {0, 1}


def test_an_image_without_boxes_gives_a_chip_inside_it():
    np.random.seed(0)
    transform = ChipSample(levels=[2.0, 0.5], valid_ranges=[(-1, 30), (30, -1)], chip_size=64)
    for _ in range(20):
        results = ScaleNormalize()(transform(results_of([])))
        assert max(results['img'].shape[:2]) <= 64


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_grey_rgba_and_16_bit_images(channels, dtype):
    results = results_of([[60, 20, 100, 60]], channels=channels, chip=np.array([50, 0, 150, 90]))
    results.update(CHIP, chip_scale=0.5)
    results['img'] = results['img'].astype(dtype) + dtype(7)
    image = ScaleNormalize()(ChipSample()(results))['img']
    assert image.dtype == dtype
    assert image.shape == ((45, 50) if channels == 1 else (45, 50, channels))
    assert (image == 7).all()


def test_wrong_image_size_is_named():
    with pytest.raises(InputError, match=r'image\.png is 200x100 pixels, .* says 200x90'):
        ChipSample()(results_of([], chip=np.array([0, 0, 10, 10])) | dict(height=90))
    rotated = results_of([], chip=np.array([0, 0, 10, 10])) | dict(height=200, width=100)
    with pytest.raises(InputError, match='EXIF rotation'):
        ChipSample()(rotated)


@pytest.mark.parametrize('change', [dict(scale_factor=(1.0, 1.0)), dict(flip=True)])
def test_resizing_or_flipping_before_the_crop_is_an_error(change):
    results = results_of([], chip=np.array([0, 0, 10, 10]), **CHIP) | change
    with pytest.raises(InputError, match='before ChipSample'):
        ChipSample()(results)


@pytest.mark.parametrize(
    'chip', [[0, 0, 201, 50], [-1, 0, 50, 50], [10, 10, 10, 20], [20, 20, 10, 40]]
)
def test_a_chip_outside_the_image_is_named(chip):
    with pytest.raises(InputError, match='is not inside image image.png'):
        ChipSample()(results_of([], chip=np.array(chip), **CHIP))


def test_missing_chip_and_bad_settings():
    with pytest.raises(InputError, match='found no chip'):
        ChipSample()(results_of([]))
    with pytest.raises(InputError, match='min_visible'):
        ChipSample(min_visible=1.5)
    with pytest.raises(InputError, match='both levels and valid_ranges'):
        ChipSample(levels=[1.0])


def test_in_a_plain_pipeline_after_load_annotations():
    info = results_of([])
    for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags'):
        del info[key]
    info['instances'] = [
        dict(bbox=[60, 20, 70, 30], bbox_label=1, ignore_flag=0),
        dict(bbox=[100, 20, 130, 60], bbox_label=2, ignore_flag=1),
    ]
    results = LoadAnnotations(with_bbox=True)(info)
    transform = ChipSample(levels=[1.0], valid_ranges=[(-1, -1)], chip_size=64)
    results = ScaleNormalize()(transform(results))
    assert 1 in results['gt_bboxes_labels']
