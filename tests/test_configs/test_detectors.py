"""The configs of further detectors: made small, they train on chips and test on the pyramid."""

import json
import math

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import Runner
from small_detectors import SMALL, detector_path, small_detector, zoo_partner

from mmsniper.conversion.ignoring import apply_ignoring, plan_ignoring

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


AMP = pytest.param(
    'AmpOptimWrapper',
    marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='mixed precision needs a GPU'),
)


@pytest.mark.parametrize('optim_wrapper', ['OptimWrapper', AMP])
def test_training_and_testing(name, optim_wrapper, tmp_path):
    config = small_detector(name, tmp_path)
    config.optim_wrapper.type = optim_wrapper
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


# Mpx of an image as MMDetection trains on it: in the schedule, and in a batch.
@pytest.mark.parametrize(
    ('name', 'pixels', 'batch_pixels'),
    [
        ('rtmdet_s_sniper-105e_coco', 0.64**2, 0.64**2),
        # Mosaics of 640x640, in batches resized to sides of 480 to 800.
        ('yolox_s_sniper-105e_coco', 0.64**2, sum((0.032 * n) ** 2 for n in range(15, 26)) / 11),
        # The mean of what its pipeline made of COCO images.
        ('dino-4scale_r50_sniper-5e_coco', 0.525, 0.525),
    ],
)
def test_schedules_are_those_of_the_zoo_in_pixels(name, pixels, batch_pixels):
    ours, zoo = Config.fromfile(detector_path(name)), zoo_partner(name)
    assert ours.train_cfg.max_epochs == round(zoo.train_cfg.max_epochs * pixels / 1.174)
    images, chips = (config.train_dataloader.batch_size for config in (zoo, ours))
    assert chips == round(images * batch_pixels / 0.512**2)
    assert ours.auto_scale_lr.base_batch_size == 8 * chips
    assert ours.optim_wrapper == zoo.optim_wrapper
    assert ours.param_scheduler[-1].end >= ours.train_cfg.max_epochs


def test_the_model_is_that_of_the_zoo_but_for_what_ignores(name):
    """And what ignores is what ``sniperize`` chooses."""
    ours, zoo = Config.fromfile(detector_path(name)), zoo_partner(name)
    step = next(
        step for step in ours.train_dataloader.dataset.pipeline if step.type == 'ScaleNormalize'
    )
    assert plan_ignoring(zoo.model).mode == step.get('mode', 'ignore') == 'ignore'
    expected = apply_ignoring(zoo.model)
    assert plain(ours.model.get('train_cfg')) == plain(expected.get('train_cfg'))
    assert plain(ours.model.get('test_cfg')) == plain(expected.get('test_cfg'))
    heads = [key for key in expected if key.endswith('head')]
    assert [plain(ours.model[key]) for key in heads] == [plain(expected[key]) for key in heads]


def plain(part):
    """Without the scopes that inheriting from another package leaves behind."""
    if isinstance(part, dict):
        return {key: plain(value) for key, value in part.items() if key != '_scope_'}
    return [plain(value) for value in part] if isinstance(part, (list, tuple)) else part


def test_chips_of_training_have_objects_to_leave_out(name, tmp_path):
    """What is not to be learnt is seen by the detector, and ignored."""
    config = small_detector(name, tmp_path)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    samples = [dataset[index]['data_samples'] for index in range(len(dataset))]
    assert all(len(sample.gt_instances) for sample in samples)
    assert sum(len(sample.ignored_instances) for sample in samples)
