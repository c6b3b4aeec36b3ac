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

from .left_out import by_overlap, queries_left_out, rows_and_columns
from .maps import cell_grid
from .told import IGNORED_BOXES, Tells, told_boxes


class WeighsQueries(Tells):
    """Mixin for heads that make the targets of one image's queries in one place."""

    def _get_targets_single(
        self, cls_score: Tensor, prediction: Tensor, gt_instances: InstanceData, img_meta: dict
    ) -> tuple:
        targets = super()._get_targets_single(cls_score, prediction, gt_instances, img_meta)
        ignored = img_meta.get(IGNORED_BOXES)
        if ignored is None:
            return targets
        labels, weights, found, found_weights, positive, negative, *others = targets
        left_out = self.predictions_left_out(prediction.detach(), ignored, gt_instances, img_meta)
        left_out[positive] = False
        weights[left_out] = 0
        negative = negative[~left_out[negative]]
        return labels, weights, found, found_weights, positive, negative, *others


class IgnoresQueries(WeighsQueries):
    """Mixin for DETR's head and those that derive from it, proposals of an encoder included."""

    def predictions_left_out(
        self, boxes: Tensor, ignored: Tensor, gt_instances: InstanceData, img_meta: dict
    ) -> Tensor:
        """Which queries are left out by their boxes, shape (n, 4), as shares of the image."""
        height, width = img_meta['img_shape'][:2]
        size = ignored.new_tensor([width, height, width, height])
        return queries_left_out(bbox_cxcywh_to_xyxy(boxes) * size, ignored, gt_instances.bboxes)


class IgnoresDistinctQueries(IgnoresQueries):
    """Mixin for DDQ, whose dense queries are assigned by a loss of their own."""

    def become_aware(self) -> None:
        """Exchange the class of the loss, whose settings stay."""
        self.aux_loss_for_dense.__class__ = IgnoreAwareAuxLoss


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


class IgnoresMaskQueries(WeighsQueries):
    """Mixin for MaskFormer and Mask2Former, whose queries have masks."""

    def become_aware(self) -> None:
        """Exchange the loss."""
        self.loss_cls = WeighedClassLoss(self.loss_cls, self.class_weight)

    def predictions_left_out(
        self, masks: Tensor, ignored: Tensor, gt_instances: InstanceData, img_meta: dict
    ) -> Tensor:
        """Which queries are left out by the logits of their masks, shape (n, h, w)."""
        return masks_left_out(masks, ignored, gt_instances.masks, img_meta['batch_input_shape'])


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
    predicted = (masks > 0).float()
    rows, columns = rows_and_columns(cell_grid(masks, shape), ignored)
    if len(valid):
        valid = F.interpolate(valid[None].float(), masks.shape[-2:], mode='nearest')[0]
    else:
        valid = predicted[:0]
    with torch.autocast(masks.device.type, enabled=False):  # half precision cannot count pixels
        area = predicted.sum((1, 2))[:, None]
        common = (predicted @ columns.T * rows.T).sum(1)
        shares = common / area.clamp(min=1)
        ious = _iou(common, area, rows.sum(1) * columns.sum(1))
        common = predicted.flatten(1) @ valid.flatten(1).T
        return by_overlap(shares, ious, _iou(common, area, valid.sum((1, 2))))


def _iou(common: Tensor, area: Tensor, others: Tensor) -> Tensor:
    """Of the pixels that masks have in common, shape (n, m), and of all of theirs."""
    return common / (area + others - common).clamp(min=1)


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
        """Exchange the samplers, and see to batches without any valid object."""
        self.bbox_sampler = [
            QuerySampler() if type(sampler) is PseudoSampler else sampler
            for sampler in self.bbox_sampler
        ]
        for stage in self.bbox_head:
            stage.loss_cls.register_forward_pre_hook(_count_something, with_kwargs=True)


def _count_something(loss: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Normalise by 1 where there is no positive: MMDetection divides by nearly 0 then."""
    positives = kwargs['avg_factor']
    return args, {**kwargs, 'avg_factor': positives + (positives == 0)}


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
