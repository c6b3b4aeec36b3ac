"""An assigner that leaves out what overlaps an ignored instance."""

from __future__ import annotations

from mmdet.models.task_modules.assigners import (
    AssignResult,
    DynamicSoftLabelAssigner,
    PointAssigner,
    SimOTAAssigner,
)
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from mmsniper.errors import InputError

from .assigner_wrapper import AssignerWrapper, leave_out
from .ignoring.left_out import inside_any
from .ignoring.told import boxes_of, told_boxes

PRIOR_TYPES = ('auto', 'box', 'point', 'centre')
# They read priors as points, though there are four numbers to each: x, y and the strides.
POINT_ASSIGNERS = (DynamicSoftLabelAssigner, PointAssigner, SimOTAAssigner)


@TASK_UTILS.register_module()
class IgnoreAwareAssigner(AssignerWrapper):
    """Wrap any assigner so that priors on ignored instances are neither positive nor negative.

    A chip shows objects that are too large, too small or too much cut for it. Priors whose IoU with
    one of them is above a threshold are taken out of the loss, whatever the wrapped assigner made
    of them (arXiv:1711.08189, section 5; the threshold is the paper's). This holds as well on chips
    without any valid object, where assigners of MMDetection make every prior background.

    Points have no IoU. They are left out inside an ignored instance's box, unless the wrapped
    assigner gave them to a valid object, which then is seen in front of the ignored one. So are
    boxes that stand for their centres.

    Where a head does not hand ignored instances on to its assigner, ``IgnoreAwareHead`` tells the
    ground truth of them, and they are found there.

    This is for anchors or points, of an RPN or of a one-stage detector; the second stage has
    :class:`ValidRangeAssigner`.

    Args:
        assigner (dict): Config of the assigner to wrap, such as ``MaxIoUAssigner``.
        ignore_iou_thr (float): IoU above which a prior is left out. Defaults to 0.3.
        iou_calculator (dict): How to measure the overlap. Defaults to ``BboxOverlaps2D``.
        prior_type (str): What priors are: ``'box'``, shape (n, 4), xyxy; ``'point'``, shape (n, 2)
            or more, x, y and whatever follows, such as strides; ``'centre'``, boxes that count as
            points, as those of FSAF, which are as small as a cell whatever they are for; or
            ``'auto'``, points if they are not four numbers or if the wrapped assigner is one of
            MMDetection's for points. Defaults to 'auto'.

    Raises:
        InputError: The threshold is not within [0, 1], or the type of priors is unknown.
    """

    def __init__(
        self,
        assigner: dict,
        ignore_iou_thr: float = 0.3,
        iou_calculator: dict = dict(type='BboxOverlaps2D'),  # noqa: B006
        prior_type: str = 'auto',
    ) -> None:
        if not 0 <= ignore_iou_thr <= 1:
            raise InputError(f'ignore_iou_thr must lie between 0 and 1, but is {ignore_iou_thr}')
        if prior_type not in PRIOR_TYPES:
            raise InputError(
                f'prior_type must be one of {", ".join(PRIOR_TYPES)}, but is {prior_type!r}'
            )
        super().__init__(assigner, iou_calculator)
        self.ignore_iou_thr = ignore_iou_thr
        self.prior_type = prior_type

    def assign(self, pred_instances: InstanceData, *args, **kwargs) -> AssignResult:
        """Assign as the wrapped assigner does, then leave out priors on ignored instances.

        Args:
            pred_instances (InstanceData): With ``priors``, boxes of shape (n, 4), xyxy, or points
                of shape (n, 2 or more), in pixels of the chip as the detector gets it.
            *args: Further arguments of the wrapped assigner, among them ``gt_instances_ignore``.
            **kwargs: Likewise.

        Returns:
            AssignResult: With ``gt_inds`` and ``labels`` -1 for the priors left out.
        """
        bound = self.bind(pred_instances, *args, **kwargs)
        ignored = boxes_of(bound.arguments.get('gt_instances_ignore'))
        if ignored is None:
            ignored = told_boxes(bound.arguments['gt_instances'])
        elif self.prior_type == 'centre':
            # FSAF's assigner would leave out positives of a valid object in front of it as well.
            bound.arguments['gt_instances_ignore'] = None
        result = self.assigner.assign(*bound.args, **bound.kwargs)
        priors = pred_instances.priors
        if ignored is None or len(priors) == 0:
            return result
        if self.prior_type == 'centre':
            priors = get_box_tensor(priors)
            priors = (priors[:, :2] + priors[:, 2:]) / 2
        if self._are_points(priors):
            inside = inside_any(priors[:, :2], ignored)
            leave_out(result, inside & (result.gt_inds <= 0))
        else:
            overlaps = self.iou_calculator(ignored, priors)
            leave_out(result, overlaps.max(dim=0).values > self.ignore_iou_thr)
        return result

    def _are_points(self, priors: Tensor) -> bool:
        if self.prior_type != 'auto':
            return self.prior_type != 'box'
        return priors.size(-1) != 4 or isinstance(self.assigner, POINT_ASSIGNERS)
