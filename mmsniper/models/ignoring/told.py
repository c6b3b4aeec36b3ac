"""Telling what is given no ignored instances of them: assigners, targets, auxiliary losses.

Most heads without an assigner for anchors drop the ignored instances on the way to where targets
are made. The metainfo of the image and of its ground truth gets there, and the boxes with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

IGNORED_BOXES = 'ignored_boxes'


def tell(samples: Sequence[DetDataSample]) -> None:
    """Write the ignored boxes of each image into its metainfo and into that of its ground truth.

    Nothing is written where there are none.

    Args:
        samples (Sequence[DetDataSample]): A batch, changed in place.
    """
    for sample in samples:
        boxes = boxes_of(sample.get('ignored_instances'))
        if boxes is not None or IGNORED_BOXES in sample.metainfo_keys():
            told = {IGNORED_BOXES: boxes}
            sample.set_metainfo(told)
            sample.gt_instances.set_metainfo(told)


def boxes_of(instances: InstanceData | None) -> Tensor | None:
    """The boxes, shape (n, 4), or None where there are none."""
    # Without annotations there is not even an empty tensor.
    if instances is None or len(instances) == 0:
        return None
    return get_box_tensor(instances.bboxes)


def told_boxes(instances: InstanceData) -> Tensor | None:
    """The ignored boxes that ground truth was told of, shape (n, 4), or None."""
    return getattr(instances, IGNORED_BOXES, None)


class Aware:
    """Base of all heads that were made to ignore."""

    def become_aware(self) -> None:
        """Exchange parts of the head, once it is built."""


class Tells:
    """Mixin for heads whose targets are to know of ignored boxes."""

    def loss(self, *args, **kwargs):
        """As of the head."""
        tell(_samples(*args, *kwargs.values()))
        return super().loss(*args, **kwargs)

    def loss_and_predict(self, *args, **kwargs):
        """As of the head."""
        tell(_samples(*args, *kwargs.values()))
        return super().loss_and_predict(*args, **kwargs)


def _samples(*args) -> Sequence[DetDataSample]:
    """That of the arguments which is a batch of data samples."""
    for arg in args:
        if isinstance(arg, (list, tuple)) and arg and isinstance(arg[0], DetDataSample):
            return arg
    return ()
