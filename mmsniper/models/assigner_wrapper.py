"""What the assigners that wrap another one have in common."""

from __future__ import annotations

import inspect

from mmdet.models.task_modules.assigners import AssignResult, BaseAssigner
from mmdet.registry import TASK_UTILS
from torch import Tensor


class AssignerWrapper(BaseAssigner):
    """Base of assigners that correct what another assigner says.

    Args:
        assigner (dict): Config of the assigner to wrap, such as ``MaxIoUAssigner``.
        iou_calculator (dict): How to measure the overlap. Defaults to ``BboxOverlaps2D``.
    """

    def __init__(
        self,
        assigner: dict,
        iou_calculator: dict = dict(type='BboxOverlaps2D'),  # noqa: B006
    ) -> None:
        self.assigner = TASK_UTILS.build(assigner)
        self.iou_calculator = TASK_UTILS.build(iou_calculator)
        # Assigners differ in what they take between the priors and the ground truth.
        self._signature = inspect.signature(self.assigner.assign)

    def bind(self, *args, **kwargs) -> inspect.BoundArguments:
        """The arguments of ``assign`` by the names that the wrapped assigner has for them."""
        return self._signature.bind(*args, **kwargs)

    def __getattr__(self, name: str):
        """Attributes that heads read off their assigner are those of the wrapped one."""
        if name == 'assigner':  # not there yet, in a copy that is being made
            raise AttributeError(name)
        return getattr(self.assigner, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Attributes that heads set, as Dynamic R-CNN sets thresholds, go to the wrapped one."""
        settings = inspect.signature(type(self).__init__).parameters
        own = name in vars(self) or name in settings or hasattr(type(self), name)
        if not own and 'assigner' in vars(self) and hasattr(self.assigner, name):
            setattr(self.assigner, name, value)
        else:
            super().__setattr__(name, value)


def leave_out(result: AssignResult, left_out: Tensor) -> None:
    """Make priors neither positive nor negative, in place.

    Args:
        result (AssignResult): With ``gt_inds`` and, or None, ``labels``, both of shape (n,).
        left_out (Tensor): Which priors, shape (n,), bool.
    """
    result.gt_inds[left_out] = -1
    if result.labels is not None:
        result.labels[left_out] = -1
