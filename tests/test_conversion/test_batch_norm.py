"""Batch normalisation that a source leaves in evaluation mode: said, or trained when asked for."""

import copy

import pytest
from mmdet.registry import MODELS
from mmengine.config import Config
from source_configs import BASE, source_config

from mmsniper import config_path
from mmsniper.apis import sniperize
from mmsniper.conversion import Changes, convert
from mmsniper.conversion.batch_norm import convert_batch_norm

STAYS = 'model.backbone: batch normalisation of ResNet stays in evaluation mode (norm_eval=True)'
TRAINED = 'model.backbone: batch normalisation of ResNet is trained (norm_eval=False)'
FROZEN = 'model.backbone: batch normalisation of ResNet stays frozen'


def of_model(model, train=True):
    """The converted model, and the list of changes."""
    model, changes = copy.deepcopy(model), Changes()
    convert_batch_norm(model, train, changes)
    return model, changes


def test_what_stays_is_said():
    config, changes = convert(BASE)
    assert config.model.backbone.norm_eval is True
    (note,) = (note for note in changes.notes if note.startswith(STAYS))
    assert '--train-batch-norm' in note


def test_what_is_asked_for_is_done_and_listed():
    config, changes = convert(BASE, train_batch_norm=True)
    assert config.model.backbone.norm_eval is False
    assert TRAINED in changes.changed and 'evaluation mode' not in str(changes)
    again, nothing = convert(config, train_batch_norm=True)
    assert again.pretty_text == config.pretty_text and not nothing.changed
    kept, _ = convert(BASE)
    later, changes = convert(kept, train_batch_norm=True)
    assert later.pretty_text == config.pretty_text
    assert changes.changed == [TRAINED], 'of a config that trains on chips as well'


def test_our_own_configs_need_nothing():
    config, changes = convert(
        Config.fromfile(config_path('sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py')),
        train_batch_norm=True,
    )
    assert config.model.backbone.norm_eval is False and not changes.changed


def test_the_entry_point(capsys):
    assert sniperize(BASE, train_batch_norm=True).model.backbone.norm_eval is False
    assert f'changed: {TRAINED}' in capsys.readouterr().out
    sniperize(BASE)
    assert f'note: {STAYS}' in capsys.readouterr().out


@pytest.mark.parametrize('train', [False, True])
def test_weights_that_were_published_with_fixed_statistics(train):
    frozen = source_config('model = dict(backbone=dict(norm_cfg=dict(requires_grad=False)))')
    config, changes = convert(frozen, train_batch_norm=train)
    assert config.model.backbone.norm_eval is True
    assert FROZEN in str(changes) and 'batch normalisation of ResNet is trained' not in str(changes)


BATCH = dict(type='BN', requires_grad=True)


@pytest.mark.parametrize(
    'backbone',
    [
        dict(type='ResNet', depth=50),
        dict(type='mmdet.ResNeXt', depth=50, norm_eval=True),
        dict(type='Res2Net', depth=50),
        dict(type='ResNetV1d', depth=50),
        dict(type='RegNet', arch='regnetx_400mf', norm_cfg=BATCH),
        dict(type='HRNet', extra={}),
        dict(type='Darknet', depth=53),
        dict(type='CSPDarknet', norm_eval=True),
        dict(type='ResNet', depth=50, norm_cfg=dict(type='SyncBN')),
    ],
    ids=lambda backbone: backbone['type'],
)
def test_in_evaluation_mode_by_their_config_or_by_default(backbone):
    model, changes = of_model(dict(type='RetinaNet', backbone=backbone))
    assert model['backbone'] == dict(backbone, norm_eval=False)
    assert len(changes.changed) == 1
    assert of_model(dict(type='RetinaNet', backbone=backbone), train=False)[1].notes
    assert not of_model(model, train=True)[1].changed


@pytest.mark.parametrize(
    'backbone',
    [
        dict(type='ResNet', depth=50, norm_eval=False),
        dict(type='ResNet', depth=50, norm_cfg=dict(type='GN', num_groups=32)),
        dict(type='CSPNeXt'),
        dict(type='CSPDarknet'),
        dict(type='MobileNetV2'),
        dict(type='EfficientNet'),
        dict(type='SwinTransformer'),
        dict(type='SSDVGG', depth=16),
        dict(type='nobody.Knows'),
    ],
    ids=lambda backbone: backbone['type'],
)
def test_nothing_is_in_evaluation_mode(backbone):
    for train in (False, True):
        model, changes = of_model(dict(type='RetinaNet', backbone=backbone), train)
        assert model['backbone'] == backbone and not changes.changed and not changes.notes


def test_wherever_it_is_but_not_in_a_teacher():
    resnet = dict(type='ResNet', depth=50)
    model = dict(
        type='FasterRCNN',
        backbone=resnet,
        neck=[dict(type='RFP', rfp_backbone=dict(resnet))],
        roi_head=dict(shared_head=dict(type='ResLayer', depth=50)),
        teacher=dict(backbone=dict(resnet)),
    )
    converted, changes = of_model(model)
    assert [line.split(':')[0] for line in changes.changed] == [
        'model.backbone',
        'model.neck.0.rfp_backbone',
        'model.roi_head.shared_head',
    ]
    assert converted['teacher'] == model['teacher']


def test_the_model_agrees():
    """What is said of a default is what the layers do."""
    backbone = dict(type='ResNet', depth=18, base_channels=4, frozen_stages=-1, init_cfg=None)
    converted, _ = of_model(dict(type='RetinaNet', backbone=backbone))
    for config, trains in ((backbone, False), (converted['backbone'], True)):
        built = MODELS.build(config)
        built.train()
        assert built.bn1.training is trains
