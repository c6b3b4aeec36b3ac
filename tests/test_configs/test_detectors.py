"""The configs of further detectors: made small, they train on chips and test on the pyramid."""

import json
import math

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.runner import Runner
from small_detectors import SMALL, small_detector

# The parts of each model, all of which have to learn.
PARTS = {
    'cascade-rcnn': {'backbone', 'neck', 'rpn_head', 'roi_head'},
    'dino-4scale': {
        *('backbone', 'neck', 'encoder', 'decoder', 'bbox_head'),
        *('query_embedding', 'level_embed', 'memory_trans_fc', 'memory_trans_norm'),
        'dn_query_generator',
    },
}


@pytest.fixture(params=list(SMALL))
def name(request):
    return request.param


def test_training_and_testing(name, tmp_path):
    config = small_detector(name, tmp_path)
    config.test_evaluator.update(outfile_prefix=str(tmp_path / 'found'))
    config.val_evaluator = config.test_evaluator
    runner = Runner.from_cfg(config)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert runner.iter >= 2
    assert math.isfinite(runner.message_hub.get_scalar('train/loss').current())
    changed = set()
    for key, value in runner.model.named_parameters():
        assert torch.isfinite(value).all(), key
        if not torch.equal(value, before[key]):
            changed.add(key.split('.')[0])
    assert changed == PARTS.get(name.split('_')[0], {'backbone', 'neck', 'bbox_head'})

    assert runner.message_hub.get_scalar('val/coco/bbox_mAP').current() >= 0, 'not -1: it was run'
    images = {image['id']: image for image in read(tmp_path / 'annotations.json')['images']}
    found = read(tmp_path / 'found.bbox.json')
    assert {detection['image_id'] for detection in found} == set(images)
    for detection in found:
        (x, y, w, h), image = detection['bbox'], images[detection['image_id']]
        assert math.isfinite(x * y) and w >= 0 and h >= 0
        if 'yolox' not in name:  # which leaves its boxes as they are, also beyond the image
            assert min(x, y) > -1
            assert x + w < image['width'] + 1 and y + h < image['height'] + 1


def read(path):
    return json.loads(path.read_text())


def test_chips_of_training_have_objects_to_leave_out(name, tmp_path):
    """What is not to be learnt is ignored where the head can do that and gone where not."""
    config = small_detector(name, tmp_path)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    samples = [dataset[index]['data_samples'] for index in range(len(dataset))]
    assert all(len(sample.gt_instances) for sample in samples)
    ignored = sum(len(sample.ignored_instances) for sample in samples)
    erases = {'fcos', 'yolox', 'dino-4scale'}
    assert (ignored == 0) == (name.split('_')[0] in erases)
