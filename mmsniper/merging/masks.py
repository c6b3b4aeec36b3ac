"""Instance masks of views, kept as RLE and placed in the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_util
from torch import Tensor

from ..errors import InputError
from .rle import bitmap_to_runs, flip_runs, rle_to_runs, runs_to_rle


class RLEMasks:
    """The masks of ``n`` instances as RLE, in the place of an ``(n, h, w)`` tensor.

    ``InstanceData`` indexes and concatenates it. ``CocoMetric`` takes the RLE as it is. Where other
    metrics and the visualizer of MMDetection ask for an array, masks are decoded: one after the
    other by :meth:`numpy`, all at once only by :meth:`astype`.

    Args:
        rles: One RLE per instance: ``dict(size=[h, w], counts=...)``, all of the same size.
        shape: ``(h, w)`` in pixels; needed, because there may be no instance.
    """

    def __init__(self, rles: Sequence[dict[str, Any]], shape: Sequence[int]) -> None:
        self.rles = list(rles)
        height, width = (int(side) for side in shape)
        self.shape = (len(self.rles), height, width)

    def __len__(self) -> int:
        return len(self.rles)

    def __getitem__(self, index: int | slice) -> dict[str, Any] | RLEMasks:
        """The RLE of one instance, or the masks of some."""
        if isinstance(index, slice):
            return RLEMasks(self.rles[index], self.shape[1:])
        return self.rles[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rles)

    @staticmethod
    def cat(masks: Sequence[RLEMasks]) -> RLEMasks:
        """All masks behind each other; at least one object, all of the same size."""
        return RLEMasks([rle for each in masks for rle in each], masks[0].shape[1:])

    def detach(self) -> RLEMasks:
        """Itself, as a tensor without gradient would return."""
        return self

    def cpu(self) -> RLEMasks:
        """Itself, as a tensor in main memory would return."""
        return self

    def numpy(self) -> DecodedMasks:
        """The masks as a sequence of ``(h, w)`` uint8 arrays, each decoded when it is asked for."""
        return DecodedMasks(self)

    def astype(self, dtype: Any) -> np.ndarray:
        """The masks as one array ``(n, h, w)``: as much memory as they have pixels."""
        dense = np.empty(self.shape, dtype)
        for index, mask in enumerate(self.numpy()):
            dense[index] = mask
        return dense

    def __repr__(self) -> str:
        return f'{type(self).__name__}(shape={self.shape})'


class DecodedMasks(Sequence):
    """Masks as arrays that exist only while they are looked at.

    Args:
        masks: ``n`` masks of ``(h, w)`` pixels.
        dtype: Of the arrays, which hold 0 and 1.
    """

    def __init__(self, masks: RLEMasks, dtype: Any = np.uint8) -> None:
        self.masks = masks
        self.dtype = np.dtype(dtype)
        self.shape = masks.shape

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> np.ndarray:
        return mask_util.decode(self.masks[index]).astype(self.dtype, copy=False)

    def astype(self, dtype: Any) -> DecodedMasks:
        """The same masks with arrays of another type."""
        return DecodedMasks(self.masks, dtype)


def masks_in_image(
    masks: Tensor | np.ndarray | Sequence[dict[str, Any]] | RLEMasks,
    keep: Tensor,
    chip: Sequence[float],
    image_shape: Sequence[int],
    flip_direction: str | None = None,
) -> RLEMasks:
    """Places masks of a view in the image: undoes the flip in the crop, then moves them.

    One mask after the other, and no mask is made dense at the size of the image.

    Args:
        masks: ``n`` masks in crop pixels, possibly flipped: ``(n, h, w)`` bool (or integers 0 and
            1), or RLE.
        keep: ``(n,)`` bool, which of them to place.
        chip: The crop as xyxy in image pixels.
        image_shape: ``(height, width)`` of the image.
        flip_direction: None, 'horizontal', 'vertical' or 'diagonal'.

    Returns:
        As many masks as are kept, in image pixels.

    Raises:
        InputError: If masks are of another type, or not of the crop's size.
    """
    left, top, right, bottom = (int(value) for value in np.rint(np.asarray(chip)))
    shape = (bottom - top, right - left)
    offset = np.array([left, top, top])
    rles = []
    for index in keep.nonzero()[:, 0].tolist():
        runs = _runs_of(masks[index], shape)
        if flip_direction is not None:
            runs = flip_runs(runs, shape, flip_direction)
        rles.append(runs_to_rle(runs + offset, image_shape))
    return RLEMasks(rles, image_shape)


def unite_masks(
    masks: Tensor | np.ndarray | RLEMasks, members: np.ndarray, num_groups: int
) -> Tensor | np.ndarray | RLEMasks:
    """Unites the masks of each group.

    Args:
        masks: ``n`` masks of one size: ``(n, h, w)`` bool (or integers 0 and 1), or RLE.
        members: ``(n,)`` int64, the group of each mask, -1 for none.
        num_groups: How many groups to unite; those of higher numbers are left out.

    Returns:
        ``num_groups`` masks, as those given.
    """
    order = np.argsort(members, kind='stable')
    ends = np.searchsorted(members[order], np.arange(num_groups + 1))
    groups = [order[start:end] for start, end in zip(ends[:-1], ends[1:])]
    if isinstance(masks, RLEMasks):
        rles = [masks[group[0]] for group in groups]
        for number, group in enumerate(groups):
            if len(group) > 1:
                rles[number] = mask_util.merge([masks[index] for index in group])
        return RLEMasks(rles, masks.shape[1:])
    united = masks[[group[0] for group in groups]]
    for number, group in enumerate(groups):
        for index in group[1:]:
            united[number] |= masks[int(index)]
    return united


def _runs_of(mask: Any, shape: tuple[int, int]) -> np.ndarray:
    """The runs of one mask, ``(r, 3)``, after checking that it has the crop's size."""
    is_rle = isinstance(mask, dict) and 'counts' in mask and 'size' in mask
    if not is_rle and not isinstance(mask, (Tensor, np.ndarray)):
        raise InputError(
            f'masks of type {type(mask).__name__} cannot be merged: let the detector predict a '
            'tensor, an array or RLE.'
        )
    size = tuple(int(side) for side in (mask['size'] if is_rle else mask.shape))
    if size != shape:
        raise InputError(
            f"masks of shape {size} do not fit the view's crop of {shape} (height, width): let "
            'the detector rescale them to ori_shape, which ChipSample has set.'
        )
    return rle_to_runs(mask) if is_rle else bitmap_to_runs(to_bitmap(mask))


def to_bitmap(mask: Tensor | np.ndarray) -> np.ndarray:
    """A dense mask as NumPy booleans.

    Args:
        mask: ``(h, w)`` bool, or integers 0 and 1.

    Returns:
        ``(h, w)`` bool.

    Raises:
        InputError: If the mask is not binary.
    """
    array = mask.detach().cpu().numpy() if isinstance(mask, Tensor) else mask
    if array.dtype == bool:
        return array
    if not np.issubdtype(array.dtype, np.integer) or ((array != 0) & (array != 1)).any():
        raise InputError(
            f'masks of dtype {array.dtype} are not binary: set mask_thr_binary in the '
            "detector's test_cfg to 0 or more."
        )
    return array.astype(bool)
