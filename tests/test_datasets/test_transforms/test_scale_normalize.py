import numpy as np
import pytest
from mmdet.datasets.transforms import Resize
from mmdet.structures.bbox import HorizontalBoxes

from mmsniper import InputError
from mmsniper.datasets import ChipSample, PackChipInputs, ScaleNormalize
from mmsniper.datasets.transforms.scale_normalize import _covered, fill

BOXES = [[10, 10, 20, 20], [40, 10, 60, 30], [100, 10, 180, 90]]  # sizes 10, 20 and 80


def results_of(boxes=BOXES, **extra):
    rng = np.random.default_rng(0)
    return dict(
        img=rng.integers(0, 256, (100, 200, 3), np.uint8),
        img_shape=(100, 200),
        ori_shape=(100, 200),
        height=100,
        width=200,
        gt_bboxes=HorizontalBoxes(np.array(boxes, np.float32)),
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.zeros(len(boxes), bool),
        **extra,
    )


def chip_of(scale=1.0, valid_range=(10.0, 80.0)):
    return dict(
        chip=np.array([0, 0, 200, 100]), chip_level=1, chip_scale=scale, valid_range=valid_range
    )


@pytest.mark.parametrize('scale', [0.4, 1.0, 2.5])
def test_ranges_are_half_open_and_about_the_original_image(scale):
    results = ScaleNormalize()(ChipSample()(results_of(**chip_of(scale))))
    assert results['gt_ignore_flags'].tolist() == [False, False, True]
    assert results['gt_bboxes'].numpy() == pytest.approx(np.array(BOXES) * scale, rel=0.01)


def test_open_ends():
    results = ScaleNormalize()(ChipSample()(results_of(**chip_of(1.0, (-1, 20)))))
    assert results['gt_ignore_flags'].tolist() == [False, True, True]
    results = ScaleNormalize()(ChipSample()(results_of(**chip_of(1.0, (20, -1)))))
    assert results['gt_ignore_flags'].tolist() == [True, False, False]


def test_the_size_is_that_before_the_crop():
    # 80 px wide in the image, 15 px of it in the chip: too large for the level all the same.
    chip = chip_of(1.0, (-1, 40)) | dict(chip=np.array([0, 0, 115, 100]))
    results = ScaleNormalize()(ChipSample(min_visible=0)(results_of(**chip)))
    assert results['gt_ignore_flags'].tolist() == [False, False, True]


def test_drop_removes_what_is_out_of_range_and_keeps_its_pixels():
    before = results_of(**chip_of())
    results = ScaleNormalize(mode='drop')(ChipSample()(dict(before)))
    assert results['gt_bboxes_labels'].tolist() == [0, 1]
    assert not results['gt_ignore_flags'].any()
    assert (results['img'] == before['img']).all()


def test_keep_lets_all_objects_count_but_crowds():
    before = results_of(**chip_of())
    before['gt_ignore_flags'][2] = True
    results = ScaleNormalize(mode='keep')(ChipSample()(dict(before)))
    assert results['gt_bboxes_labels'].tolist() == [0, 1, 2]
    assert results['gt_ignore_flags'].tolist() == [False, False, True]
    assert (results['img'] == before['img']).all()
    # Assigners that go by the range leave nothing out.
    packed = PackChipInputs()(results)['data_samples']
    assert packed.gt_instances.input_valid_range == (-1, -1)


def test_erase_fills_what_is_ignored_and_spares_valid_boxes():
    boxes = [[10.4, 10.4, 60.6, 60.6], [50, 50, 58, 58], [120, 20, 140, 40]]
    before = results_of(boxes, **chip_of(1.0, (-1, 30)))
    before['gt_seg_map'] = np.ones((100, 200), np.uint8)
    before['gt_ignore_flags'][2] = True  # a crowd
    results = ScaleNormalize(mode='erase', fill_value=(1, 2, 3))(ChipSample()(dict(before)))
    assert results['gt_bboxes_labels'].tolist() == [1]
    changed = (results['img'] != before['img']).any(-1)
    expected = np.zeros((100, 200), bool)
    expected[10:61, 10:61] = True
    expected[20:40, 120:140] = True
    expected[50:58, 50:58] = False
    # A pixel that has the fill value already does not show as changed.
    assert not (changed & ~expected).any()
    assert (results['img'][expected] == (1, 2, 3)).all()
    assert (results['gt_seg_map'] == np.where(expected, 255, 1)).all()


@pytest.mark.parametrize('mode, label', [('ignore', 9), ('erase', 9), ('drop', 1)])
def test_segmentation_of_what_is_ignored_is_not_learnt(mode, label):
    boxes = [[10, 10, 60, 60], [50, 50, 58, 58]]
    before = results_of(boxes, **chip_of(1.0, (-1, 30)))
    before['gt_seg_map'] = np.ones((100, 200), np.uint8)
    before['ignore_index'] = 9
    results = ScaleNormalize(mode=mode)(ChipSample()(dict(before)))
    expected = np.ones((100, 200), np.uint8)
    expected[10:60, 10:60] = label
    expected[50:58, 50:58] = 1
    assert (results['gt_seg_map'] == expected).all()
    assert results['gt_seg_map'].dtype == np.uint8
    assert (results['img'] == before['img']).all() == (mode != 'erase')


def test_erase_against_a_loop():
    rng = np.random.default_rng(1)
    for _ in range(50):
        corners = rng.uniform(-10, 60, (6, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(0, 30, (6, 2))], 1)
        image = rng.integers(10, 255, (40, 50), np.uint8)
        expected = image.copy()
        mark = np.zeros((40, 50), bool)
        for group, value in ((boxes[:3], True), (boxes[3:], False)):
            for left, top, right, bottom in group:
                for y in range(40):
                    for x in range(50):
                        if x + 1 > left and x < right and y + 1 > top and y < bottom:
                            mark[y, x] = value
        expected[mark] = 5
        filled = _covered(boxes[:3], (40, 50)) & ~_covered(boxes[3:], (40, 50))
        assert (filled == mark).all()
        assert (fill(image, filled, (5,)) == expected).all()


def test_erase_needs_a_value_per_channel():
    with pytest.raises(InputError, match='fill_value has 3 values, but the image has 1 channels'):
        fill(np.zeros((4, 4)), np.zeros((4, 4), bool), (1, 2, 3))


def test_alone_it_is_snip_on_whole_images():
    levels, ranges = [(150, 400), (50, 100)], [(-1, 20), (20, -1)]
    transform = ScaleNormalize(levels=levels, valid_ranges=ranges)
    seen = {}
    np.random.seed(0)
    for _ in range(20):
        results = transform(results_of())
        seen[results['chip_level']] = results
    assert seen[0]['img'].shape == (150, 300, 3)
    assert seen[0]['gt_ignore_flags'].tolist() == [False, True, True]
    assert seen[1]['img'].shape == (50, 100, 3)
    assert seen[1]['gt_ignore_flags'].tolist() == [True, False, False]


def test_a_whole_image_comes_out_as_from_resize():
    results = ScaleNormalize(levels=[(77, 133)], valid_ranges=[(-1, -1)])(results_of())
    expected = Resize(scale=(133, 77), keep_ratio=True)(results_of())
    assert (results['img'] == expected['img']).all()
    assert results['scale_factor'] == expected['scale_factor']
    assert (results['gt_bboxes'].numpy() == expected['gt_bboxes'].numpy()).all()


def test_bad_settings():
    with pytest.raises(
        InputError, match="mode must be one of ignore, drop, erase, keep, but is 'skip'"
    ):
        ScaleNormalize(mode='skip')
    with pytest.raises(InputError, match='both levels and valid_ranges'):
        ScaleNormalize(valid_ranges=[(-1, -1)])
    with pytest.raises(InputError, match='found no chip'):
        ScaleNormalize()(results_of())


def test_instances_changed_in_between_are_noticed():
    results = ChipSample()(results_of(**chip_of()))
    results['gt_bboxes'] = results['gt_bboxes'][:1]
    with pytest.raises(InputError, match='between ChipSample and ScaleNormalize'):
        ScaleNormalize()(results)
