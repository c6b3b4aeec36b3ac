"""PointRend's second stage for chips, which may show no object."""

from __future__ import annotations

from mmdet.models import PointRendRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.utils import InstanceList
from torch import Tensor


@MODELS.register_module()
class ChipPointRendRoIHead(PointRendRoIHead):
    """``PointRendRoIHead`` that trains on batches without an object.

    MMDetection looks for points to refine in the masks of the positives, and fails where there is
    none. Then there is nothing to refine, and the loss of points is 0. Its parameters are those of
    ``PointRendRoIHead``.
    """

    def _mask_point_loss(
        self,
        x: tuple[Tensor],
        sampling_results: list[SamplingResult],
        mask_preds: Tensor,
        batch_gt_instances: InstanceList,
    ) -> dict:
        if len(mask_preds):
            return super()._mask_point_loss(x, sampling_results, mask_preds, batch_gt_instances)
        # Of all weights, so that several processes find a gradient for each.
        weights = self.point_head.parameters()
        return dict(loss_point=sum(weight.sum() for weight in weights) * 0)
