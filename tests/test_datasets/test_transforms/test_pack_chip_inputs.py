"""What a packed chip says of itself, and that its valid range reaches the second stage."""

import math

import numpy as np
import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import MODELS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate

from mmsniper import config_path
from mmsniper.datasets import ChipDataset, ChipSample, PackChipInputs, ScaleNormalize
from mmsniper.evaluation.merging_evaluator import REQUIRED_KEYS
from mmsniper.models import ValidRangeAssigner

VALID_RANGE = (20.0, 60.0)


def results_of(scale=0.5, valid_range=VALID_RANGE):
    """An image of 200x100 pixels with a valid and a too large object, and a chip of it."""
    return dict(
        img=np.zeros((100, 200, 3), np.uint8),
        img_id=3,
        img_path='3.png',
        img_shape=(100, 200),
        ori_shape=(100, 200),
        gt_bboxes=HorizontalBoxes(np.array([[40, 20, 80, 60], [40, 10, 120, 90]], np.float32)),
        gt_bboxes_labels=np.array([0, 1]),
        gt_ignore_flags=np.zeros(2, bool),
        chip=np.array([20, 0, 180, 100], np.float32),
        chip_level=1,
        chip_scale=scale,
        valid_range=valid_range,
    )


def packed(*transforms, **kwargs):
    """The data sample after ChipSample, ScaleNormalize, these transforms and the packing."""
    transforms = [TRANSFORMS.build(transform) for transform in transforms]
    pipeline = Compose([ChipSample(), ScaleNormalize(), *transforms, PackChipInputs()])
    return pipeline(results_of(**kwargs))['data_samples']


def input_range(sample):
    recorded = [
        instances.metainfo['input_valid_range']
        for instances in (sample.gt_instances, sample.ignored_instances)
    ]
    assert recorded[0] == recorded[1]
    return recorded[0]


@pytest.mark.parametrize('scale', [0.5, 1.0, 2.5])
def test_the_range_is_in_pixels_of_the_input(scale):
    sample = packed(scale=scale)
    assert input_range(sample) == pytest.approx((20 * scale, 60 * scale))
    assert sample.valid_range == VALID_RANGE, 'that of the original image'
    assert len(sample.gt_instances) == len(sample.ignored_instances) == 1


@pytest.mark.parametrize('valid_range', [(-1, 60), (20, -1), (-1, -1), (0, 60)])
def test_open_ends_stay_open(valid_range):
    expected = tuple(bound if bound == -1 else bound * 0.5 for bound in valid_range)
    assert input_range(packed(valid_range=valid_range)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('transforms', 'factor'),
    [
        ([dict(type='RandomFlip', prob=1.0)], 1),
        ([dict(type='RandomFlip', prob=1.0, direction='diagonal')], 1),
        ([dict(type='Resize', scale_factor=1.5)], 1.5),
        ([dict(type='Resize', scale_factor=1.5), dict(type='Resize', scale_factor=2.0)], 3),
        ([dict(type='Resize', scale=(160, 50), keep_ratio=False)], math.sqrt(2)),
        ([dict(type='Rotate', prob=1.0, min_mag=30.0, max_mag=30.0)], 1),
        ([dict(type='RandomCrop', crop_size=(40, 40))], 1),
        ([dict(type='RandomResize', scale=(160, 100), ratio_range=(2.0, 2.0))], 4),
    ],
)
def test_the_range_follows_later_transforms(transforms, factor):
    assert input_range(packed(*transforms)) == pytest.approx((10 * factor, 30 * factor), rel=1e-5)


def test_boxes_and_range_keep_in_step():
    """A box of the lowest size stays exactly that, whatever is done to it."""
    transforms = dict(type='Resize', scale=(120, 75)), dict(type='RandomFlip', prob=1.0)
    sample = packed(*transforms, valid_range=(40.0, -1))
    sizes = sample.gt_instances.bboxes.areas.sqrt()
    assert input_range(sample)[0] == pytest.approx(sizes[0].item(), rel=1e-5)


def test_without_a_matrix_the_scale_factor_counts():
    results = ScaleNormalize()(ChipSample()(results_of()))
    del results['homography_matrix']
    results['scale_factor'] = (0.5, 2.0)
    assert input_range(PackChipInputs()(results)['data_samples']) == pytest.approx((20, 60))
    del results['scale_factor']
    assert input_range(PackChipInputs()(results)['data_samples']) == pytest.approx((20, 60))


def test_without_a_range_it_packs_like_pack_det_inputs():
    plain = {
        key: value
        for key, value in results_of().items()
        if key not in ('chip', 'chip_level', 'chip_scale', 'valid_range')
    }
    ours, theirs = (
        pack(dict(plain))['data_samples'] for pack in (PackChipInputs(), PackDetInputs())
    )
    assert ours.metainfo == theirs.metainfo
    assert ours.all_keys() == theirs.all_keys()
    assert not ours.gt_instances.metainfo


def test_default_meta_keys():
    sample = packed()
    expected = {'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'image_shape'}
    expected |= {'chip', 'chip_level', 'chip_scale', 'valid_range'}
    assert set(sample.metainfo_keys()) == expected, 'no more than the chip has'
    assert set(REQUIRED_KEYS) <= set(PackChipInputs().meta_keys)
    assert set(PackDetInputs().meta_keys) <= set(PackChipInputs().meta_keys)
    assert PackChipInputs(meta_keys=('chip',))(results_of())['data_samples'].metainfo_keys() == [
        'chip'
    ]


class Spy(ValidRangeAssigner):
    """Writes down which range each chip of the batch came with."""

    seen: list = []

    def assign(self, pred_instances, gt_instances, gt_instances_ignore=None, **kwargs):
        self.seen.append(gt_instances.metainfo['input_valid_range'])
        result = super().assign(pred_instances, gt_instances, gt_instances_ignore, **kwargs)
        low, high = self.seen[-1]
        boxes = pred_instances.priors[result.gt_inds >= 0]
        sizes = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()
        assert (sizes >= low).all()
        assert high == -1 or (sizes < high).all()
        return result


@pytest.mark.parametrize('name', ['StandardRoIHead', 'CascadeRoIHead'])
def test_the_range_reaches_the_second_stage(tmp_path, name):
    """From the annotation file through data set, preprocessor and RPN to the RoI head."""
    boxes = [[(10, 10, 30, 30), (60, 20, 100, 100)], [(5, 40, 20, 20), (30, 30, 50, 60)]]
    dataset = ChipDataset(
        write_coco(tmp_path, [(150, 200), (128, 96)], boxes),
        [*PIPELINE[:-1], dict(type='RandomFlip', prob=0.5), dict(type='PackChipInputs')],
        **LEVELS,
    )
    model_config = tiny_faster_rcnn()
    if name == 'CascadeRoIHead':
        make_cascade(model_config)
    model = MODELS.build(model_config)
    assert model.roi_head.__class__.__name__ == name
    assigners = model.roi_head.bbox_assigner
    for assigner in assigners if isinstance(assigners, list) else [assigners]:
        assert type(assigner) is ValidRangeAssigner
        assigner.__class__ = Spy
    chips = [dataset[index] for index in range(len(dataset))]
    Spy.seen = []
    batch = model.data_preprocessor(pseudo_collate(chips), training=True)
    losses = model(**batch, mode='loss')
    expected = []
    for chip in chips:
        level = chip['data_samples'].chip_level
        bounds, scale = LEVELS['valid_ranges'][level], LEVELS['levels'][level]
        expected.append(tuple(bound * scale if bound >= 0 else -1 for bound in bounds))
    assert len(set(expected)) == 2, 'chips of both levels'
    stages = 3 if name == 'CascadeRoIHead' else 1
    assert len(Spy.seen) == stages * len(chips)
    for seen, bounds in zip(Spy.seen, expected * stages):
        assert seen == pytest.approx(bounds, rel=0.02), 'chips are cut at whole pixels'
    loss, _ = model.parse_losses(losses)
    assert loss.isfinite()


def tiny_faster_rcnn():
    config = Config.fromfile(config_path('_base_/models/faster-rcnn_r18_fpn_tiny.py')).model
    config.backbone.base_channels = 4
    config.neck.update(in_channels=[4, 8, 16, 32], out_channels=8, norm_cfg=None)
    config.rpn_head.update(in_channels=8, feat_channels=8)
    config.roi_head.bbox_roi_extractor.out_channels = 8
    config.roi_head.bbox_head.update(in_channels=8, fc_out_channels=16, num_classes=2)
    return config


def make_cascade(config):
    head = dict(config.roi_head.bbox_head, reg_class_agnostic=True)
    config.roi_head.update(
        type='CascadeRoIHead', num_stages=3, stage_loss_weights=[1, 0.5, 0.25], bbox_head=[head] * 3
    )
    config.train_cfg.rcnn = [config.train_cfg.rcnn] * 3
    config.test_cfg.rcnn.nms.update(iou_threshold=0.5)
