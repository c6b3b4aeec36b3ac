"""The assigner of the second stage, which knows the chip's valid range."""

from __future__ import annotations

import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import cat_boxes, get_box_tensor
from mmengine.structures import InstanceData

from mmsniper.datasets.transforms.pack_chip_inputs import INPUT_VALID_RANGE
from mmsniper.errors import InputError
from mmsniper.merging.geometry import in_valid_range

from .assigner_wrapper import AssignerWrapper, leave_out


@TASK_UTILS.register_module()
class ValidRangeAssigner(AssignerWrapper):
    """Wrap the assigner of a RoI head so that it treats valid ranges as the papers do.

    All boxes are used to assign labels to proposals, ignored ones included; what is invalid is left
    out of the loss afterwards (arXiv:1711.08189, section 5; arXiv:1805.09300, section 3.4). A
    proposal is left out, that is neither positive nor negative, if

    - the wrapped assigner gives it to an ignored box (out of range, cut by the chip's border, or a
      crowd), because an ignored object must not move the weights, or
    - its own sqrt(w*h) is outside the chip's valid range, whatever it was given to.

    So a proposal between an ignored and a valid object goes to the one that it overlaps more, and
    what overlaps neither of them enough is background. Unlike ``IgnoreAwareAssigner``, proposals on
    mere parts of an ignored object are background as well: they teach the detector that a part is
    no object. Ground truth that a sampler adds as proposals is valid and stays. In one point this
    is stricter than the authors' code, which learns a proposal that is in range as a positive of an
    object that is not: here no ignored object is learnt.

    A crowd is no object but a region with many of them, and parts of it need not be background.
    Only proposals on the crowd as a whole are left out by default; MMDetection's own configs for
    COCO do not know of crowds at all. For data with many or large ignored *regions*
    ``ignore_iof_thr`` leaves out all background proposals inside them, at the price of those inside
    ignored objects.

    Args:
        assigner (dict): Config of the assigner to wrap, such as ``MaxIoUAssigner``. Its own
            settings for ignored boxes have no effect.
        use_proposal_size (bool): Whether proposals have to be in the valid range themselves. Only
            without it can the pipeline end with ``PackDetInputs``, put chips of several ranges into
            one image (``Mosaic``, ``MixUp``) or rescale with ``RandomAffine``. Defaults to True.
        ignore_iof_thr (float): Share of a background proposal's area inside an ignored box above
            which it is left out; -1 for never. Defaults to -1.
        iou_calculator (dict): How to measure that share. Defaults to ``BboxOverlaps2D``.

    Raises:
        InputError: The threshold is neither -1 nor within [0, 1].
    """

    def __init__(
        self,
        assigner: dict,
        use_proposal_size: bool = True,
        ignore_iof_thr: float = -1,
        iou_calculator: dict = dict(type='BboxOverlaps2D'),  # noqa: B006
    ) -> None:
        if ignore_iof_thr != -1 and not 0 <= ignore_iof_thr <= 1:
            raise InputError(
                f'ignore_iof_thr must be -1 or lie between 0 and 1, but is {ignore_iof_thr}'
            )
        super().__init__(assigner, iou_calculator)
        self.use_proposal_size = use_proposal_size
        self.ignore_iof_thr = ignore_iof_thr

    def assign(self, pred_instances: InstanceData, *args, **kwargs) -> AssignResult:
        """Assign to all boxes, then leave out proposals on ignored boxes and those out of range.

        Args:
            pred_instances (InstanceData): With ``priors``, the n proposals, shape (n, 4), xyxy in
                pixels of the network's input.
            *args: Further arguments of the wrapped assigner: ``gt_instances``, whose metainfo has
                the valid range, and ``gt_instances_ignore``, or None.
            **kwargs: Likewise.

        Returns:
            AssignResult: About the valid boxes alone: ``num_gts`` is their number; ``gt_inds``,
            shape (n,), int64, is 1 and up for positives, 0 for background and -1 for what is left
            out; ``labels`` is -1 for the latter two.

        Raises:
            InputError: The ground truth does not say what the chip's valid range is.
        """
        bound = self.bind(pred_instances, *args, **kwargs)
        valid = bound.arguments['gt_instances']
        ignored = bound.arguments.get('gt_instances_ignore')
        if ignored is not None:
            # Empty where there are no annotations: it has no boxes then, not even an empty tensor.
            ignored = ignored if len(ignored) else None
            bound.arguments['gt_instances_ignore'] = None
        if ignored is not None:
            bound.arguments['gt_instances'] = _all_boxes(valid, ignored)
        result = self.assigner.assign(*bound.args, **bound.kwargs)
        result.num_gts = len(valid)
        leave_out(result, result.gt_inds > len(valid))
        priors = pred_instances.priors
        if self.use_proposal_size:
            boxes = get_box_tensor(priors).float()  # areas overflow half precision
            leave_out(result, ~in_valid_range(boxes, _valid_range(valid)))
        if self.ignore_iof_thr >= 0 and ignored is not None and len(priors):
            shares = self.iou_calculator(priors, ignored.bboxes, mode='iof')
            inside = shares.max(dim=1).values > self.ignore_iof_thr
            leave_out(result, (result.gt_inds == 0) & inside)
        # Dynamic R-CNN takes its thresholds from these.
        result.max_overlaps[result.gt_inds < 0] = 0
        return result


def _all_boxes(valid: InstanceData, ignored: InstanceData) -> InstanceData:
    """The boxes and labels of both, the valid ones first, so that these keep their indices."""
    return InstanceData(
        bboxes=cat_boxes([valid.bboxes, ignored.bboxes]),
        labels=torch.cat([valid.labels, ignored.labels]),
    )


def _valid_range(instances: InstanceData) -> tuple[float, float]:
    """The chip's valid range in pixels of the network's input."""
    if INPUT_VALID_RANGE not in instances.metainfo:
        raise InputError(
            'ValidRangeAssigner does not know the valid range of a chip: end the training pipeline '
            'with PackChipInputs instead of PackDetInputs, or set use_proposal_size=False'
        )
    return instances.metainfo[INPUT_VALID_RANGE]
