"""CrowdDet's second stage on images with fewer than two objects."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from roi_heads import FEATURES, SIZE, chip_sample

from mmsniper.models.chip_multi_instance_roi_head import IGNORED

PROPOSALS = [[0, 0, 10, 10], [50, 0, 60, 9], [30, 30, 60, 60], [5, 40, 20, 60]]


def crowd_head(kind):
    torch.manual_seed(0)
    head = dict(
        type=kind,
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=3, sampling_ratio=2),
            out_channels=FEATURES,
            featmap_strides=[8],
        ),
        bbox_head=dict(
            type='MultiInstanceBBoxHead',
            in_channels=FEATURES,
            fc_out_channels=16,
            roi_feat_size=3,
            num_classes=1,
            num_shared_fcs=2,
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='CrossEntropyLoss', reduction='none'),
            loss_bbox=dict(type='SmoothL1Loss', reduction='none'),
        ),
        train_cfg=ConfigDict(
            assigner=dict(
                type='MultiInstanceAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.3
            ),
            sampler=dict(
                type='MultiInsRandomSampler',
                num=100,
                pos_fraction=0.5,
                add_gt_as_proposals=False,
            ),
            pos_weight=-1,
        ),
        test_cfg=None,
    )
    return MODELS.build(head)


def loss(head, *samples):
    torch.manual_seed(0)
    proposals = [InstanceData(bboxes=torch.tensor(PROPOSALS).float()) for _ in samples]
    features = torch.rand(len(samples), FEATURES, SIZE // 8, SIZE // 8)
    return head.loss([features], proposals, list(samples))['loss_rcnn_emd']


ONE = dict(valid=[[30, 30, 58, 60]])


def test_mmdet_cannot_train_on_one_object():
    with pytest.raises(RuntimeError, match='shape'):
        loss(crowd_head('MultiInstanceRoIHead'), chip_sample([[30, 30, 58, 61]]))


@pytest.mark.parametrize(
    'samples', [[ONE], [{}], [{}, {}], [ONE, {}], [dict(ignored=[[1, 1, 5, 5]])]]
)
def test_few_objects(samples):
    head = crowd_head('ChipMultiInstanceRoIHead')
    samples = [chip_sample(**sample) for sample in samples]
    counts = [len(sample.ignored_instances) for sample in samples]
    value = loss(head, *samples)
    value.backward()
    assert torch.isfinite(value) and value > 0
    assert any((part.grad != 0).any() for part in head.parameters() if part.grad is not None)
    assert [len(sample.ignored_instances) for sample in samples] == counts, 'samples stay'


def test_with_two_objects_it_is_the_same():
    kinds = ('MultiInstanceRoIHead', 'ChipMultiInstanceRoIHead')
    heads = [crowd_head(kind) for kind in kinds]
    assert heads[0].state_dict().keys() == heads[1].state_dict().keys()
    sample = [[30, 30, 58, 60], [32, 30, 60, 60]]
    assert loss(heads[0], chip_sample(sample)) == loss(heads[1], chip_sample(sample))


def test_fillers_are_not_learnt():
    """A box that nothing overlaps and that is ignored: the loss is that of the object alone."""
    head = crowd_head('ChipMultiInstanceRoIHead')
    sample = chip_sample(**ONE)
    far = chip_sample(ONE['valid'], ignored=[[-20, -20, -15, -15]])
    far.ignored_instances.labels[:] = IGNORED
    assert loss(head, sample) == loss(head, far)


def test_proposals_on_ignored_objects_are_not_learnt():
    """Whatever their class is, as if they were not proposed at all."""
    head = crowd_head('ChipMultiInstanceRoIHead')
    two = [[30, 30, 58, 60], [32, 30, 60, 60]]
    whole = [[-1, -1, 29, 29], [4, 38, 22, 62], [48, -2, 62, 11]]  # around all other proposals
    seen = []

    head.bbox_roi_extractor.register_forward_pre_hook(lambda _, args: seen.append(args[1][:, 1:]))
    values = []
    for label in (0, 5):
        sample = chip_sample(two, ignored=whole)
        sample.ignored_instances.labels[:] = label
        values.append(loss(head, sample))
        assert sample.ignored_instances.labels.tolist() == [label] * 3, 'samples stay'
    assert values[0] == values[1]
    proposed = {tuple(box) for box in torch.tensor(PROPOSALS).float().tolist()}
    sampled = {tuple(box) for box in seen[0].tolist()} & proposed
    assert sampled == {(30.0, 30.0, 60.0, 60.0)}
