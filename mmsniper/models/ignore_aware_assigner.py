"""An assigner that leaves out what overlaps an ignored instance."""

from __future__ import annotations

from mmdet.models.task_modules.assigners import AssignResult
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

from mmsniper.errors import InputError

from .assigner_wrapper import AssignerWrapper, leave_out


@TASK_UTILS.register_module()
class IgnoreAwareAssigner(AssignerWrapper):
    """Wrap any assigner so that priors on ignored instances are neither positive nor negative.

    A chip shows objects that are too large, too small or too much cut for it. Priors whose IoU with
    one of them is above a threshold are taken out of the loss, whatever the wrapped assigner made
    of them (arXiv:1711.08189, section 5; the threshold is the paper's). This holds as well on chips
    without any valid object, where assigners of MMDetection make every prior background.

    This is for anchors, of an RPN or of a one-stage detector; the second stage has
    :class:`ValidRangeAssigner`. Priors have to be boxes, shape (n, 4), xyxy.

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
        super().__init__(assigner, iou_calculator)
        self.ignore_iou_thr = ignore_iou_thr

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
        ignored = self.bind(pred_instances, *args, **kwargs).arguments.get('gt_instances_ignore')
        priors = pred_instances.priors
        if ignored is None or len(ignored) == 0 or len(priors) == 0:
            return result
        overlaps = self.iou_calculator(ignored.bboxes, priors)
        leave_out(result, overlaps.max(dim=0).values > self.ignore_iou_thr)
        return result
