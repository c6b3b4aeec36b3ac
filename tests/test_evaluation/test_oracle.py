"""A detector that knows the truth scores 100 % through real views, tiles included."""

import json
import os
from pathlib import Path

import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from mmsniper.datasets import ChipDataset, ViewSampler
from mmsniper.evaluation import MergingEvaluator

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get('MMSNIPER_DATA', ROOT.parent / 'shared' / 'data')) / 'coco_sample'
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='ChipSample'),
    dict(type='ScaleNormalize'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'image_shape')
        + ('chip', 'chip_level', 'valid_range', 'num_views', 'view'),
    ),
]


def predict(sample):
    """What a perfect detector sees in a view: the visible part of every object, in crop pixels."""
    truth = sample.gt_instances
    x1, y1, x2, y2 = sample.chip.tolist()
    boxes = truth.bboxes.tensor - torch.tensor([x1, y1, x1, y1])
    boxes[:, 0::2] = boxes[:, 0::2].clamp(0, x2 - x1)
    boxes[:, 1::2] = boxes[:, 1::2].clamp(0, y2 - y1)
    seen = (boxes[:, 2:] - boxes[:, :2]).min(dim=1).values > 0.5
    sample.pred_instances = InstanceData(
        bboxes=boxes[seen], scores=torch.ones(int(seen.sum())), labels=truth.labels[seen]
    )
    return sample


@pytest.mark.skipif(not DATA.is_dir(), reason='coco_sample not found, set MMSNIPER_DATA')
@pytest.mark.parametrize('tiles', [{}, dict(tile_size=800, tile_overlap=0.5)])
def test_the_truth_scores_full_marks(tmp_path, tiles):
    content = json.loads((DATA / 'annotations' / 'instances_val2017.json').read_text())
    content['images'] = content['images'][:12]
    images = {image['id'] for image in content['images']}
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in images]
    ann_file = str(tmp_path / 'truth.json')
    Path(ann_file).write_text(json.dumps(content))
    dataset = ChipDataset(
        dict(
            type='mmdet.CocoDataset',
            ann_file=ann_file,
            data_prefix=dict(img=str(DATA / 'val2017')),
            test_mode=True,
        ),
        pipeline=PIPELINE,
        test_mode=True,
        **tiles,
    )
    num_images = len(dataset.view_starts) - 1
    assert num_images == 12
    metric = CocoMetric(ann_file=ann_file, metric='bbox')
    evaluator = MergingEvaluator(
        Evaluator(metric), num_images, nms=dict(type='nms', iou_threshold=0.9)
    )
    evaluator.dataset_meta = dataset.metainfo
    for index in ViewSampler(dataset):
        evaluator.process([predict(dataset[index]['data_samples'])])
    assert len(metric.results) == num_images
    assert evaluator.evaluate(len(dataset))['coco/bbox_mAP'] > 0.99
