"""Placing masks of views against decoding, pasting and encoding; what metrics make of RLE."""

import json

import numpy as np
import pycocotools.mask as mask_util
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.evaluation import CocoMetric, DumpDetResults
from mmdet.structures.mask import encode_mask_results
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from mmsniper.errors import InputError
from mmsniper.merging import RLEMasks, masks_in_image

FLIPS = {None: (), 'horizontal': (2,), 'vertical': (1,), 'diagonal': (1, 2)}
KINDS = {
    'tensor': torch.from_numpy,
    'array': lambda masks: masks,
    'integers': lambda masks: torch.from_numpy(masks.astype(np.uint8)),
    'rle': encode_mask_results,
    'RLEMasks': lambda masks: RLEMasks(encode_mask_results(masks), masks.shape[1:]),
}


@st.composite
def views(draw):
    """An image's shape, a view inside it, masks (n, h, w) of the view, and which to keep."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    if draw(st.booleans()):
        x1 = y1 = 0
    x2, y2 = draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    count = draw(st.integers(0, 4))
    density = rng.choice([0, 0.03, 0.5, 1], (count, 1, 1))
    masks = rng.random((count, y2 - y1, x2 - x1)) < density
    return (height, width), (x1, y1, x2, y2), masks, torch.from_numpy(rng.random(count) < 0.7)


def slow_masks_in_image(masks, keep, chip, image_shape, direction):
    x1, y1, x2, y2 = chip
    placed = []
    for mask in np.flip(masks, FLIPS[direction])[keep.numpy()]:
        whole = np.zeros(image_shape, bool)
        whole[y1:y2, x1:x2] = mask
        placed.append(whole)
    return encode_mask_results(placed)


@settings(max_examples=150, deadline=None)
@given(views(), st.sampled_from([*FLIPS]), st.sampled_from(sorted(KINDS)))
def test_placing_matches_decode_paste_encode(view, direction, kind):
    image_shape, chip, masks, keep = view
    placed = masks_in_image(KINDS[kind](masks), keep, chip, image_shape, direction)
    assert list(placed) == slow_masks_in_image(masks, keep, chip, image_shape, direction)
    assert placed.shape == (int(keep.sum()), *image_shape)


def test_masks_of_another_size_and_kind_are_refused():
    keep = torch.ones(1, dtype=torch.bool)
    for masks in (torch.zeros(1, 4, 6, dtype=torch.bool), [dict(size=[4, 6], counts=b'h0')]):
        with pytest.raises(InputError, match=r'shape \(4, 6\) do not fit .* crop of \(6, 4\)'):
            masks_in_image(masks, keep, (2, 0, 6, 6), (6, 8))
    with pytest.raises(InputError, match='masks of type str cannot be merged'):
        masks_in_image(['mask'], keep, (2, 0, 6, 6), (6, 8))


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_masks_that_are_not_binary_are_refused(dtype):
    masks = torch.full((1, 6, 4), 128, dtype=dtype)  # what mask_thr_binary=-1 makes detectors give
    with pytest.raises(InputError, match=f'{str(dtype)[6:]} are not binary: set mask_thr_binary'):
        masks_in_image(masks, torch.ones(1, dtype=torch.bool), (2, 0, 6, 6), (6, 8))


def random_masks(count=5, shape=(30, 40)):
    dense = np.random.default_rng(count).random((count, *shape)) < 0.3
    return RLEMasks(encode_mask_results(dense), shape), dense


def assert_dense(masks, dense):
    assert isinstance(masks, RLEMasks) and len(masks) == len(dense)
    assert masks.shape == dense.shape
    assert np.array_equal(masks.astype(bool), dense)


def test_instance_data_indexes_and_concatenates_them():
    masks, dense = random_masks()
    instances = InstanceData(masks=masks, scores=torch.arange(5.0))
    order = torch.tensor([3, 0, 3])
    assert_dense(instances[order].masks, dense[order])
    chosen = torch.tensor([True, False, False, True, True])
    assert_dense(instances[chosen].masks, dense[chosen])
    assert_dense(instances[torch.zeros(5, dtype=torch.bool)].masks, dense[:0])
    assert_dense(instances[1:3].masks, dense[1:3])
    assert_dense(instances[-1].masks, dense[-1:])
    both = InstanceData.cat([instances, instances[order]])
    assert_dense(both.masks, np.concatenate([dense, dense[order]]))
    assert_dense(instances.cpu().detach().masks, dense)


def sample(masks, dense):
    count = len(dense)
    boxes = np.zeros((count, 4), np.float32)
    for index, mask in enumerate(dense):
        rows, columns = mask.nonzero()
        boxes[index] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    instances = InstanceData(
        bboxes=torch.from_numpy(boxes),
        scores=torch.linspace(0.9, 0.5, count),
        labels=torch.zeros(count, dtype=torch.long),
        masks=masks,
    )
    return dict(img_id=1, ori_shape=dense.shape[1:], pred_instances=dict(instances.items()))


def test_dumped_results_are_plain_rle(tmp_path):
    masks, dense = random_masks()
    dumps = []
    for each in (masks, torch.from_numpy(dense)):
        metric = DumpDetResults(out_file_path=str(tmp_path / 'out.pkl'))
        metric.process({}, [sample(each, dense)])
        dumps.append(metric.results[0]['pred_instances']['masks'])
    assert dumps[0] == dumps[1] and isinstance(dumps[0], list)


def test_coco_metric_gives_what_it_gives_for_a_tensor(tmp_path):
    masks, dense = random_masks()
    annotations = [
        dict(
            id=index + 1,
            image_id=1,
            category_id=1,
            iscrowd=0,
            bbox=mask_util.toBbox(rle).tolist(),
            area=float(mask_util.area(rle)),
            segmentation=dict(rle, counts=rle['counts'].decode()),
        )
        for index, rle in enumerate(random_masks()[0])
    ]
    content = dict(
        images=[dict(id=1, height=30, width=40, file_name='1.png')],
        categories=[dict(id=1, name='thing')],
        annotations=annotations[1:],  # the first detection is wrong
    )
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    scores = []
    for each in (masks, torch.from_numpy(dense)):
        metric = CocoMetric(ann_file=str(tmp_path / 'truth.json'), metric=['bbox', 'segm'])
        metric.dataset_meta = dict(classes=('thing',))
        metric.process({}, [sample(each, dense)])
        scores.append(metric.evaluate(1))
    assert scores[0] == scores[1]
    assert 0 < scores[0]['coco/segm_mAP'] < 1


def test_visualizer_draws_them_like_a_tensor():
    masks, dense = random_masks()
    pictures = []
    for each in (masks, torch.from_numpy(dense)):
        data = sample(each, dense)['pred_instances']
        visualizer = DetLocalVisualizer()
        np.random.seed(0)  # colours are jittered
        image = np.full((30, 40, 3), 90, np.uint8)
        instances = InstanceData(**data)
        pictures.append(visualizer._draw_instances(image, instances, ('thing',), [(255, 0, 0)]))
    assert np.array_equal(*pictures)
    assert (pictures[0] != 90).any()


def test_metrics_of_other_benchmarks_get_arrays():
    masks, dense = random_masks()
    # LVISMetric and CityScapesMetric ask like this.
    lvis = encode_mask_results(masks.detach().cpu().numpy())
    assert lvis == list(masks)
    cityscapes = masks.cpu().numpy().astype(np.uint8)
    assert len(cityscapes) == 5 and cityscapes[2].dtype == np.uint8
    assert np.array_equal(np.stack(list(cityscapes)), dense)
