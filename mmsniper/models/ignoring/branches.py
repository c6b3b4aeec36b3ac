"""Heads with a branch of their own that learns every place, besides what assigners decide."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor, nn

from .left_out import grids_left_out, points_left_out
from .maps import cell_grid, nothing_in
from .told import Tells, boxes_of, told_boxes

LEFT_OUT = -1.0


class IgnoresObjectness:
    """Mixin for YOLOX, whose objectness is learnt from every point that is not positive."""

    def become_aware(self) -> None:
        """Exchange the loss."""
        self.loss_obj = LossOfLearnt(self.loss_obj)

    def _get_targets_single(
        self,
        priors: Tensor,
        cls_preds: Tensor,
        decoded_bboxes: Tensor,
        objectness: Tensor,
        gt_instances: InstanceData,
        img_meta: dict,
        gt_instances_ignore: InstanceData | None = None,
    ) -> tuple:
        targets = super()._get_targets_single(
            priors,
            cls_preds,
            decoded_bboxes,
            objectness,
            gt_instances,
            img_meta,
            gt_instances_ignore,
        )
        ignored = boxes_of(gt_instances_ignore)
        if ignored is not None:
            positive, _, objectness_target = targets[:3]
            centres = priors[:, :2] + priors[:, 2:] / 2
            valid = get_box_tensor(gt_instances.bboxes)
            left_out = points_left_out(centres, ignored, valid) & ~positive
            objectness_target[left_out] = LEFT_OUT
        return targets


class LossOfLearnt(nn.Module):
    """A loss of logits, those with a negative target left out.

    Args:
        loss (nn.Module): It, summed up, with targets in [0, 1].
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of predictions and targets of the same shape."""
        prediction = prediction.masked_fill(target < 0, nothing_in(prediction.dtype))
        return self.loss(prediction, target.clamp(min=0))


class IgnoresLocationBranch(Tells):
    """Mixin for guided anchors, whose location branch learns where centres of objects are."""

    def ga_loc_targets(
        self, batch_gt_instances: Sequence[InstanceData], featmap_sizes: Sequence
    ) -> tuple:
        """As of the head; locations left out have no weight and are not counted."""
        targets, weights, avg_factor = super().ga_loc_targets(batch_gt_instances, featmap_sizes)
        ignored = [told_boxes(instances) for instances in batch_gt_instances]
        if all(boxes is None for boxes in ignored):
            return targets, weights, avg_factor
        grids = [
            cell_grid(level, (level.size(-2) * stride[1], level.size(-1) * stride[0]))
            for level, stride in zip(targets, self.approx_anchor_generator.strides)
        ]
        valid = [get_box_tensor(instances.bboxes) for instances in batch_gt_instances]
        number = 0
        for level, level_weights, where in zip(
            targets, weights, grids_left_out(grids, ignored, valid)
        ):
            where = where[:, None] & (level == 0)
            level_weights[where] = 0
            number = number + where.sum()
        return targets, weights, avg_factor - number.item() / LOCATIONS_PER_COUNT


LOCATIONS_PER_COUNT = 200  # as of GuidedAnchorHead.ga_loc_targets


class IgnoresSegmentation:
    """Mixin for YOLACT's masks, whose segmentation branch learns every pixel."""

    def loss_by_feat(
        self,
        mask_preds: Sequence[Tensor],
        segm_preds: Tensor | None,
        batch_gt_instances: Sequence[InstanceData],
        batch_img_metas: Sequence[dict],
        positive_infos: Sequence[InstanceData],
        batch_gt_instances_ignore: Sequence[InstanceData | None] | None = None,
        **kwargs,
    ) -> dict:
        """As of the head; pixels left out have no loss and are not counted."""
        ignored = [boxes_of(part) for part in batch_gt_instances_ignore or ()]
        left_out = None
        if segm_preds is not None and any(boxes is not None for boxes in ignored):
            grid = cell_grid(segm_preds, batch_img_metas[0]['batch_input_shape'])
            valid = [get_box_tensor(part.bboxes) for part in batch_gt_instances]
            (left_out,) = grids_left_out([grid], ignored, valid, valid_cells=0.5)
            nothing = nothing_in(segm_preds.dtype)
            segm_preds = segm_preds.masked_fill(left_out[:, None], nothing)
        losses = super().loss_by_feat(
            mask_preds, segm_preds, batch_gt_instances, batch_img_metas, positive_infos, **kwargs
        )
        if left_out is not None and 'loss_segm' in losses:
            counted = left_out.numel() / max((~left_out).sum().item(), 1)
            losses['loss_segm'] = [loss * counted for loss in losses['loss_segm']]
        return losses


class IgnoresGlobalContext(Tells):
    """Mixin for SCNet, whose global context learns which classes an image has at all.

    Of an image with ignored objects only the classes of its valid ones are known: it could have any
    of the others.
    """

    def global_context_loss(
        self, x: tuple[Tensor], batch_gt_instances: Sequence[InstanceData]
    ) -> dict:
        """As of the head; classes that an ignored object could have are left out."""
        unsure = [told_boxes(instances) is not None for instances in batch_gt_instances]
        if not any(unsure):
            return super().global_context_loss(x, batch_gt_instances)
        scores, features = self.glbctx_head(x)
        left_out = torch.zeros_like(scores, dtype=torch.bool)
        for index, instances in enumerate(batch_gt_instances):
            left_out[index] = unsure[index]
            left_out[index, instances.labels] = False
        labels = [instances.labels for instances in batch_gt_instances]
        scores = scores.masked_fill(left_out, nothing_in(scores.dtype))
        loss = self.glbctx_head.loss(scores, labels)
        loss = loss * (left_out.numel() / max((~left_out).sum().item(), 1))
        return dict(loss_glbctx=loss, glbctx_feat=features)
