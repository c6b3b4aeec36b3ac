"""YOLACT's boxes for chips, which may show no object."""

from __future__ import annotations

import torch
from mmdet.models import YOLACTHead
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class ChipYOLACTHead(YOLACTHead):
    """``YOLACTHead`` that is not thrown off course by an image without an object.

    It learns from the hardest background, three anchors for each that is positive; in an image
    without positives MMDetection takes all of its background instead, the loss of ten thousand
    anchors and more undivided. Here it is the three hardest, as beside one positive. Its parameters
    are those of ``YOLACTHead``.
    """

    def OHEMloss_by_feat_single(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchors: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        *args,
        **kwargs,
    ) -> tuple[Tensor, Tensor]:
        """As of ``YOLACTHead``."""
        if not ((labels >= 0) & (labels < self.num_classes)).any():
            with torch.no_grad():
                losses = self.loss_cls(cls_score, labels, label_weights)
            hardest = losses.topk(min(self.train_cfg['neg_pos_ratio'], len(losses))).indices
            weights = torch.zeros_like(label_weights)
            weights[hardest] = label_weights[hardest]
            label_weights = weights
        return super().OHEMloss_by_feat_single(
            cls_score, bbox_pred, anchors, labels, label_weights, *args, **kwargs
        )
