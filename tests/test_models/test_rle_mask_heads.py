"""Mask heads that give RLE against MMDetection's, whose tensors they must decode to."""

import copy

import numpy as np
import pytest
import torch
from mmdet.models.dense_heads import CondInstMaskHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmsniper.errors import InputError
from mmsniper.merging import RLEMasks
from mmsniper.models import RLECondInstMaskHead, RLEFCNMaskHead

META = dict(img_shape=(90, 150), ori_shape=(123, 201), scale_factor=(150 / 201, 90 / 123))


def random_boxes(count, seed, meta=META):
    """Boxes in pixels of the input: anywhere, along all borders, and of no size."""
    height, width = meta['img_shape']
    rng = np.random.default_rng(seed)
    points = np.sort(rng.random((count, 2, 2)) * [width, height], axis=1)
    boxes = points.reshape(count, 4)
    boxes[0] = [0, 0, width, height]
    boxes[1] = [width - 3.3, height - 2.2, width, height]
    boxes[2] = [width, 5, width, 9]
    boxes[3, 2:] = boxes[3, :2]
    return torch.tensor(boxes, dtype=torch.float32)


def assert_same(masks, dense):
    assert isinstance(masks, RLEMasks)
    assert masks.shape == tuple(dense.shape)
    assert np.array_equal(masks.astype(bool), dense.numpy())


@pytest.mark.parametrize('rescale', [True, False])
@pytest.mark.parametrize('threshold', [0.5, 0.2])
@pytest.mark.parametrize('settings', [{}, dict(class_agnostic=True)])
def test_mask_rcnn_gives_the_same_masks(rescale, threshold, settings):
    settings = dict(settings, num_convs=0, in_channels=2, conv_out_channels=2, num_classes=3)
    generator = torch.Generator().manual_seed(0)
    count = 12
    logits = torch.randn(
        count, 1 if 'class_agnostic' in settings else 3, 14, 14, generator=generator
    )
    results = InstanceData(
        bboxes=random_boxes(count, 1), labels=torch.arange(count) % 3, scores=torch.ones(count)
    )
    config = ConfigDict(mask_thr_binary=threshold)
    outcomes = []
    for head in (RLEFCNMaskHead(**settings), FCNMaskHead(**settings)):
        for activate_map in (False, True):
            outcomes += head.predict_by_feat(
                [logits.sigmoid() if activate_map else logits],
                [copy.deepcopy(results)],
                [META],
                config,
                rescale=rescale,
                activate_map=activate_map,
            )
    for ours, theirs in zip(outcomes[:2], outcomes[2:]):
        assert theirs.masks.any()
        assert_same(ours.masks, theirs.masks)
        assert torch.equal(ours.bboxes, theirs.bboxes)


def test_masks_of_boxes_outside_of_the_image_are_empty():
    head = RLEFCNMaskHead(num_convs=0, in_channels=2, conv_out_channels=2, num_classes=1)
    masks = head._predict_by_feat_single(
        torch.full((2, 1, 4, 4), 9.0),
        torch.tensor([[300.0, 10, 320, 20], [10, -40, 20, -20]]),
        torch.zeros(2, dtype=torch.long),
        META,
        ConfigDict(mask_thr_binary=0.5),
        rescale=True,
    )
    assert masks.shape == (2, 123, 201)
    assert not masks.astype(bool).any()


def test_probabilities_for_debugging_are_refused():
    head = RLEFCNMaskHead(num_convs=0, in_channels=2, conv_out_channels=2, num_classes=1)
    with pytest.raises(InputError, match='set mask_thr_binary'):
        head._predict_by_feat_single(
            torch.zeros(1, 1, 4, 4),
            torch.tensor([[10.0, 10, 20, 20]]),
            torch.zeros(1, dtype=torch.long),
            META,
            ConfigDict(mask_thr_binary=-1),
            rescale=True,
        )


def condinst_head(kind):
    return MODELS.build(
        dict(
            type=kind,
            mask_feature_head=dict(
                in_channels=2, feat_channels=2, start_level=0, end_level=0, out_channels=2,
                mask_stride=8, num_stacked_convs=1,
            ),
            test_cfg=ConfigDict(mask_thr=0.5),
            loss_mask=dict(type='DiceLoss', use_sigmoid=True, activate=True, eps=5e-6),
        )
    )  # fmt: skip


@pytest.mark.parametrize('rescale', [True, False])
def test_condinst_gives_the_same_masks(rescale):
    count = 6
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, 24, 40, generator=generator)  # of an input padded to 96x160
    results = InstanceData(
        bboxes=random_boxes(count, 2), labels=torch.arange(count), scores=torch.ones(count)
    )
    ours, theirs = (
        condinst_head(kind).predict_by_feat(
            [logits], [copy.deepcopy(results)], [META], rescale=rescale
        )[0]
        for kind in (RLECondInstMaskHead, CondInstMaskHead)
    )
    assert theirs.masks.any()
    assert_same(ours.masks, theirs.masks)
    assert torch.equal(ours.bboxes, theirs.bboxes)


@pytest.mark.parametrize('kind', [RLECondInstMaskHead, RLEFCNMaskHead])
def test_no_instance(kind):
    results = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0), scores=torch.zeros(0))
    if kind is RLECondInstMaskHead:
        head, arguments = condinst_head(kind), ([torch.zeros(0, 24, 40)], [results], [META])
    else:
        head = kind(num_convs=0, in_channels=2, conv_out_channels=2, num_classes=1)
        arguments = ([torch.zeros(0, 1, 4, 4)], [results], [META], ConfigDict(mask_thr_binary=0.5))
    (result,) = head.predict_by_feat(*arguments, rescale=True)
    assert len(result.masks) == 0 and tuple(result.masks.shape[1:]) == META['ori_shape']
