"""Tests of SSD's head, which MMDetection trains but does not test by itself."""

import torch
from mmdet.models.dense_heads import SSDHead
from mmengine.config import ConfigDict

import mmsniper  # noqa: F401


def test_predicts():
    head = SSDHead(
        num_classes=3,
        in_channels=(8,),
        anchor_generator=dict(
            type='SSDAnchorGenerator',
            scale_major=False,
            input_size=64,
            basesize_ratio_range=(0.2, 0.9),
            strides=[16],
            ratios=[[2]],
            min_sizes=[16],
            max_sizes=[32],
        ),
        test_cfg=ConfigDict(
            nms=dict(type='nms', iou_threshold=0.5), score_thr=0.0, max_per_img=5, nms_pre=50
        ),
    )
    scores, boxes = head((torch.randn(1, 8, 4, 4),))
    meta = dict(img_shape=(64, 64), scale_factor=(1.0, 1.0))
    found = head.predict_by_feat(scores, boxes, batch_img_metas=[meta], rescale=False)
    assert len(found[0]) == 5
    assert found[0].labels.max() < 3
