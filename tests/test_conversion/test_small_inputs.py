"""Detectors that need inputs of a least size: on chips and views of small and of long pictures."""

import json
import math

import pytest
import torch
from coco_files import write_coco
from mmdet.models.backbones import SSDVGG
from mmdet.registry import DATASETS, MODELS
from mmengine.runner import Runner
from tiny_detectors import tiny_detector
from torch import nn
from zoo_configs import zoo_config

from mmsniper.conversion import Recipe, convert
from mmsniper.conversion.detector import nested_dicts

SIZES = [(160, 600), (40, 60), (300, 9), (3, 3)]  # height and width
BOXES = [
    [(20, 30, 60, 40), (400, 20, 150, 100)],
    [(5, 5, 30, 20)],
    [(1, 20, 7, 30)],
    [(0, 0, 3, 2)],
]
LEVELS = [1.0, 0.5]
THINNER = 32


@MODELS.register_module(force=True)
class ThinSSDVGG(SSDVGG):
    """The backbone of SSD with a few channels, and layers as they are."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        for index, layer in enumerate(self.features):
            if isinstance(layer, nn.Conv2d):
                self.features[index] = nn.Conv2d(
                    layer.in_channels // THINNER or 3,
                    layer.out_channels // THINNER,
                    layer.kernel_size,
                    padding=layer.padding,
                    dilation=layer.dilation,
                )


def tiny_model(name):
    if name.startswith('dino'):  # with all its queries and channels
        model = zoo_config(name).model
        model.encoder.num_layers = model.decoder.num_layers = 1
        model.backbone.update(depth=18, base_channels=4, frozen_stages=-1, init_cfg=None)
        model.neck.in_channels = [8, 16, 32]
    elif not name.startswith('ssd'):
        model = tiny_detector(name)
    else:
        model = zoo_config(name).model
        model.backbone.update(type='ThinSSDVGG', init_cfg=None)
        for part in (model.neck, model.bbox_head):
            for key in ('in_channels', 'out_channels'):
                if key in part:
                    part[key] = tuple(width // THINNER for width in part[key])
    for head in ('bbox_head', 'roi_head'):
        for part in nested_dicts(model.get(head)):
            if 'num_classes' in part:
                part['num_classes'] = 2
    return model


def sniperized(name, folder):
    """A tiny detector of the zoo, sniperized, with pictures that are small or long."""
    config = zoo_config(name)
    data = write_coco(folder, SIZES, BOXES)
    config.model = tiny_model(name)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        inner = loader.dataset
        while 'dataset' in inner:
            inner = inner.dataset
        loader.dataset = dict(data, pipeline=inner.pipeline)
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(folder / 'annotations.json')
        evaluator.outfile_prefix = str(folder / 'found')
    config.load_from = None
    ranges = [(-1, -1)] * len(LEVELS)
    recipe = Recipe(LEVELS, ranges, LEVELS, ranges, chip_size=128, chips_per_image=2.0)
    config, _ = convert(config, recipe)
    for part in nested_dicts(config.model.test_cfg):
        part.update({key: 0.0 for key in ('score_thr',) if key in part})
    config.update(log_level='ERROR', work_dir=str(folder), randomness=dict(seed=0))
    config.visualizer = dict(type='DetLocalVisualizer', vis_backends=[])
    return config


NAMES = [
    'ssd/ssd300_coco.py',
    'ssd/ssd512_coco.py',
    'ddod/ddod_r50_fpn_1x_coco.py',
]
OF_TRAINING = [
    *NAMES,
    'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    'dino/dino-4scale_r50_8xb2-12e_coco.py',
]


@pytest.mark.parametrize('name', NAMES)
def test_views(name, tmp_path):
    config = sniperized(name, tmp_path)
    runner = Runner.from_cfg(config)
    runner.test()
    images = {
        image['id']: image
        for image in json.loads((tmp_path / 'annotations.json').read_text())['images']
    }
    found = json.loads((tmp_path / 'found.bbox.json').read_text())
    assert {detection['image_id'] for detection in found} == set(images)
    for detection in found:
        (x, y, w, h), image = detection['bbox'], images[detection['image_id']]
        assert math.isfinite(x * y) and w >= 0 and h >= 0
        assert min(x, y) > -1
        assert x + w < image['width'] + 1 and y + h < image['height'] + 1


@pytest.mark.parametrize('name', OF_TRAINING)
def test_chips(name, tmp_path):
    config = sniperized(name, tmp_path)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    model = MODELS.build(config.model)
    model.init_weights()
    model.train()
    # Each by itself, since a batch is as large as the largest in it.
    chips = sorted(dataset, key=lambda chip: chip['inputs'].numel())
    for chip in (chips[0], chips[-1]):
        data = dict(inputs=[chip['inputs']], data_samples=[chip['data_samples']])
        losses = model(**model.data_preprocessor(data, training=True), mode='loss')
        total, _ = model.parse_losses(losses)
        total.backward()
        assert torch.isfinite(total)
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
