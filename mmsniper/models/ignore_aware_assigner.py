"""An assigner that leaves out what overlaps an ignored instance."""

from __future__ import annotations

import inspect

from mmdet.models.task_modules.assigners import AssignResult, BaseAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

from mmsniper.errors import InputError


@TASK_UTILS.register_module()
class IgnoreAwareAssigner(BaseAssigner):
    """Wrap any assigner so that priors on ignored instances are neither positive nor negative.

    A chip shows objects that are too large, too small or too much cut for it. Priors whose IoU with
    one of them is above a threshold are taken out of the loss, whatever the wrapped assigner made
    of them (arXiv:1711.08189, section 5; the threshold is the paper's). This holds as well on chips
    without any valid object, where assigners of MMDetection make every prior background.

    Priors have to be boxes (anchors or proposals), shape (n, 4), xyxy.

    Args:
        assigner (dict): Config of the assigner to wrap, such as ``MaxIoUAssigner``.
        ignore_iou_thr (float): IoU above which a prior is left out. Defaults to 0.3.
        iou_calculator (dict): How to measure the overlap. Defaults to ``BboxOverlaps2D``.

    Raises:
        InputError: The threshold is not within [0, 1].
    """

    def __init__(
        self,
        assigner: dict,
        ignore_iou_thr: float = 0.3,
        iou_calculator: dict = dict(type='BboxOverlaps2D'),  # noqa: B006
    ) -> None:
        if not 0 <= ignore_iou_thr <= 1:
            raise InputError(f'ignore_iou_thr must lie between 0 and 1, but is {ignore_iou_thr}')
        self.assigner = TASK_UTILS.build(assigner)
        self.ignore_iou_thr = ignore_iou_thr
        self.iou_calculator = TASK_UTILS.build(iou_calculator)
        # Assigners differ in what they take between the priors and the ground truth.
        self._signature = inspect.signature(self.assigner.assign)

    def assign(self, pred_instances: InstanceData, *args, **kwargs) -> AssignResult:
        """Assign as the wrapped assigner does, then leave out priors on ignored instances.

        Args:
            pred_instances (InstanceData): With ``priors``, shape (n, 4), xyxy in pixels of the chip
                as the detector gets it.
            *args: Further arguments of the wrapped assigner, among them ``gt_instances_ignore``.
            **kwargs: Likewise.

        Returns:
            AssignResult: With ``gt_inds`` and ``labels`` -1 for the priors left out.
        """
        result = self.assigner.assign(pred_instances, *args, **kwargs)
        arguments = self._signature.bind(pred_instances, *args, **kwargs).arguments
        ignored = arguments.get('gt_instances_ignore')
        priors = pred_instances.priors
        if ignored is None or len(ignored) == 0 or len(priors) == 0:
            return result
        overlaps = self.iou_calculator(ignored.bboxes, priors)
        left_out = overlaps.max(dim=0).values > self.ignore_iou_thr
        result.gt_inds[left_out] = -1
        if result.labels is not None:
            result.labels[left_out] = -1
        return result

    def __getattr__(self, name: str):
        """Attributes that heads read off their assigner are those of the wrapped one."""
        if name == 'assigner':
            raise AttributeError(name)
        return getattr(self.assigner, name)
