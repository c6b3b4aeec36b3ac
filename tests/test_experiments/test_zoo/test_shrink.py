"""Tests of detectors of the zoo made small."""

import copy

import pytest
from mmdet.models.backbones.trident_resnet import TridentConv
from mmdet.registry import MODELS
from mmengine.config import Config

from mmsniper.experiments.zoo.scope import zoo_folder
from mmsniper.experiments.zoo.shrink import NUM_QUERIES, shrink

NAMES = [
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'retinanet/retinanet_x101-64x4d_fpn_1x_coco.py',
    'hrnet/fcos_hrnetv2p-w32-gn-head_4xb4-1x_coco.py',
    'swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py',
    'pvt/retinanet_pvtv2-b0_fpn_1x_coco.py',
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
    'rtmdet/rtmdet_s_8xb32-300e_coco.py',
    'ld/ld_r18-gflv1-r101_fpn_1x_coco.py',
]


def nested(config):
    for part in config.values() if isinstance(config, dict) else config:
        if isinstance(part, (dict, list, tuple)):
            yield from nested(part)
    if isinstance(config, dict):
        yield config


@pytest.mark.parametrize('name', NAMES)
def test_smaller_with_the_same_heads_and_nothing_to_download(name):
    model = Config.fromfile(zoo_folder() / name).model
    before = copy.deepcopy(model)
    small = shrink(model, 128)
    assert model == before
    for part in nested(small):
        assert (part.get('init_cfg') or {}).get('type') != 'Pretrained'
        assert 'SyncBN' not in str(part.get('type'))
        assert not str(part.get('teacher_ckpt', '')).startswith('http')
    for key in model:
        if key.endswith('_head'):
            assert small[key]['type'] == model[key]['type']
            assert small[key].get('num_classes') == model[key].get('num_classes')
    # What it is made of fits together.
    MODELS.build(small)


def test_fewer_layers_and_queries():
    name = 'dino/dino-5scale_swin-l_8xb2-12e_coco.py'
    small = shrink(Config.fromfile(zoo_folder() / name).model, 128)
    assert small.num_queries == NUM_QUERIES
    assert (small.encoder.num_layers, small.decoder.num_layers) == (2, 2)
    assert small.backbone.depths == [2, 2, 2, 2]


def test_batches_are_not_padded_beyond_chips():
    name = 'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py'
    model = Config.fromfile(zoo_folder() / name).model
    augments = shrink(model, 128).data_preprocessor.batch_augments
    assert [augment.size for augment in augments] == [(128, 128)]


def test_no_weight_is_left_to_what_is_in_memory():
    """MMDetection leaves these convolutions as they are, for a checkpoint to be loaded into."""
    model = Config.fromfile(zoo_folder() / 'tridentnet/tridentnet_r50-caffe_1x_coco.py').model
    backbone = MODELS.build(shrink(model, 128).backbone)
    weights = [module.weight for module in backbone.modules() if isinstance(module, TridentConv)]
    for weight in weights:
        weight.data.fill_(float('nan'))
    backbone.init_weights()
    assert weights
    for weight in weights:
        assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.5)
