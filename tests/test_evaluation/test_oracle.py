"""A detector that knows the truth scores 100 % through real views, tiles and flips included."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.structures.bbox import bbox_flip
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
    dict(type='RandomFlip', prob=[0.3, 0.2, 0.2], direction=['horizontal', 'vertical', 'diagonal']),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'image_shape')
        + ('chip', 'chip_level', 'valid_range', 'num_views', 'view', 'flip', 'flip_direction'),
    ),
]
FLIPPED_AXES = {'horizontal': (2,), 'vertical': (1,), 'diagonal': (1, 2)}


class Oracle:
    """Sees the visible part of every object and of its mask, in crop pixels."""

    def __init__(self, coco, classes):
        self.coco = coco
        self.labels = {index: label for label, index in enumerate(coco.get_cat_ids(classes))}

    def predict(self, sample):
        objects = self.coco.load_anns(self.coco.get_ann_ids([sample.img_id], iscrowd=False))
        x1, y1, x2, y2 = (int(side) for side in sample.chip)
        boxes = torch.tensor([each['bbox'] for each in objects]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        boxes -= torch.tensor([x1, y1, x1, y1])
        boxes[:, 0::2] = boxes[:, 0::2].clamp(0, x2 - x1)
        boxes[:, 1::2] = boxes[:, 1::2].clamp(0, y2 - y1)
        masks = np.zeros((len(objects), y2 - y1, x2 - x1), bool)
        for mask, each in zip(masks, objects):
            mask[:] = self.coco.annToMask(each)[y1:y2, x1:x2]
        if sample.flip:
            boxes = bbox_flip(boxes, sample.ori_shape, sample.flip_direction)
            masks = np.flip(masks, FLIPPED_AXES[sample.flip_direction]).copy()
        instances = InstanceData(
            bboxes=boxes,
            scores=torch.ones(len(boxes)),
            labels=torch.tensor([self.labels[each['category_id']] for each in objects]),
            masks=torch.from_numpy(masks),
        )
        seen = (boxes[:, 2:] - boxes[:, :2] > 0.5).all(dim=1)
        sample.pred_instances = instances[seen]
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
    metric = CocoMetric(ann_file=ann_file, metric=['bbox', 'segm'])
    oracle = Oracle(metric._coco_api, dataset.metainfo['classes'])
    evaluator = MergingEvaluator(
        Evaluator(metric), num_images, nms=dict(type='nms', iou_threshold=0.9)
    )
    evaluator.dataset_meta = dataset.metainfo
    np.random.seed(0)
    flips = set()
    for index in ViewSampler(dataset):
        sample = oracle.predict(dataset[index]['data_samples'])
        flips.add(sample.flip_direction)
        evaluator.process([sample])
    assert flips == {None, *FLIPPED_AXES}
    assert len(metric.results) == num_images
    metrics = evaluator.evaluate(len(dataset))
    assert metrics['coco/bbox_mAP'] > 0.99
    assert metrics['coco/segm_mAP'] > 0.99
