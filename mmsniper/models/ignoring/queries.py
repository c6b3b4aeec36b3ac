"""Heads that learn from every query, of DETR and its like.

A query whose predicted box, or mask, is on an ignored object gets no weight as background, and is
not counted as any. One that a valid object is matched to stays what it is. Denoising queries are
made of valid objects and are learnt as ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.models.losses.ddq_detr_aux_loss import DDQAuxLoss
from mmdet.models.task_modules.samplers import PseudoSampler, SamplingResult
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor, nn

from .left_out import by_overlap, inside_any, queries_left_out
from .maps import cell_centres
from .told import IGNORED_BOXES, Tells, told_boxes


class IgnoresQueries(Tells):
    """Mixin for DETR's head and those that derive from it, proposals of an encoder included."""

    def _get_targets_single(
        self, cls_score: Tensor, bbox_pred: Tensor, gt_instances: InstanceData, img_meta: dict
    ) -> tuple:
        targets = super()._get_targets_single(cls_score, bbox_pred, gt_instances, img_meta)
        ignored = img_meta.get(IGNORED_BOXES)
        if ignored is None:
            return targets
        labels, weights, box_targets, box_weights, positive, negative = targets
        height, width = img_meta['img_shape'][:2]
        size = ignored.new_tensor([width, height, width, height])
        boxes = bbox_cxcywh_to_xyxy(bbox_pred.detach()) * size
        left_out = queries_left_out(boxes, ignored, gt_instances.bboxes)
        left_out[positive] = False
        weights[left_out] = 0
        negative = negative[~left_out[negative]]
        return labels, weights, box_targets, box_weights, positive, negative


class IgnoresDistinctQueries(IgnoresQueries):
    """Mixin for DDQ, whose dense queries are assigned by a loss of their own."""

    def become_aware(self) -> None:
        """Exchange the loss."""
        settings = self.aux_loss_for_dense.train_cfg
        self.aux_loss_for_dense = IgnoreAwareAuxLoss(train_cfg=settings)


class IgnoreAwareAuxLoss(DDQAuxLoss):
    """DDQ's loss of dense queries, those on ignored objects left out of it."""

    def _get_target_single(
        self,
        cls_scores: Tensor,
        bbox_preds: Tensor,
        gt_bboxes: Tensor,
        gt_labels: Tensor,
        img_meta: dict,
        **kwargs,
    ) -> tuple:
        targets = super()._get_target_single(
            cls_scores, bbox_preds, gt_bboxes, gt_labels, img_meta, **kwargs
        )
        ignored = img_meta.get(IGNORED_BOXES)
        if ignored is not None:
            labels, weights = targets[:2]
            left_out = queries_left_out(bbox_preds.detach(), ignored, gt_bboxes)
            weights[left_out & (labels == cls_scores.size(-1))] = 0
        return targets


class IgnoresMaskQueries(Tells):
    """Mixin for MaskFormer and Mask2Former, whose queries have masks."""

    def become_aware(self) -> None:
        """Exchange the loss."""
        self.loss_cls = WeighedClassLoss(self.loss_cls, self.class_weight)

    def _get_targets_single(
        self, cls_score: Tensor, mask_pred: Tensor, gt_instances: InstanceData, img_meta: dict
    ) -> tuple:
        targets = super()._get_targets_single(cls_score, mask_pred, gt_instances, img_meta)
        ignored = img_meta.get(IGNORED_BOXES)
        if ignored is None:
            return targets
        weights, positive = targets[1], targets[4]
        shape = img_meta['batch_input_shape']
        left_out = masks_left_out(mask_pred.detach(), ignored, gt_instances.masks, shape)
        left_out[positive] = False
        weights[left_out] = 0
        return targets


def masks_left_out(masks: Tensor, ignored: Tensor, valid: Tensor, shape: tuple[int, int]) -> Tensor:
    """Queries most of whose predicted mask is on an ignored box that it overlaps more than others.

    Args:
        masks (Tensor): Logits, shape (n, h, w).
        ignored (Tensor): Ignored boxes, xyxy in pixels of the input, shape (m, 4).
        valid (Tensor): Masks of valid objects, in pixels of the input, shape (k, height, width).
        shape (tuple[int, int]): Height and width of the input.

    Returns:
        Tensor: Shape (n,), bool.
    """
    predicted = (masks > 0).flatten(1).float()
    centres, _ = cell_centres(masks, shape)
    regions = torch.stack([inside_any(centres, box[None]) for box in ignored]).float()
    if len(valid):
        valid = F.interpolate(valid[None].float(), masks.shape[-2:], mode='nearest')[0]
    with torch.autocast(masks.device.type, enabled=False):  # half precision cannot count pixels
        area = predicted.sum(1)[:, None]
        common = predicted @ regions.T
        shares = common / area.clamp(min=1)
        ious = common / (area + regions.sum(1) - common).clamp(min=1)
        if len(valid) == 0:
            return by_overlap(shares, ious, ious[:, :0])
        valid = valid.flatten(1)
        common = predicted @ valid.T
        return by_overlap(shares, ious, common / (area + valid.sum(1) - common).clamp(min=1))


class WeighedClassLoss(nn.Module):
    """A classification loss that is normalised by the queries that have a weight.

    MaskFormer's normalises by all of them.

    Args:
        loss (nn.Module): It.
        class_weight (Sequence[float]): The weight of each class, that of the background last.
    """

    def __init__(self, loss: nn.Module, class_weight: Sequence[float]) -> None:
        super().__init__()
        self.loss = loss
        self.class_weight = class_weight

    def forward(self, scores: Tensor, labels: Tensor, weights: Tensor, avg_factor: Tensor):
        """The loss.

        Args:
            scores (Tensor): Shape (n, classes + 1).
            labels (Tensor): Shape (n,).
            weights (Tensor): 1 or 0 for each query, shape (n,).
            avg_factor (Tensor): What it would be normalised by.
        """
        if not weights.all():
            counted = scores.new_tensor(self.class_weight)[labels] * weights
            # Where nothing counts there is no loss to normalise.
            avg_factor = counted.sum().clamp(min=torch.finfo(scores.dtype).tiny)
        return self.loss(scores, labels, weights, avg_factor=avg_factor)


class IgnoresRoIQueries(Tells):
    """Mixin for the second stage of Sparse R-CNN and QueryInst."""

    def become_aware(self) -> None:
        """Exchange the samplers."""
        self.bbox_sampler = [
            QuerySampler() if type(sampler) is PseudoSampler else sampler
            for sampler in self.bbox_sampler
        ]


class QuerySampler(PseudoSampler):
    """Takes all queries but those on ignored objects, which keep their place."""

    def sample(self, assign_result, pred_instances, gt_instances, *args, **kwargs):
        """As of ``PseudoSampler``; ``neg_priors`` has those left out, ``neg_inds`` has not."""
        result: SamplingResult = super().sample(
            assign_result, pred_instances, gt_instances, *args, **kwargs
        )
        ignored = told_boxes(gt_instances)
        if ignored is not None:
            left_out = queries_left_out(pred_instances.priors, ignored, gt_instances.bboxes)
            result.neg_inds = result.neg_inds[~left_out[result.neg_inds]]
        return result
