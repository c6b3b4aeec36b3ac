"""Where the boxes of a view lie in the image, and which of them the view may keep.

Shapes: ``n`` boxes, ``(x1, y1, x2, y2)`` in pixels. *Crop pixels* are those of the view's crop at
original resolution, which is what a detector predicts with ``rescale=True``; *image pixels* are
those of the original image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.structures.bbox import bbox_flip
from torch import Tensor

from ..errors import InputError

_FLIP_DIRECTIONS = ('horizontal', 'vertical', 'diagonal')


def view_to_image(
    boxes: Tensor, chip: Sequence[float], flip_direction: str | None = None
) -> Tensor:
    """Maps boxes of a view to the image: undoes the flip in the crop, then adds the crop's corner.

    Args:
        boxes: ``(n, 4)`` floats, crop pixels, possibly flipped.
        chip: The crop as xyxy in image pixels.
        flip_direction: None, 'horizontal', 'vertical' or 'diagonal'.

    Returns:
        ``(n, 4)`` in image pixels, dtype of ``boxes``.

    Raises:
        InputError: If the direction is another one.
    """
    x1, y1, x2, y2 = (float(value) for value in chip)
    if flip_direction is not None:
        if flip_direction not in _FLIP_DIRECTIONS:
            raise InputError(
                f'flip_direction {flip_direction!r} of a view cannot be undone: use one of '
                f'{", ".join(_FLIP_DIRECTIONS)}.'
            )
        boxes = bbox_flip(boxes, (y2 - y1, x2 - x1), flip_direction)
    return boxes + boxes.new_tensor([x1, y1, x1, y1])


def in_valid_range(boxes: Tensor, valid_range: Sequence[float]) -> Tensor:
    """Which boxes a level may keep (arXiv:1805.09300, section 4.4 on inference).

    Args:
        boxes: ``(n, 4)`` floats at the resolution of the original image.
        valid_range: ``(lo, hi)``, half-open, on ``sqrt(w * h)`` in image pixels; -1 is open.

    Returns:
        ``(n,)`` bool.
    """
    low, high = (float(value) for value in valid_range)
    keep = boxes.new_ones(len(boxes), dtype=torch.bool)
    if low < 0 and high < 0:
        return keep
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    sizes = sides.prod(dim=1).sqrt()
    if low >= 0:
        keep &= sizes >= low
    if high >= 0:
        keep &= sizes < high
    return keep


def touches_tile_border(
    boxes: Tensor,
    chip: Sequence[float],
    image_shape: Sequence[int],
    margin: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Which boxes reach a border of the tile beyond which the image goes on.

    Such a box is likely a part of an object that a neighbouring tile sees whole.

    Args:
        boxes: ``(n, 4)`` floats, image pixels.
        chip: The tile as xyxy in image pixels.
        image_shape: ``(height, width)`` of the image.
        margin: ``(x, y)`` in image pixels: a side this close to the border touches it.

    Returns:
        ``(n,)`` bool.
    """
    height, width = image_shape
    x1, y1, x2, y2 = (float(value) for value in chip)
    margin_x, margin_y = margin
    touches = boxes.new_zeros(len(boxes), dtype=torch.bool)
    if x1 > 0:
        touches |= boxes[:, 0] <= x1 + margin_x
    if y1 > 0:
        touches |= boxes[:, 1] <= y1 + margin_y
    if x2 < width:
        touches |= boxes[:, 2] >= x2 - margin_x
    if y2 < height:
        touches |= boxes[:, 3] >= y2 - margin_y
    return touches
