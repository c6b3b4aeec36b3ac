"""The ignore check on detectors of every kind, and on what it has to find fault with."""

import copy

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from tiny_detectors import CHANNELS, tiny_detector
from zoo_configs import zoo_config

from mmsniper.conversion.ignoring import apply_ignoring, plan_ignoring
from mmsniper.experiments.zoo.ignore_check import check_ignoring
from mmsniper.experiments.zoo.ignore_scene import IgnoreScene
from mmsniper.experiments.zoo.prior_gradients import watch
from mmsniper.experiments.zoo.shrink import shrink
from mmsniper.experiments.zoo.trial import ignoring_mode

NATIVE = [
    'atss/atss_r50_fpn_1x_coco.py',
    'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    'dynamic_rcnn/dynamic-rcnn_r50_fpn_1x_coco.py',
    'gfl/gfl_r50_fpn_1x_coco.py',
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    'retinanet/retinanet_r50_fpn_1x_coco.py',
    'rpn/rpn_r50_fpn_1x_coco.py',
    'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py',
    'sabl/sabl-retinanet_r50_fpn_1x_coco.py',
    'tood/tood_r50_fpn_1x_coco.py',
    'yolof/yolof_r50-c5_8xb8-1x_coco.py',
]
AWARE = [
    'autoassign/autoassign_r50-caffe_fpn_1x_coco.py',
    'centernet/centernet-update_r50-caffe_fpn_ms-1x_coco.py',
    'centernet/centernet_r18_8xb16-crop512-140e_coco.py',
    'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py',
    'dino/dino-4scale_r50_8xb2-12e_coco.py',
    'detr/detr_r50_8xb2-150e_coco.py',
    'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    'foveabox/fovea_r50_fpn_4xb4-1x_coco.py',
    'free_anchor/freeanchor_r50_fpn_1x_coco.py',
    'guided_anchoring/ga-retinanet_r50_fpn_1x_coco.py',
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
    'solo/solo_r50_fpn_1x_coco.py',
    'vfnet/vfnet_r50_fpn_1x_coco.py',
    'yolact/yolact_r50_1xb8-55e_coco.py',
    'yolox/yolox_s_8xb8-300e_coco.py',
]
CENTRES = ['fsaf/fsaf_r50_fpn_1x_coco.py', 'reppoints/reppoints-moment_r50_fpn_1x_coco.py']


@pytest.mark.parametrize('name', NATIVE)
def test_detectors_of_the_zoo(name):
    model = tiny_detector(name)
    assert plan_ignoring(model).mode == 'ignore'
    report = check_ignoring(apply_ignoring(model), 'ignore')
    assert report.passed, report.sentences


@pytest.mark.parametrize('name', AWARE + CENTRES)
def test_heads_that_become_aware(name):
    model = shrink(zoo_config(name).model, 128)
    assert plan_ignoring(model).mode == 'ignore'
    report = check_ignoring(apply_ignoring(model), 'ignore', size=128)
    assert report.passed, report.sentences


@pytest.mark.parametrize(
    'name', [name for name in AWARE if 'yolact' not in name and 'guided' not in name]
)
def test_heads_that_are_not_aware_are_found_out(name):
    report = check_ignoring(shrink(zoo_config(name).model, 128), 'ignore', size=128)
    assert not report.out_of_range_is_left_out and not report.passed
    assert report.out_of_range_class_is_free, 'its class counts for nothing: it is background'


@pytest.mark.parametrize('name', ['dino/dino-4scale_r50_8xb2-12e_coco.py', AWARE[2], AWARE[10]])
def test_inputs_that_are_padded(name):
    model = shrink(zoo_config(name).model, 128)
    model.data_preprocessor.update(type='ChipDataPreprocessor', least_size=201)
    report = check_ignoring(apply_ignoring(model), 'ignore', size=128)
    assert report.passed, report.sentences


@pytest.mark.parametrize('mode', ['erase', 'ignore'])
def test_erasing_is_checked_by_pixels(mode):
    model = tiny_detector('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py')
    assert check_ignoring(model, mode).passed == (mode == 'erase')


@pytest.mark.parametrize(
    'name',
    ['retinanet/retinanet_r50_fpn_1x_coco.py', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'],
)
def test_assigners_that_are_not_wrapped_are_found_out(name):
    report = check_ignoring(tiny_detector(name), 'ignore')
    assert not report.out_of_range_is_left_out and not report.passed
    assert report.out_of_range_class_is_free, 'its class counts for nothing: it is background'
    assert 'outputs of' in report.sentences[2]


@pytest.mark.parametrize(
    'name, blamed',
    [
        ('guided_anchoring/ga-retinanet_r50_fpn_1x_coco.py', 'bbox_head.loc_preds'),
        ('yolact/yolact_r50_1xb8-55e_coco.py', 'mask_head.segm_preds'),
        ('vfnet/vfnet_r50_fpn_1x_coco.py', 'bbox_head'),
        ('yolo/yolov3_d53_8xb8-320-273e_coco.py', 'bbox_head'),
    ],
)
def test_assigners_alone_are_not_enough_for_branches_and_heads_of_their_own(name, blamed):
    model = shrink(zoo_config(name).model, 128)
    for key in ('assigner', 'ga_assigner'):
        if key in model.train_cfg:
            assigner = model.train_cfg[key]
            model.train_cfg[key] = dict(type='IgnoreAwareAssigner', assigner=assigner)
    report = check_ignoring(model, 'ignore', size=128)
    assert not report.out_of_range_is_left_out
    assert f' outputs of {blamed} for' in report.sentences[2]
    assert f' 0 outputs of {blamed} for' not in report.sentences[2]


def semantic_detector():
    """Hybrid Task Cascade, whose second stage has a branch that learns a segmentation map."""
    model = apply_ignoring(tiny_detector('htc/htc_r50_fpn_1x_coco.py'))
    model.roi_head.semantic_head.conv_out_channels = CHANNELS
    return model


def test_a_semantic_branch_does_not_learn_what_is_ignored(monkeypatch):
    report = check_ignoring(semantic_detector(), 'ignore', size=128)
    assert report.passed, report.sentences
    assert '0 outputs of semantic_head for' in report.sentences[2]

    def whole_map(self, *args, **kwargs):
        chip = chip_of(self, *args, **kwargs)
        chip['data_samples'].gt_sem_seg.sem_seg[:] = 1
        return chip

    chip_of = IgnoreScene.chip
    monkeypatch.setattr(IgnoreScene, 'chip', whole_map)
    report = check_ignoring(semantic_detector(), 'ignore', size=128)
    assert not report.out_of_range_is_left_out
    assert '0 outputs of semantic_head for' not in report.sentences[2]


def test_one_stage_of_two_is_not_enough():
    model = tiny_detector('mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    wrapped = apply_ignoring(model)
    for key in ('rpn', 'rcnn'):
        half = copy.deepcopy(wrapped)
        half.train_cfg[key].assigner = model.train_cfg[key].assigner
        report = check_ignoring(half, 'ignore')
        assert not report.out_of_range_is_left_out
        blamed = 'rpn_head' if key == 'rpn' else 'roi_head'
        other = 'roi_head' if key == 'rpn' else 'rpn_head'
        assert f' 0 outputs of {other}' in report.sentences[2]
        assert f' 0 outputs of {blamed}' not in report.sentences[2]


@MODELS.register_module()
class HeadThatLearnsEveryClass(MODELS.get('RetinaHead')):
    """Learns from the class of ignored objects, and from that of others not at all."""

    def loss(self, x, batch_data_samples):
        losses = super().loss(x, batch_data_samples)
        for sample in batch_data_samples:
            losses['loss_more'] = x[0].sum() * 0 + sample.ignored_instances.labels.sum()
        return losses


@MODELS.register_module()
class HeadThatLearnsNoClass(MODELS.get('RetinaHead')):
    """Takes all objects for one class, though it has three."""

    def loss(self, x, batch_data_samples):
        for sample in batch_data_samples:
            sample.gt_instances.labels = torch.zeros_like(sample.gt_instances.labels)
        return super().loss(x, batch_data_samples)


def test_classes_that_count_or_do_not():
    model = apply_ignoring(tiny_detector(NATIVE[5]))
    model.bbox_head.type = 'HeadThatLearnsEveryClass'
    report = check_ignoring(model, 'ignore')
    assert not report.out_of_range_class_is_free
    assert report.in_range_class_counts and report.out_of_range_is_left_out
    model.bbox_head.type = 'HeadThatLearnsNoClass'
    report = check_ignoring(model, 'ignore')
    assert not report.in_range_class_counts
    assert report.out_of_range_class_is_free and report.out_of_range_is_left_out


def test_a_built_detector_stays_as_it_is():
    model = MODELS.build(
        apply_ignoring(tiny_detector('dynamic_rcnn/dynamic-rcnn_r50_fpn_1x_coco.py'))
    )
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert check_ignoring(model, 'ignore').passed
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert 'loss' not in vars(model.roi_head) and not model.roi_head.iou_history


@MODELS.register_module()
class NeckWithPooledNormalisation(MODELS.get('FPN')):
    """Normalises a feature of which each image has one only, as ResNeSt does."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm = torch.nn.BatchNorm2d(CHANNELS)

    def forward(self, inputs):
        levels = super().forward(inputs)
        return tuple(level + self.norm(level.mean((2, 3), keepdim=True)) for level in levels)


def test_normalisation_of_pooled_features_of_one_image():
    model = apply_ignoring(tiny_detector(NATIVE[5]))
    model.neck.type = 'NeckWithPooledNormalisation'
    assert check_ignoring(model, 'ignore').passed


@pytest.mark.parametrize('steps, mode', [(dict(mode='erase'), 'erase'), ({}, 'ignore')])
def test_the_mode_is_that_of_the_pipeline(steps, mode):
    pipeline = [dict(type='ChipSample'), dict(type='ScaleNormalize', **steps)]
    chips = dict(type='ChipDataset', dataset=dict(type='CocoDataset'), pipeline=pipeline)
    for dataset in (chips, dict(type='MultiImageMixDataset', dataset=chips, pipeline=[])):
        assert ignoring_mode(Config(dict(train_dataloader=dict(dataset=dataset)))) == mode
    with pytest.raises(RuntimeError, match='no pipeline of the training has ScaleNormalize'):
        ignoring_mode(Config(dict(train_dataloader=dict(dataset=chips['dataset']))))


def test_the_scene():
    scene = IgnoreScene(256, seed=0)
    box = scene.out_of_range.astype(int)
    unique = (scene.image >= 150).any(-1)
    assert unique.sum() == 144**2 - 8**2, 'the object in range hides a corner'
    rows, columns = np.nonzero(unique)
    assert (rows.min(), columns.min()) == tuple(box[:2])
    for mode, left_out in (('erase', True), ('ignore', False), ('drop', False)):
        chip = scene.chip(mode, labels=(1, 2))
        assert scene.pixels_left_out(chip) == left_out and scene.pixels_kept(chip)
        sample = chip['data_samples']
        assert sample.gt_instances.labels.tolist() == [1]
        assert sample.ignored_instances.labels.tolist() == ([2] if mode == 'ignore' else [])
    chip = scene.chip('erase')
    chip['inputs'][:, 20, 20] = 0
    assert not scene.pixels_kept(chip)
    chip['inputs'][:, 100, 100] = 150
    assert not scene.pixels_left_out(chip)


def test_proposals_are_on_both_objects_and_in_range():
    scene = IgnoreScene(256, seed=0)
    proposals = scene.proposals().numpy()
    sizes = np.sqrt((proposals[:, 2:] - proposals[:, :2]).prod(-1))
    assert ((sizes >= 32) & (sizes < 140)).all(), 'their size is no reason to leave them out'
    inside = (proposals[:, :2] >= scene.out_of_range[:2]).all(-1) & (
        proposals[:, 2:] <= scene.out_of_range[2:] + 1e-3
    ).all(-1)
    assert inside.sum() == 5
    assert (sizes[inside] ** 2 / 144**2 > 0.8).all()


@MODELS.register_module()
class HeadWithoutPriors(MODELS.get('RetinaHead')):
    """Nothing tells where its outputs are."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.generator, self.prior_generator = self.prior_generator, None

    def loss_by_feat(self, *args, **kwargs):
        self.prior_generator = self.generator
        return super().loss_by_feat(*args, **kwargs)


def test_detectors_without_known_priors_fail_and_raise_nothing():
    model = tiny_detector(NATIVE[5])
    model.bbox_head.type = 'HeadWithoutPriors'
    report = check_ignoring(model, 'ignore')
    assert not report.out_of_range_is_left_out and not report.check_can_fail
    assert 'no head whose priors are known' in report.sentences[2]
    assert watch(torch.nn.Module(), None, None, None)() == []


def test_the_log_goes_on_after_it(monkeypatch):
    said = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'handle', lambda record: said.append(record.getMessage()))
    check_ignoring(apply_ignoring(tiny_detector(NATIVE[0])), 'ignore')
    logger.critical('heard')  # whatever level tests before this one have set
    assert said[-1] == 'heard'
