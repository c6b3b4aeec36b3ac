"""What a focus map is to say of a chip: which cells hold an object for the next finer level.

Shapes: ``n`` boxes, ``(x1, y1, x2, y2)`` in pixels of the network's input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FOCUS, BACKGROUND, NOT_LEARNT = 1, 0, -1
# The authors' for chips of 512 pixels (arXiv:1812.01600, section 3.1).
SIZES = (5.0, 64.0, 90.0)


def focus_labels(
    boxes: Tensor,
    shape: tuple[int, int],
    stride: int,
    sizes: Sequence[float] = SIZES,
    object_sizes: Tensor | None = None,
) -> Tensor:
    """The labels of a focus map's cells (arXiv:1812.01600, section 3.1).

    Cell (i, j) covers the pixels ``[j * stride, (j + 1) * stride)`` by ``[i * stride, (i + 1) *
    stride)`` and holds the objects whose boxes overlap it by more than nothing. With ``(a, b, c) =
    sizes`` and an object's size ``sqrt(w * h)``, a cell is 1 if it holds an object of a size within
    ``(a, b)``; else -1, not learnt, if it holds one that is too small to be seen, up to ``a``, or
    about to be large enough for this level, ``[b, c)``; else 0.

    All objects of a chip belong into ``boxes``, those out of its valid range too: those that are
    too small for its level are what the finer one is for.

    Args:
        boxes: ``(n, 4)`` floats.
        shape: Rows and columns of the map.
        stride: Side of a cell in pixels.
        sizes: ``a``, ``b`` and ``c`` in pixels.
        object_sizes: ``(n,)`` floats, the sizes of the objects where they are not those of the
            boxes, which a chip's border may have cut. 0 is not learnt, such as a crowd.

    Returns:
        ``shape``, int8: 1, 0 or -1.
    """
    least, most, next_level = sizes
    boxes = boxes.float()
    if object_sizes is None:
        object_sizes = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1).sqrt()
    focus = (object_sizes > least) & (object_sizes < most)
    unclear = ~focus & (object_sizes < next_level)
    rows = _overlaps(boxes[:, 1], boxes[:, 3], shape[0], stride)
    columns = _overlaps(boxes[:, 0], boxes[:, 2], shape[1], stride)
    # Two sums of products of zeros and ones at once: how many objects of a kind a cell holds.
    kinds = torch.stack([focus, unclear])[:, None].float()
    with torch.autocast(boxes.device.type, enabled=False):
        holds_focus, holds_unclear = (rows.T * kinds) @ columns > 0
    labels = torch.where(holds_unclear, NOT_LEARNT, BACKGROUND)
    return torch.where(holds_focus, FOCUS, labels).to(torch.int8)


def _overlaps(start: Tensor, end: Tensor, number: int, stride: int) -> Tensor:
    """Which cells of an axis intervals overlap, shape (n, number), 0.0 or 1.0."""
    first = torch.arange(number, device=start.device, dtype=start.dtype) * stride
    start, end = start[:, None], end[:, None]
    return ((start < first + stride) & (end > first) & (end > start)).float()
