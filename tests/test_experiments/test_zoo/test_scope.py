"""Tests of which configs of the zoo are in scope, and of what kind they are."""

import pytest
from mmengine.config import Config

from mmsniper.errors import InputError
from mmsniper.experiments.zoo.scope import config_names, describe, families, read_zoo, zoo_folder

KINDS = {
    'retinanet/retinanet_r50_fpn_1x_coco.py': 'anchor',
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py': 'anchor',
    'fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py': 'anchor',
    'yolo/yolov3_d53_8xb8-320-273e_coco.py': 'anchor',
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py': 'anchor + mask',
    'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py': 'anchor-free',
    'faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco.py': 'anchor-free',
    'fsaf/fsaf_r50_fpn_1x_coco.py': 'anchor-free',
    'rtmdet/rtmdet_s_8xb32-300e_coco.py': 'anchor-free',
    'rtmdet/rtmdet-ins_s_8xb32-300e_coco.py': 'anchor-free + mask',
    'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py': 'anchor-free + mask',
    'dino/dino-4scale_r50_8xb2-12e_coco.py': 'query',
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py': 'query',
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py': 'query + mask',
    'solo/solo_r50_fpn_1x_coco.py': 'mask',
}
OUT = {
    'glip/glip_atss_swin-t_a_fpn_dyhead_16xb2_ms-2x_funtune_coco.py': 'text',
    'masktrack_rcnn/masktrack-rcnn_mask-rcnn_r50_fpn_8xb1-12e_youtubevis2019.py': 'videos',
    'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py': 'panoptic',
    'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py': 'semi-supervised',
    'common/lsj-100e_coco-detection.py': 'no model',
    'dsdl/coco.py': 'DSDL',
    'misc/d2_faster-rcnn_r50-caffe_fpn_ms-90k_coco.py': 'Detectron2',
}


def load(name):
    return describe(name, Config.fromfile(zoo_folder() / name))


@pytest.mark.parametrize('name', KINDS)
def test_kind(name):
    config = load(name)
    assert config.in_scope
    assert config.kind == KINDS[name]


@pytest.mark.parametrize('name', OUT)
def test_out_of_scope_with_a_reason(name):
    config = load(name)
    assert not config.in_scope
    assert OUT[name] in config.out


def test_all_files_of_all_families_are_looked_at():
    names = config_names()
    assert len(names) == len(set(names))
    assert {name.split('/')[0] for name in names} == set(families())
    assert len(families()) > 60
    files = {path.relative_to(zoo_folder()).as_posix() for path in zoo_folder().rglob('*.py')}
    assert files - set(names) == {name for name in files if name.startswith('_base_/')}


def test_a_family_of_trackers_is_out_as_a_whole():
    configs = list(read_zoo(['strongsort']))
    assert configs
    assert not any(config.in_scope for config in configs)
    # Its detectors are a YOLOX each.
    assert {'YOLOX'} < {config.detector for config in configs} | {'YOLOX', ''}
    assert any(config.out == 'part of a tracker' for config in configs)


def test_missing_packages_are_named():
    configs = {config.name: config for config in read_zoo(['convnext'])}
    assert len(configs) == 3
    for config in configs.values():
        assert config.in_scope
        assert config.needs in ('', 'mmpretrain')


def test_unknown_family():
    with pytest.raises(InputError, match='no family yolov9 in the zoo; there are albu_example'):
        config_names(['yolov9'])
