"""Ground truth, proposals and small RoI heads for the tests of assigners."""

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

FEATURES, SIZE = 8, 64

MAX_IOU = dict(
    type='MaxIoUAssigner',
    pos_iou_thr=0.5,
    neg_iou_thr=0.5,
    min_pos_iou=0.5,
    match_low_quality=False,
    ignore_iof_thr=-1,
)


def instances(boxes, labels=None, **metainfo):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor([0] * len(boxes) if labels is None else labels, dtype=torch.long)
    return InstanceData(bboxes=boxes, labels=labels, metainfo=metainfo)


def priors(boxes):
    return InstanceData(priors=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))


def iou(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def chip_sample(valid=(), ignored=(), **metainfo):
    """A chip of 64x64 pixels with these boxes; ``metainfo`` is that of the ground truth."""
    sample = DetDataSample(
        metainfo=dict(img_shape=(SIZE, SIZE), pad_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0))
    )
    sample.gt_instances = instances(valid, **metainfo)
    sample.ignored_instances = instances(ignored, **metainfo)
    return sample


def roi_head(assigner_config, stages=1):
    """A StandardRoIHead, or a CascadeRoIHead if it has several stages, without chance."""
    extractor = dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=3, sampling_ratio=2),
        out_channels=FEATURES,
        featmap_strides=[8],
    )
    head = dict(
        type='Shared2FCBBoxHead',
        in_channels=FEATURES,
        fc_out_channels=16,
        roi_feat_size=3,
        num_classes=2,
        reg_class_agnostic=stages > 1,
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='CrossEntropyLoss'),
        loss_bbox=dict(type='L1Loss'),
    )
    train_cfg = ConfigDict(
        assigner=assigner_config,
        # Enough places for every proposal, so that chance plays no part.
        sampler=dict(type='RandomSampler', num=100, pos_fraction=0.25, add_gt_as_proposals=True),
        pos_weight=-1,
        debug=False,
    )
    if stages == 1:
        parts = dict(type='StandardRoIHead', bbox_roi_extractor=extractor, bbox_head=head)
    else:
        parts = dict(
            type='CascadeRoIHead',
            num_stages=stages,
            stage_loss_weights=[1.0] * stages,
            bbox_roi_extractor=extractor,
            bbox_head=[head] * stages,
        )
        train_cfg = [train_cfg] * stages
    return MODELS.build(dict(**parts, train_cfg=train_cfg, test_cfg=None))


def feature_gradient(head, boxes, sample):
    """The gradient of the head's loss on its features, shape (1, 8, 8, 8).

    Args:
        head: From :func:`roi_head`.
        boxes: The proposals, xyxy in pixels of the chip.
        sample: From :func:`chip_sample`.
    """
    torch.manual_seed(0)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    features = torch.rand(1, FEATURES, SIZE // 8, SIZE // 8, requires_grad=True)
    proposals = InstanceData(bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    losses = head.loss([features], [proposals], [sample])
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    # Without any sampled proposal nothing depends on the features.
    return torch.zeros_like(features) if features.grad is None else features.grad
