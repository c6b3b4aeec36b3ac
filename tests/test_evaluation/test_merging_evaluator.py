"""From views to one data sample per image."""

import json

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import encode_mask_results
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.structures import InstanceData

from mmsniper.errors import InputError
from mmsniper.evaluation import MergingEvaluator
from mmsniper.evaluation.merging_evaluator import REQUIRED_KEYS
from mmsniper.merging import RLEMasks

OPEN = (-1, -1)


class KeepSamples(BaseMetric):
    """Keeps the samples as dicts and what it was told about their number."""

    default_prefix = 'keep'

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        self.samples = results
        return dict(images=len(results))


def instances(boxes, scores=None, labels=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    count = len(boxes)
    scores = torch.linspace(0.9, 0.5, count) if scores is None else torch.tensor(scores)
    labels = torch.zeros(count, dtype=torch.long) if labels is None else torch.tensor(labels)
    return InstanceData(bboxes=boxes, scores=scores.float(), labels=labels)


def view(
    predictions, view=0, num_views=1, chip=(0, 0, 100, 80), valid_range=OPEN, img_id=7, **meta
):
    meta = {
        'img_id': img_id,
        'img_path': f'{img_id}.png',
        'ori_shape': (chip[3] - chip[1], chip[2] - chip[0]),
        'img_shape': (512, 512),
        'pad_shape': (512, 512),
        'scale_factor': (2.0, 2.0),
        'image_shape': (80, 100),
        'chip': np.array(chip, dtype=np.float32),
        'chip_level': 0,
        'valid_range': valid_range,
        'num_views': num_views,
        'view': view,
        **meta,
    }
    sample = DetDataSample(metainfo=meta)
    sample.pred_instances = predictions
    return sample


@pytest.fixture
def keep():
    return KeepSamples()


def merging(metric, num_images=1, **kwargs):
    return MergingEvaluator(Evaluator(metric), num_images, **kwargs)


def test_one_whole_view_is_the_plain_test(keep):
    # Overlapping boxes and more than max_per_image: the detector's own settings hold.
    predictions = instances(np.tile([[10.25, 10.5, 40.125, 50.0]], (150, 1)))
    evaluator = merging(keep)
    plain = KeepSamples()
    Evaluator(plain).process([view(predictions)])
    evaluator.process([view(predictions)])
    assert evaluator.evaluate(1) == {'keep/images': 1}
    got, expected = keep.samples[0]['pred_instances'], plain.results[0]['pred_instances']
    assert got.keys() == expected.keys()
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], rtol=0, atol=0)


def test_views_are_mapped_filtered_and_merged(keep):
    evaluator = merging(keep)
    left = instances([[5, 5, 15, 15], [30, 5, 60, 35], [5, 5, 65, 75]], [0.9, 0.8, 0.99])
    right = instances([[0, 5, 20, 35], [30, 5, 40, 15]], [0.7, 0.6])
    whole = instances([[5, 5, 95, 75], [6, 5, 15, 15]], [0.5, 0.95])
    evaluator.process(
        [
            view(left, 0, 3, (0, 0, 60, 80), (-1, 40)),
            view(right, 1, 3, (40, 0, 100, 80), (-1, 40)),
            view(whole, 2, 3, valid_range=(30, -1)),
        ]
    )
    evaluator.evaluate(3)
    (sample,) = keep.samples
    boxes = sample['pred_instances']['bboxes']
    assert boxes.tolist() == [[5, 5, 15, 15], [70, 5, 80, 15], [5, 5, 95, 75]]
    torch.testing.assert_close(sample['pred_instances']['scores'], torch.tensor([0.9, 0.6, 0.5]))


def test_sample_is_about_the_image(keep):
    evaluator = merging(keep)
    samples = [
        view(
            instances([[5, 5, 15, 15]]), 0, 2, (0, 0, 60, 80), flip=False, batch_input_shape=(9, 9)
        ),
        view(instances([[5, 5, 15, 15]]), 1, 2, (40, 0, 100, 80), flip=False),
    ]
    for sample in samples:
        sample.gt_instances = instances([[1, 2, 3, 4]])
    originals = list(samples)
    evaluator.process(samples)
    first, merged = samples
    assert first.pred_instances.bboxes.tolist() == [[5, 5, 15, 15]]
    assert merged.pred_instances.bboxes.tolist() == [[5, 5, 15, 15], [45, 5, 55, 15]]
    assert merged.gt_instances.bboxes.tolist() == [[1, 2, 3, 4]]
    assert isinstance(merged, DetDataSample)
    for sample in samples:
        assert sample.ori_shape == sample.img_shape == (80, 100)
        assert sample.scale_factor == (1.0, 1.0)
        assert sample.img_path == '7.png'
    assert first.view == 0 and first.num_views == 2
    assert set(merged.metainfo) == {
        *('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    }
    # The detector's own samples stay as they were.
    assert originals[1].pred_instances.bboxes.tolist() == [[5, 5, 15, 15]]
    assert originals[1].ori_shape == (80, 60)


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_flipped_views(keep, direction):
    flip_x, flip_y = direction != 'vertical', direction != 'horizontal'
    box = [60 - 15 if flip_x else 5, 80 - 26 if flip_y else 6]
    predictions = instances([[*box, box[0] + 10, box[1] + 20]])
    flipped = dict(flip=True, flip_direction=direction)
    evaluator = merging(keep)
    evaluator.process([view(predictions, chip=(40, 0, 100, 80), **flipped)])
    evaluator.evaluate(1)
    assert keep.samples[0]['pred_instances']['bboxes'].tolist() == [[45, 6, 55, 26]]
    evaluator = merging(keep, unflip=False)
    evaluator.process([view(instances([[5, 6, 15, 26]]), chip=(40, 0, 100, 80), **flipped)])
    evaluator.evaluate(1)
    assert keep.samples[0]['pred_instances']['bboxes'].tolist() == [[45, 6, 55, 26]]


def test_border_margin_is_in_pixels_of_the_level(keep):
    # x2 lies 0.75 px of the image, 1.5 px of the level, before the tile's right border.
    predictions = instances([[5, 5, 59.25, 15]])
    for margin, kept in ((1.0, 1), (1.5, 0)):
        evaluator = merging(keep, border_margin=margin)
        evaluator.process([view(predictions, chip=(0, 0, 60, 80), scale_factor=(2.0, 1.0))])
        evaluator.evaluate(1)
        assert len(keep.samples[0]['pred_instances']['bboxes']) == kept


def with_masks(boxes, scores, size):
    """Instances whose masks, at the view's size, fill their boxes."""
    each = instances(boxes, scores)
    each.masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(each.masks, boxes):
        mask[y1:y2, x1:x2] = True
    return each


def filled(sample):
    """The box that each mask of a sample fills, which must be its own."""
    masks = sample['pred_instances']['masks']
    assert isinstance(masks, RLEMasks) and masks.shape[1:] == (80, 100)
    boxes = []
    for mask in masks.astype(bool):
        rows, columns = mask.nonzero()
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert len(rows) == np.prod(np.subtract(boxes[-1][2:], boxes[-1][:2])), 'filled'
    assert sample['pred_instances']['bboxes'].tolist() == boxes
    return boxes


def test_masks_of_whole_views_and_flipped_tiles(keep):
    whole = with_masks([[10, 10, 20, 20], [50, 40, 70, 60]], [0.9, 0.6], (80, 100))
    # Upside down and the wrong way round: x from 100 to 40, y from 80 to 0.
    boxes = [[5, 6, 15, 12], [30, 20, 50, 40], [0, 9, 3, 15], [40, 60, 60, 70]]
    tile = with_masks(boxes, [0.7, 0.8, 0.5, 0.4], (80, 60))
    evaluator = merging(keep)
    evaluator.process(
        [
            view(whole, 0, 2),
            view(tile, 1, 2, chip=(40, 0, 100, 80), flip=True, flip_direction='diagonal'),
        ]
    )
    evaluator.evaluate(2)
    (merged,) = keep.samples
    # The box at 0.8 suppresses that at 0.6; the last one is cut by the tile's border.
    assert filled(merged) == [
        [10, 10, 20, 20],
        [50, 40, 70, 60],
        [85, 68, 95, 74],
        [97, 65, 100, 71],
    ]
    scores = merged['pred_instances']['scores']
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.8, 0.7, 0.5]))


def test_masks_and_boxes_are_united_where_asked_to(keep):
    whole = with_masks([[10, 10, 30, 30], [60, 40, 80, 60]], [0.9, 0.6], (80, 100))
    tile = with_masks([[22, 42, 42, 60], [50, 0, 60, 10]], [0.7, 0.5], (80, 60))  # x from 40
    evaluator = merging(keep, nms=dict(type='nmm', iou_threshold=0.5))
    evaluator.process([view(whole, 0, 2), view(tile, 1, 2, chip=(40, 0, 100, 80))])
    evaluator.evaluate(2)
    (merged,) = (sample['pred_instances'] for sample in keep.samples)
    wanted = [[10, 10, 30, 30], [60, 40, 82, 60], [90, 0, 100, 10]]
    assert merged['bboxes'].tolist() == wanted
    torch.testing.assert_close(merged['scores'], torch.tensor([0.9, 0.7, 0.5]))
    united = merged['masks'].astype(bool)[1]
    expected = np.zeros((80, 100), bool)
    expected[40:60, 60:80] = expected[42:60, 62:82] = True
    assert (united == expected).all()


def test_fused_boxes_keep_the_mask_of_the_best(keep):
    whole = with_masks([[10, 10, 30, 30]], [0.9], (80, 100))
    other = with_masks([[10, 10, 30, 34]], [0.3], (80, 100))
    evaluator = merging(keep, nms=dict(type='wbf', iou_threshold=0.5))
    evaluator.process([view(whole, 0, 2), view(other, 1, 2)])
    evaluator.evaluate(2)
    (merged,) = (sample['pred_instances'] for sample in keep.samples)
    assert merged['bboxes'].tolist() == [[10, 10, 30, 31]]
    torch.testing.assert_close(merged['scores'], torch.tensor([0.6]))
    assert (merged['masks'].astype(bool)[0] == whole.masks[0].numpy()).all()


def test_only_rle_is_held_between_views(keep):
    evaluator = merging(keep)
    samples = [view(with_masks([[1, 1, 4, 4]], [0.9], (80, 60)), 0, 2, chip=(0, 0, 60, 80))]
    evaluator.process(samples)
    (image,) = evaluator._images._in_order
    (held,) = image.views.values()
    assert isinstance(held.masks, RLEMasks) and image.last.pred_instances is held
    assert filled(dict(pred_instances=samples[0].pred_instances)) == [[1, 1, 4, 4]]


def test_dropped_masks_are_not_looked_at(keep):
    predictions = instances([[5, 5, 15, 15], [5, 5, 45, 45], [50, 5, 60, 15]])
    rle = with_masks([[5, 5, 15, 15]], [0.9], (80, 60)).masks.numpy()
    predictions.masks = [*encode_mask_results(rle), None, None]  # too large, cut
    evaluator = merging(keep)
    evaluator.process([view(predictions, chip=(0, 0, 60, 80), valid_range=(-1, 20))])
    evaluator.evaluate(1)
    assert filled(keep.samples[0]) == [[5, 5, 15, 15]]


def test_masks_that_do_not_fit_are_refused_with_the_image(keep):
    predictions = with_masks([[1, 1, 4, 4]], [0.9], (80, 100))
    with pytest.raises(InputError, match=r'^image 7: masks of shape \(80, 100\) do not fit'):
        merging(keep).process([view(predictions, chip=(0, 0, 60, 80))])


def test_views_without_masks_leave_those_of_others(keep):
    none = instances([])
    none.masks = torch.zeros(0, 80, 60, dtype=torch.bool)
    evaluator = merging(keep, num_images=2)
    evaluator.process(
        [
            view(none, 0, 2, chip=(0, 0, 60, 80)),
            view(with_masks([[10, 10, 20, 20]], [0.9], (80, 100)), 1, 2),
        ]
    )
    evaluator.process([view(none, chip=(0, 0, 60, 80), img_id=8)])
    evaluator.evaluate(3)
    assert filled(keep.samples[0]) == [[10, 10, 20, 20]]
    assert filled(keep.samples[1]) == []


def test_views_in_any_order_and_repeated_images(keep):
    evaluator = merging(keep, num_images=3)
    box = [[5, 5, 15, 15]]
    for order in ([2, 0, 1], [0, 1, 2], [1, 2, 0]):  # the same image again, as padding of a rank
        for number in order:
            evaluator.process([view(instances(box), number, 3)])
        assert evaluator.num_unfinished == 0
    evaluator.evaluate(9)
    assert [len(s['pred_instances']['bboxes']) for s in keep.samples] == [1, 1, 1]


def test_images_go_on_in_the_order_in_which_they_began(keep):
    evaluator = merging(keep, num_images=4)
    handed_on = []
    # Images 1 and 2 end before image 0, and image 3 begins after it has ended.
    for image, number in [(0, 0), (1, 0), (2, 0), (1, 1), (0, 2), (2, 1), (0, 1), (3, 1), (3, 0)]:
        box = [[10 * image, 5, 10 * image + 5, 10]]
        num_views = 3 if image == 0 else 2
        samples = [view(instances(box), number, num_views, img_id=image)]
        evaluator.process(samples)
        handed_on.append([(at, sample.img_id) for at, sample in evaluator.finished.items()])
        complete = (image, number) in [(1, 1), (2, 1), (0, 1), (3, 0)]
        assert ('num_views' in samples[0]) != complete, 'hooks see it at once'
    assert handed_on == [[]] * 6 + [[(0, 0), (1, 1), (2, 2)], [], [(3, 3)]]
    assert evaluator.evaluate(9) == {'keep/images': 4}
    assert [sample['img_id'] for sample in keep.samples] == [0, 1, 2, 3]


def test_fields_are_those_of_the_last_view_in_whichever_order_they_come(keep):
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        evaluator = merging(keep)
        for number in order:
            sample = view(instances([]), number, 3, note=f'of view {number}')
            sample.gt_instances = instances([[number, 0, 9, 9]])
            evaluator.process([sample])
        evaluator.evaluate(3)
        assert keep.samples[0]['note'] == 'of view 2'
        assert keep.samples[0]['gt_instances']['bboxes'].tolist() == [[2, 0, 9, 9]]
        keep.results.clear()


def test_an_image_twice_in_a_dataset_may_be_under_way_twice(keep):
    evaluator = merging(keep, num_images=3)
    for image, number in [(7, 0), (8, 0), (7, 0), (7, 1), (8, 1), (7, 1)]:
        evaluator.process([view(instances([[5, 5, 15, 15]]), number, 2, img_id=image)])
    assert evaluator.evaluate(6) == {'keep/images': 3}
    assert [sample['img_id'] for sample in keep.samples] == [7, 8, 7]


def test_a_view_that_comes_twice_does_not_complete_its_image(keep):
    evaluator = merging(keep)
    for number in (0, 0):
        evaluator.process([view(instances([]), number, 2)])
    with pytest.raises(InputError, match='^2 images did not get all their views'):
        evaluator.evaluate(2)


def test_equal_ids_of_concatenated_datasets_stay_apart(keep):
    evaluator = merging(keep, num_images=2)
    for number in range(2):
        evaluator.process(
            [
                view(instances([[1, 1, 9, 9]]), number, 2, img_path='a/7.png'),
                view(instances([[50, 50, 70, 70]]), number, 2, img_path='b/7.png'),
            ]
        )
    evaluator.evaluate(4)
    boxes = [s['pred_instances']['bboxes'].tolist() for s in keep.samples]
    assert boxes == [[[1, 1, 9, 9]], [[50, 50, 70, 70]]]


def test_views_without_detections(keep):
    evaluator = merging(keep, num_images=2)
    evaluator.process([view(instances([]), number, 2) for number in range(2)])
    evaluator.process([view(instances([]), img_id=8)])
    evaluator.evaluate(3)
    assert [s['pred_instances']['bboxes'].shape for s in keep.samples] == [(0, 4), (0, 4)]


def test_memory_holds_only_unfinished_images(keep):
    evaluator = merging(keep, num_images=20)
    for image in range(20):
        for number in range(3):
            evaluator.process([view(instances([[1, 1, 9, 9]]), number, 3, img_id=image)])
            assert evaluator.num_unfinished == (1 if number < 2 else 0)
    assert evaluator.evaluate(60) == {'keep/images': 20}


def test_metrics_get_the_number_of_images_not_of_views(keep):
    evaluator = merging(keep, num_images=2)
    for image in (1, 2, 1):  # the third is padding and must be cut off
        for number in range(2):
            evaluator.process([view(instances([[1, 1, 9, 9]]), number, 2, img_id=image)])
    assert evaluator.evaluate(4) == {'keep/images': 2}


def test_missing_views_are_named_and_forgotten(keep):
    evaluator = merging(keep, num_images=2)
    for image in (1, 2):
        evaluator.process([view(instances([[1, 1, 9, 9]]), 0, 2, img_id=image)])
    with pytest.raises(
        InputError, match=r"^2 images did not .* sampler=dict\(type='ViewSampler'\)"
    ):
        evaluator.evaluate(4)
    assert evaluator.num_unfinished == 0


@pytest.mark.parametrize('key', REQUIRED_KEYS)
def test_missing_meta_keys_are_named(keep, key):
    sample = view(instances([[1, 1, 9, 9]]))
    lacking = DetDataSample(metainfo={k: v for k, v in sample.metainfo.items() if k != key})
    lacking.pred_instances = sample.pred_instances
    with pytest.raises(InputError, match=f'meta keys {key}: end the test pipeline with PackChip'):
        merging(keep).process([lacking])


def test_samples_without_boxes_are_refused(keep):
    sample = view(instances([]))
    del sample.pred_instances
    with pytest.raises(InputError, match='image 7 has no pred_instances'):
        merging(keep).process([sample])


def test_box_types_and_tuples_of_samples(keep):
    predictions = instances([[1, 1, 9, 9], [2, 2, 30, 30]])
    predictions.bboxes = HorizontalBoxes(predictions.bboxes)
    evaluator = merging(keep)
    evaluator.process((view(predictions),))
    evaluator.evaluate(1)
    assert keep.samples[0]['pred_instances']['bboxes'].tolist() == [[1, 1, 9, 9], [2, 2, 30, 30]]


def test_surface_of_the_evaluator_behind(keep):
    inner = Evaluator(keep)
    evaluator = MergingEvaluator(inner, 1)
    assert isinstance(evaluator, Evaluator)
    assert evaluator.metrics is inner.metrics
    evaluator.dataset_meta = dict(classes=('a',))
    assert inner.dataset_meta == keep.dataset_meta == evaluator.dataset_meta
    samples = [view(instances([[1, 1, 9, 9]]), number, 2) for number in range(2)]
    assert evaluator.offline_evaluate(samples) == {'keep/images': 1}


def test_log_counts_what_was_dropped(keep, monkeypatch):
    messages = []
    monkeypatch.setattr(
        'mmsniper.evaluation.merging_evaluator.print_log', lambda text, **_: messages.append(text)
    )
    evaluator = merging(keep, max_per_image=2)
    tile = instances([[5, 5, 15, 15], [5, 5, 60, 15], [5, 5, 59, 79], [30, 30, 40, 40]])
    whole = instances([[5, 5, 15, 15], [20, 20, 25, 25]])
    evaluator.process([view(tile, 0, 2, (0, 0, 60, 80), (-1, 40)), view(whole, 1, 2)])
    evaluator.evaluate(2)
    assert messages == [
        'Merged 2 views of 1 images: 6 detections, dropped 1 by valid range, 1 at tile borders, '
        '1 by merging, 1 by max_per_image.'
    ]
    assert len(keep.samples[0]['pred_instances']['bboxes']) == 2


@pytest.mark.parametrize('num_views', [1, 2])
def test_what_is_not_finite_is_dropped_and_counted(keep, monkeypatch, num_views):
    """One such box used to switch the suppression off for the whole image."""
    messages = []
    monkeypatch.setattr(
        'mmsniper.evaluation.merging_evaluator.print_log', lambda text, **_: messages.append(text)
    )
    nan, inf = float('nan'), float('inf')
    boxes = [[5, 5, 15, 15], [nan, 5, 60, 15], [5, 5, inf, 79], [30, 30, 40, 40]]
    evaluator = merging(keep)
    for number in range(num_views):
        evaluator.process([view(instances(boxes, [0.9, 0.8, 0.7, nan]), number, num_views)])
    evaluator.evaluate(1)
    assert keep.samples[0]['pred_instances']['bboxes'].tolist() == [boxes[0]]
    assert messages[1].startswith(f'{3 * num_views} detections were NaN or infinite')


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(max_per_image=0), 'max_per_image=0'),
        (dict(border_margin=-1), 'border_margin=-1'),
        (dict(num_images=-1), 'num_images=-1 must be 0 or more'),
        (dict(max_per_image=1.5), 'max_per_image=1.5 must be'),
        (dict(border_margin=float('nan')), 'border_margin=nan must be'),
        (dict(class_agnostic=None), 'class_agnostic=None must be True or False'),
        (dict(unflip='yes'), "unflip='yes' must be True or False"),
        (dict(nms=dict(type='median', iou_threshold=0.5)), "'median'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MergingEvaluator(Evaluator([]), **{'num_images': 1, **settings})


@pytest.mark.parametrize('rank, world_size, counted', [(0, 2, [0, 2]), (1, 2, [1]), (3, 4, [])])
def test_padding_is_not_counted(keep, monkeypatch, rank, world_size, counted):
    messages = []
    module = 'mmsniper.evaluation.merging_evaluator'
    monkeypatch.setattr(f'{module}.print_log', lambda text, **_: messages.append(text))
    monkeypatch.setattr(f'{module}.get_dist_info', lambda: (rank, world_size))
    evaluator = merging(keep, num_images=3)
    given = range(rank, world_size * (2 if world_size == 2 else 1), world_size)
    finished = []
    for image in given:  # with the first images again at the end
        views = [
            view(instances([[5, 5, 15, 15]]), number, 2, img_id=image % 3) for number in (0, 1)
        ]
        for each in views:
            evaluator.process([each])
            finished += [(at, sample.img_id) for at, sample in evaluator.finished.items()]
    assert finished == [(image, image) for image in counted]
    evaluator.evaluate(6)
    assert len(keep.samples) == len(given), 'metrics leave padding out themselves'
    number = len(counted)
    assert messages == [
        f'Merged {2 * number} views of {number} images: {2 * number} detections, dropped 0 by '
        f'valid range, 0 at tile borders, {number} by merging, 0 by max_per_image.'
    ]


def test_coco_metric_behind_it(tmp_path):
    truth = {1: [[5, 5, 15, 15], [70, 5, 80, 15], [5, 5, 95, 75]], 2: [[30, 30, 50, 50]]}
    annotations = [
        dict(
            id=10 * image + number,
            image_id=image,
            category_id=1,
            iscrowd=0,
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
        )
        for image, boxes in truth.items()
        for number, (x1, y1, x2, y2) in enumerate(boxes)
    ]
    content = dict(
        images=[dict(id=image, height=80, width=100, file_name=f'{image}.png') for image in truth],
        categories=[dict(id=1, name='thing')],
        annotations=annotations,
    )
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    evaluator = merging(CocoMetric(ann_file=str(tmp_path / 'truth.json')), num_images=2)
    evaluator.dataset_meta = dict(classes=('thing',))
    left = instances([[5, 5, 15, 15], [5, 5, 60, 75]])  # the second is cut by the tile
    right = instances([[30, 5, 40, 15]])
    whole = instances([[5, 5, 95, 75]])
    evaluator.process(
        [
            view(left, 0, 3, (0, 0, 60, 80), img_id=1),
            view(right, 1, 3, (40, 0, 100, 80), img_id=1),
        ]
    )
    evaluator.process([view(whole, 2, 3, img_id=1), view(instances([[30, 30, 50, 50]]), img_id=2)])
    metrics = evaluator.evaluate(4)
    assert metrics['coco/bbox_mAP'] == pytest.approx(1.0)
