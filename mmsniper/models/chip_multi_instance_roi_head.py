"""CrowdDet's second stage for chips, which may show one object or none."""

from __future__ import annotations

import torch
from mmdet.models import MultiInstanceRoIHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

OUTSIDE = (-2.0, -2.0, -1.0, -1.0)
IGNORED = -1  # what MultiInstanceAssigner takes for the class of what is to be ignored


@MODELS.register_module()
class ChipMultiInstanceRoIHead(MultiInstanceRoIHead):
    """``MultiInstanceRoIHead`` that trains on images with fewer objects than a proposal may have.

    Its assigner gives each proposal to ``num_instance`` boxes, and fails where an image has fewer.
    Such an image gets ignored boxes outside of it, which no proposal overlaps. Ignored boxes get
    the class that the assigner knows them by: proposals on them are never sampled. Its loss for
    boxes fails where a batch has no object at all. Its parameters are those of
    ``MultiInstanceRoIHead``.
    """

    def init_bbox_head(self, bbox_roi_extractor: dict, bbox_head: dict) -> None:
        """As of ``MultiInstanceRoIHead``."""
        super().init_bbox_head(bbox_roi_extractor, bbox_head)
        self.bbox_head.loss_bbox = LossPerNumber(self.bbox_head.loss_bbox)

    def loss(
        self,
        x: tuple[Tensor],
        rpn_results_list: list[InstanceData],
        batch_data_samples: list[DetDataSample],
    ) -> dict:
        """As of ``MultiInstanceRoIHead``; the samples stay as they are."""
        samples = [self._filled(sample) for sample in batch_data_samples]
        return super().loss(x, rpn_results_list, samples)

    def _filled(self, sample: DetDataSample) -> DetDataSample:
        given = sample.get('ignored_instances')
        boxes, labels = sample.gt_instances.bboxes, sample.gt_instances.labels
        known = boxes[:0] if given is None or len(given) == 0 else given.bboxes
        missing = max(self.num_instance - len(boxes) - len(known), 0)
        if not len(known) and not missing:
            return sample
        ignored = torch.cat([known, boxes.new_tensor(OUTSIDE).expand(missing, 4)])
        filled = DetDataSample(metainfo=sample.metainfo)
        filled.gt_instances = sample.gt_instances
        filled.ignored_instances = InstanceData(
            bboxes=ignored, labels=labels.new_full((len(ignored),), IGNORED)
        )
        return filled


class LossPerNumber(nn.Module):
    """A loss without reduction, which MMDetection reduces nevertheless if there are no targets.

    Args:
        loss (nn.Module): It.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of each number, in the shape of the targets, (n, 4)."""
        return self.loss(prediction, target) if len(target) else prediction
