"""Least sizes against what layers and assigners really do."""

import itertools

import pytest
import torch
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from zoo_configs import zoo_config

from mmsniper import config_path
from mmsniper.conversion import Changes, convert
from mmsniper.conversion.least_size import fit_least_size, least_size


def side_of(name):
    return least_size(zoo_config(name).model)[0]


def maps(parts, side):
    """Sizes of the maps that a backbone and a neck make of a square, without any computing."""
    with torch.no_grad():
        features = torch.empty(1, 3, side, side, device='meta')
        for part in parts:
            features = part(features)
    return [tuple(feature.shape[-2:]) for feature in features]


def parts_of(model):
    with torch.device('meta'):
        parts = [MODELS.build(model[key]) for key in ('backbone', 'neck')]
    for part in parts:
        part.eval()
    return parts


@pytest.mark.parametrize(
    'name', ['ssd/ssd300_coco.py', 'ssd/ssd512_coco.py', 'legacy_1.x/ssd300_coco_v1.py']
)
def test_the_extra_layers_of_ssd(name):
    model = zoo_config(name).model
    model.neck.l2_norm_scale = None  # its weights do not go without memory
    parts, side = parts_of(model), least_size(model)[0]
    assert maps(parts, side)[-1] == (1, 1)
    with pytest.raises(RuntimeError, match='smaller|greater'):
        maps(parts, side - 1)


def test_pooled_maps():
    neck = dict(type='HRFPN', in_channels=[1], out_channels=1)
    model = dict(neck=neck, backbone=dict(type='HRNet'))
    for levels in (3, 5):
        neck['num_outs'] = levels
        side = least_size(model)[0]
        layer = MODELS.build(neck)
        finest = torch.zeros(1, 1, *[-(-side // 4)] * 2)
        assert layer([finest])[-1].shape[-2:] == (1, 1)
        with pytest.raises(RuntimeError, match='too small'):
            layer([torch.zeros(1, 1, *[-(-(side - 1) // 4)] * 2)])


def test_ssd_with_padded_layers_takes_anything():
    name = 'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py'
    assert side_of(name) == 1
    assert maps(parts_of(zoo_config(name).model), 1)[-1] == (1, 1)


@pytest.mark.parametrize(
    ('name', 'side', 'level'),
    [
        ('ddod/ddod_r50_fpn_1x_coco.py', 257, -1),
        ('dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py', 1, None),
        # In the backbone, whose last map is the last but one of the pyramid.
        ('dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py', 65, 3),
        ('detectors/cascade-rcnn_r50-sac_1x_coco.py', 65, 3),
    ],
)
def test_deformed_maps(name, side, level):
    model = zoo_config(name).model
    assert least_size(model)[0] == side
    if level is not None:
        model.backbone.pop('dcn', None)  # of which nothing can be had without computing
        model.backbone.update(type='ResNet')
        for key in ('sac', 'stage_with_sac', 'output_img', 'init_cfg'):
            model.backbone.pop(key, None)
        parts = parts_of(model)
        assert maps(parts, side)[level] == (3, 3)
        assert maps(parts, side - 1)[level] == (2, 2)


def test_deformed_maps_are_that_large():
    layer = MODELS.build(dict(type='DCN', in_channels=1, out_channels=1, kernel_size=3, padding=1))
    layer(torch.zeros(1, 1, 3, 3))
    with pytest.raises(RuntimeError, match='smaller than kernel'):
        layer(torch.zeros(1, 1, 2, 5))


@pytest.mark.parametrize('border', [0, 4, 30])
@pytest.mark.parametrize(
    'generator',
    [
        dict(strides=[4, 8, 16], ratios=[0.5, 1.0, 2.0], scales=[8]),
        dict(strides=[16], ratios=[1.0], scales=[2, 4], center_offset=0.5),
        dict(strides=[(8, 4)], ratios=[0.3], scales=[5]),
    ],
)
def test_anchors_inside(generator, border):
    generator = dict(type='AnchorGenerator', **generator)
    model = dict(
        rpn_head=dict(type='RPNHead', anchor_generator=generator),
        train_cfg=dict(rpn=dict(allowed_border=border)),
    )
    built = TASK_UTILS.build(generator)

    def any_inside(side):
        sizes = [(-(-side // high), -(-side // wide)) for wide, high in built.strides]
        anchors = torch.cat(built.grid_priors(sizes, device='cpu'))
        flags = torch.ones(len(anchors), dtype=torch.bool)
        return anchor_inside_flags(anchors, flags, (side, side), border).any()

    assert least_size(model)[0] == next(side for side in itertools.count(1) if any_inside(side))
    model['train_cfg']['rpn']['allowed_border'] = -1
    assert least_size(model)[0] == 1


@pytest.mark.parametrize(
    ('name', 'cells'),
    [
        ('dino/dino-4scale_r50_8xb2-12e_coco.py', 900),
        ('deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco.py', 300),
        ('tood/tood_r50_fpn_1x_coco.py', 13),
        ('free_anchor/freeanchor_r50_fpn_1x_coco.py', 6),  # with 9 anchors in each,
    ],
)
def test_enough_cells(name, cells):
    model = zoo_config(name).model
    parts, side = parts_of(model), least_size(model)[0]
    assert sum(height * width for height, width in maps(parts, side)) >= cells
    assert sum(height * width for height, width in maps(parts, side - 1)) < cells


@pytest.mark.parametrize(('classes', 'side'), [(80, 5), (1, 37), (3, 21)])
def test_enough_peaks(classes, side):
    model = zoo_config('centernet/centernet_r18_8xb16-crop512-140e_coco.py').model
    model.bbox_head.num_classes = classes
    assert least_size(model)[0] == side
    ((height, width),) = maps(parts_of(model), side)
    assert height * width * classes >= model.test_cfg.topk


@pytest.mark.parametrize(
    'name',
    [
        'retinanet/retinanet_r50_fpn_1x_coco.py',
        'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
        'cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py',
        'yolox/yolox_s_8xb8-300e_coco.py',
        'ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py',
    ],
)
def test_most_take_anything(name):
    model = zoo_config(name).model
    before = model.to_dict()
    assert least_size(model)[0] == 1
    changes = Changes()
    fit_least_size(model, changes)
    assert model.to_dict() == before and not changes.changed and not changes.notes


def test_a_teacher_looks_at_the_same_inputs(tmp_path):
    (tmp_path / 'teacher.py').write_text(zoo_config('ddod/ddod_r50_fpn_1x_coco.py').pretty_text)
    assert side_of('ld/ld_r101-gflv1-r101-dcn_fpn_2x_coco.py') == 65
    model = zoo_config('ld/ld_r18-gflv1-r101_fpn_1x_coco.py').model
    assert least_size(model)[0] == 1
    model.teacher_config = str(tmp_path / 'teacher.py')
    assert least_size(model)[0] == 257
    model.teacher_config = Config.fromfile(model.teacher_config)
    assert least_size(model)[0] == 257


def test_sniperized_configs_pad():
    config, changes = convert('mmdet::ddod/ddod_r50_fpn_1x_coco.py')
    source = zoo_config('ddod/ddod_r50_fpn_1x_coco.py').model.data_preprocessor
    expected = dict(source, type='ChipDataPreprocessor', least_size=257)
    assert config.model.data_preprocessor == expected
    assert 'ChipDataPreprocessor pads smaller inputs to 257x257 pixels (DDODHead: ' in str(changes)


def test_what_pads_already_stays():
    model = zoo_config('ddod/ddod_r50_fpn_1x_coco.py').model
    model.data_preprocessor.update(type='ChipDataPreprocessor', least_size=300)
    fit_least_size(model, changes := Changes())
    assert model.data_preprocessor.least_size == 300 and not changes.changed
    model.data_preprocessor.least_size = 10
    fit_least_size(model, changes)
    assert model.data_preprocessor.least_size == 257 and len(changes.changed) == 1


@pytest.mark.parametrize('preprocessor', [dict(type='BoxInstDataPreprocessor'), None])
def test_a_preprocessor_of_another_kind_is_noted(preprocessor):
    model = zoo_config('ddod/ddod_r50_fpn_1x_coco.py').model
    model.data_preprocessor = preprocessor
    fit_least_size(model, changes := Changes())
    assert model.data_preprocessor == preprocessor and not changes.changed
    (note,) = changes.notes
    assert 'use ChipDataPreprocessor(least_size=257)' in note


@pytest.mark.parametrize(
    'name',
    [
        'cascade_rcnn/cascade-rcnn_r50_fpn_sniper-7e_coco.py',
        'dino/dino-4scale_r50_sniper-5e_coco.py',
    ],
)
def test_our_configs_pad(name):
    model = Config.fromfile(config_path(name)).model
    assert MODELS.build(model.data_preprocessor).least_size == least_size(model)[0]
