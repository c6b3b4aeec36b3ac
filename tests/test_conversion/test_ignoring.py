"""Which models ignore natively, and what is done to their configs for it."""

import copy

import pytest
from mmdet.models import dense_heads, roi_heads
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.dense_heads.base_mask_head import BaseMaskHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from zoo_configs import zoo_config

from mmsniper.conversion.components import component_class
from mmsniper.conversion.heads import HEADS, head_rule
from mmsniper.conversion.ignoring import apply_ignoring, plan_ignoring
from mmsniper.models.ignoring import MIXINS

ASSIGNER = 'train_cfg.assigner'
TWO_STAGES = ['train_cfg.rpn.assigner', 'train_cfg.rcnn.assigner']
NATIVE = {
    'atss/atss_r50_fpn_1x_coco.py': [ASSIGNER],
    'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py': [
        'train_cfg.rpn.assigner',
        *(f'train_cfg.rcnn.{stage}.assigner' for stage in range(3)),
    ],
    'ddod/ddod_r50_fpn_1x_coco.py': [ASSIGNER, 'train_cfg.reg_assigner'],
    'fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py': ['train_cfg.rcnn.assigner'],
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py': TWO_STAGES,
    'lad/lad_r101-paa-r50_fpn_2xb8_coco_1x.py': [ASSIGNER],
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py': TWO_STAGES,
    'retinanet/retinanet_r50_fpn_1x_coco.py': [ASSIGNER],
    'rpn/rpn_r50_fpn_1x_coco.py': ['train_cfg.rpn.assigner'],
    'rtmdet/rtmdet-ins_s_8xb32-300e_coco.py': [ASSIGNER],
    'ssd/ssd300_coco.py': [ASSIGNER],
    'tood/tood_r50_fpn_1x_coco.py': ['train_cfg.initial_assigner', ASSIGNER],
}
# By a head that becomes aware, with what of it is wrapped and the reason that is given.
AWARE = {
    'cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py': (
        ['train_cfg.rpn.1.assigner', 'rpn_head', 'train_cfg.rcnn.assigner'],
        'CascadeRPNHead: anchors',
    ),
    'centernet/centernet_r18_8xb16-crop512-140e_coco.py': (['bbox_head'], 'CenterNetHead: its'),
    'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py': (
        ['bbox_head'],
        'CondInstBboxHead: points',
    ),
    'dino/dino-4scale_r50_8xb2-12e_coco.py': (['bbox_head'], 'DINOHead: queries'),
    'faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco.py': (
        ['rpn_head', 'train_cfg.rcnn.assigner'],
        'FCOSHead: points',
    ),
    'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py': (['bbox_head'], 'FCOSHead: points'),
    'guided_anchoring/ga-faster-rcnn_r50_fpn_1x_coco.py': (
        [
            'train_cfg.rpn.assigner',
            'train_cfg.rpn.ga_assigner',
            'rpn_head',
            'train_cfg.rcnn.assigner',
        ],
        'GARPNHead: anchors',
    ),
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py': (
        ['panoptic_head'],
        'Mask2FormerHead: queries',
    ),
    'scnet/scnet_r50_fpn_1x_coco.py': (
        [
            'train_cfg.rpn.assigner',
            *(f'train_cfg.rcnn.{stage}.assigner' for stage in range(3)),
            'roi_head',
        ],
        'RPNHead: anchors',
    ),
    'solov2/solov2_r50_fpn_1x_coco.py': (['mask_head'], 'SOLOV2Head: grid cells'),
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py': (['roi_head'], 'EmbeddingRPNHead: its prop'),
    'vfnet/vfnet_r50_fpn_1x_coco.py': (['bbox_head'], 'VFNetHead: points'),
    'yolact/yolact_r50_1xb8-55e_coco.py': ([ASSIGNER, 'mask_head'], 'YOLACTHead: anchors'),
    'yolo/yolov3_d53_8xb8-320-273e_coco.py': ([ASSIGNER, 'bbox_head'], 'YOLOV3Head: anchors'),
    'yolox/yolox_s_8xb8-300e_coco.py': (['bbox_head'], 'YOLOXHead: the objectness'),
}


def at(config, path):
    for key in path.split('.'):
        config = config[int(key) if key.isdigit() else key]
    return config


@pytest.mark.parametrize('name', NATIVE)
def test_native(name):
    model = zoo_config(name).model
    before = copy.deepcopy(model)
    plan = plan_ignoring(model)
    assert plan.mode == 'ignore' and plan.wrapped == NATIVE[name]
    applied = apply_ignoring(model)
    assert model == before, 'the given model stays'
    for path in plan.wrapped:
        kind = 'ValidRangeAssigner' if 'rcnn' in path else 'IgnoreAwareAssigner'
        assert at(applied, path) == dict(type=kind, assigner=at(model, path))
        at(applied, path.rsplit('.', 1)[0])[path.rsplit('.', 1)[1]] = at(model, path)
    assert applied == before, 'nothing else changes'


@pytest.mark.parametrize('name', AWARE)
def test_heads_that_become_aware(name):
    model = zoo_config(name).model
    before = copy.deepcopy(model)
    wrapped, reason = AWARE[name]
    plan = plan_ignoring(model)
    assert plan.mode == 'ignore' and plan.wrapped == wrapped
    assert plan.reason.startswith(reason)
    applied = apply_ignoring(model)
    assert model == before, 'the given model stays'
    for path in plan.wrapped:
        if not path.startswith('train_cfg'):
            head = applied[path]
            assert head.pop('type') == 'IgnoreAwareHead'
            head.type = head.pop('head')
            continue
        kind = 'ValidRangeAssigner' if 'rcnn' in path else 'IgnoreAwareAssigner'
        assert at(applied, path) == dict(type=kind, assigner=at(model, path))
        at(applied, path.rsplit('.', 1)[0])[path.rsplit('.', 1)[1]] = at(model, path)
    assert applied == before, 'nothing else changes'


@pytest.mark.parametrize(
    'name, path',
    [
        ('fsaf/fsaf_r50_fpn_1x_coco.py', 'train_cfg.assigner'),
        ('reppoints/reppoints-moment_r50_fpn_1x_coco.py', 'train_cfg.refine.assigner'),
    ],
)
def test_boxes_that_stand_for_their_centres(name, path):
    model = zoo_config(name).model
    assert plan_ignoring(model).wrapped == [path]
    assert at(apply_ignoring(model), path) == dict(
        type='IgnoreAwareAssigner', assigner=at(model, path), prior_type='centre'
    )


@pytest.mark.parametrize('name', [*NATIVE, *AWARE])
def test_twice_is_once(name):
    model = zoo_config(name).model
    once = apply_ignoring(model)
    plan = plan_ignoring(once)
    assert plan.wrapped == []
    assert (plan.mode, plan.reason) == (plan_ignoring(model).mode, plan_ignoring(model).reason)
    assert apply_ignoring(once) == once


def test_what_is_half_wrapped_is_completed():
    model = zoo_config('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py').model
    model.train_cfg.rpn.assigner = dict(
        type='IgnoreAwareAssigner', assigner=model.train_cfg.rpn.assigner, ignore_iou_thr=0.5
    )
    assert plan_ignoring(model).wrapped == ['train_cfg.rcnn.assigner']
    applied = apply_ignoring(model)
    assert applied.train_cfg.rpn.assigner == model.train_cfg.rpn.assigner


def test_a_teacher_stays_as_it_is():
    model = zoo_config('ld/ld_r18-gflv1-r101_fpn_1x_coco.py').model
    applied = apply_ignoring(model)
    assert applied.train_cfg.assigner.type == 'IgnoreAwareAssigner'
    assert applied.teacher_config == model.teacher_config


def test_two_stages_of_custom_and_plain_dicts():
    assert plan_ignoring(dict(zoo_config('rpn/rpn_r50_fpn_1x_coco.py').model)).mode == 'ignore'
    model = zoo_config('atss/atss_r50_fpn_1x_coco.py').model
    model.bbox_head.type = MODELS.get('ATSSHead')  # as configs in plain Python have it
    assert plan_ignoring(model).reason.startswith('ATSSHead: anchors')
    model.bbox_head.type = 'mmdet.ATSSHead'
    assert plan_ignoring(model).mode == 'ignore'


@MODELS.register_module()
class HeadWithAnotherLayer(MODELS.get('ATSSHead')):
    """Computes the losses of the head that it inherits from."""

    def forward(self, x):
        return super().forward(x)


@MODELS.register_module()
class HeadWithAnotherLoss(MODELS.get('ATSSHead')):
    """May weigh what is ignored."""

    def loss_by_feat(self, *args, **kwargs):
        return super().loss_by_feat(*args, **kwargs)


@MODELS.register_module()
class QueriesWithAnotherLoss(MODELS.get('DINOHead')):
    """May weigh what is ignored."""

    def loss_by_feat(self, *args, **kwargs):
        return super().loss_by_feat(*args, **kwargs)


@MODELS.register_module()
class PointsWithAnotherLayer(MODELS.get('FCOSHead')):
    """Learns as FCOSHead does."""

    def forward(self, x):
        return super().forward(x)


@MODELS.register_module()
class HeadOfItsOwn(BaseModule):
    """Nothing to do with MMDetection's."""


@pytest.mark.parametrize(
    'kind, mode, reason',
    [
        ('HeadWithAnotherLayer', 'ignore', 'anchors that its assigner labels -1'),
        ('HeadWithAnotherLoss', 'erase', 'it computes losses of its own'),
        ('QueriesWithAnotherLoss', 'erase', 'it computes losses of its own'),
        ('PointsWithAnotherLayer', 'ignore', 'points on ignored objects'),
        ('HeadOfItsOwn', 'erase', 'it computes losses of its own'),
        ('NotRegisteredHead', 'erase', 'it is not registered'),
    ],
)
def test_custom_heads(kind, mode, reason):
    model = zoo_config('atss/atss_r50_fpn_1x_coco.py').model
    model.bbox_head.type = kind
    plan = plan_ignoring(model)
    assert plan.mode == mode and plan.reason.startswith(f'{kind}: {reason}')
    if plan.wrapped == ['bbox_head']:
        assert component_class(MODELS, apply_ignoring(model).bbox_head).__mro__[3].__name__ == kind


def test_no_heads_and_no_assigners():
    assert plan_ignoring(ConfigDict(type='MyDetector')).mode == 'erase'
    model = zoo_config('atss/atss_r50_fpn_1x_coco.py').model
    model.train_cfg = None
    plan = plan_ignoring(model)
    assert plan.mode == 'erase' and 'no assigner is found' in plan.reason


# Of text-prompted detectors, which are out of scope, and a part of CascadeRPNHead.
NOT_IN_CONFIGS = {'ATSSVLFusionHead', 'GroundingDINOHead', 'StageCascadeRPNHead'}
KINDS = (
    BaseDenseHead,
    BaseMaskHead,
    dense_heads.DETRHead,
    dense_heads.EmbeddingRPNHead,
    roi_heads.BaseRoIHead,
)


def test_every_head_of_mmdet_is_known():
    exported = [
        getattr(package, name) for package in (dense_heads, roi_heads) for name in package.__all__
    ]
    heads = [kind for kind in exported if issubclass(kind, KINDS)]
    heads = {kind.__name__: kind for kind in heads if not kind.__name__.startswith('Base')}
    assert len(heads) >= 60
    unknown = {name for name, kind in heads.items() if 'of its own, and' in head_rule(kind).reason}
    assert unknown == NOT_IN_CONFIGS
    for name in HEADS:
        assert name in heads or name.startswith('Base'), name


def test_heads_that_become_aware_are_those_that_can():
    exported = {**vars(dense_heads), **vars(roi_heads)}
    for name, rule in HEADS.items():
        bases = {base.__name__ for base in exported[name].__mro__} if name in exported else set()
        assert rule.becomes_aware == bool(bases & set(MIXINS)), name
