"""What a detector's prediction of a view says about finer levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor

from mmsniper.merging.geometry import view_to_image

from .search import CoarseToFine, Marks

FOCUS_MAP = 'focus_map'
FOCUS_STRIDE = 'focus_stride'


def marks_of(
    search: CoarseToFine, sample: DetDataSample, chip: Sequence[float], unflip: bool = True
) -> Marks | None:
    """Where a detector's prediction of one of the views of a search calls for a finer level.

    Args:
        search: Of the image.
        sample: The prediction, ``pred_instances`` in pixels of the crop at original resolution,
            and of a :class:`mmsniper.models.FocusDetector` its ``focus_map``.
        chip: The crop, xyxy in pixels of the image.
        unflip: Whether predictions are still flipped when the view was.

    Returns:
        See :meth:`CoarseToFine.marks`.

    Raises:
        InputError: Likewise.
    """
    if search.level == 0:
        return None
    chip = np.asarray(chip, np.float32)
    meta = sample.metainfo
    flip = meta.get('flip_direction') if unflip and meta.get('flip') else None
    boxes = get_box_tensor(sample.pred_instances.bboxes).detach().float()
    boxes = view_to_image(boxes, chip, flip).cpu().numpy()
    scores = sample.pred_instances.scores.detach().float().cpu().numpy()
    return search.marks(chip, boxes, scores, focus_map_of(sample, flip))


def focus_map_of(sample: DetDataSample, flip: str | None = None) -> tuple[np.ndarray, int] | None:
    """The probabilities of the cells that lie on a view, and the side of a cell.

    Args:
        sample: The prediction.
        flip: How it is flipped.

    Returns:
        None without a head. Where the side of a flipped view is not a whole number of cells, those
        of the map lie on two cells of the view, and mark both.
    """
    if FOCUS_MAP not in sample:
        return None
    stride = int(sample.metainfo[FOCUS_STRIDE])
    height, width = sample.metainfo['img_shape'][:2]
    probabilities = sample.focus_map.data[0, : -(-height // stride), : -(-width // stride)]
    probabilities = probabilities.detach().float().cpu().numpy()
    if flip in ('horizontal', 'diagonal'):
        probabilities = _turned(probabilities.T, width, stride).T
    if flip in ('vertical', 'diagonal'):
        probabilities = _turned(probabilities, height, stride)
    return probabilities, stride


def _turned(probabilities: np.ndarray, pixels: int, stride: int) -> np.ndarray:
    """The cells of flipped rows, which begin at the other end, by those of the view."""
    turned = probabilities[::-1]
    if pixels % stride == 0:
        return turned
    return np.maximum(turned, np.concatenate([turned[1:], np.zeros_like(turned[:1])]))
