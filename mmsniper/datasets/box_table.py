"""All boxes of a dataset in flat arrays, read once and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from mmsniper.errors import InputError


@dataclass(frozen=True)
class BoxTable:
    """The boxes of all images of a dataset.

    Attributes:
        paths (np.ndarray): Path of each image, shape (m,), str.
        heights (np.ndarray): Height of each image in pixels, shape (m,), int64.
        widths (np.ndarray): Width of each image in pixels, shape (m,), int64.
        boxes (np.ndarray): Boxes xyxy in pixels of the original image, clipped to it, without
            crowds and ignored ones, shape (n, 4), float32.
        labels (np.ndarray): Class index of each box, shape (n,), int64.
        image_starts (np.ndarray): The boxes of image i are those from ``image_starts[i]`` up to
            ``image_starts[i + 1]``, shape (m + 1,), int64.
        unusable (dict[int, np.ndarray]): For each image with unusable boxes the indices of these in
            its ``instances``.
        dropped (dict[str, int]): How many boxes are unusable, by reason.
        num_ignored (int): How many of the others are crowds and ignored ones.
    """

    paths: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    image_starts: np.ndarray
    unusable: dict[int, np.ndarray] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    num_ignored: int = 0

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self.heights)

    @property
    def num_images_without_boxes(self) -> int:
        """Number of images that have no usable box."""
        return int((np.diff(self.image_starts) == 0).sum())


def read_boxes(dataset, look_at: Callable[[dict], None] | None = None) -> BoxTable:
    """Read the sizes and boxes of all images of a dataset.

    Args:
        dataset: A dataset or wrapper that answers ``get_data_info`` and ``len``.
        look_at (Callable, optional): Is shown what is known of each image on the way, and may mark
            more of its instances as ignored.

    Returns:
        BoxTable: Its boxes. Those that are not finite, empty, or outside their image are left out.

    Raises:
        InputError: An image has no height and width.
    """
    paths, heights, widths, starts = [], [], [], [0]
    boxes, labels, ignored = [], [], []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        if not (info.get('height') and info.get('width')):
            raise InputError(
                f"image {info.get('img_path', index)} has no 'height' and 'width' in its "
                'annotation; ChipDataset needs both'
            )
        if not all(isinstance(info[key], Real) and info[key] > 0 for key in ('height', 'width')):
            raise InputError(
                f'image {info.get("img_path", index)} has the height {info["height"]!r} and the '
                f'width {info["width"]!r} in its annotation; give positive numbers of pixels'
            )
        paths.append(str(info.get('img_path', index)))
        heights.append(info['height'])
        widths.append(info['width'])
        if look_at is not None:
            look_at(info)
        instances = info.get('instances', [])
        boxes.extend(instance['bbox'] for instance in instances)
        labels.extend(instance['bbox_label'] for instance in instances)
        ignored.extend(instance.get('ignore_flag', 0) for instance in instances)
        starts.append(len(boxes))
    starts = np.array(starts, np.int64)
    heights, widths = np.array(heights, np.int64), np.array(widths, np.int64)
    boxes = _as_boxes(boxes, paths, starts)
    image = np.repeat(np.arange(len(heights)), np.diff(starts))
    reasons = unusable_boxes(boxes, heights[image], widths[image])
    usable = ~np.any(list(reasons.values()), axis=0)
    chosen = usable & (np.array(ignored, np.int64) == 0)
    limits = np.stack([widths, heights, widths, heights], axis=1)[image[chosen]]
    return BoxTable(
        paths=np.array(paths, dtype=str),
        heights=heights,
        widths=widths,
        boxes=boxes[chosen].clip(0, limits).astype(np.float32),
        labels=np.array(labels, np.int64)[chosen],
        image_starts=np.concatenate([[0], np.cumsum(chosen)])[starts].astype(np.int64),
        unusable={
            int(i): np.flatnonzero(~usable[starts[i] : starts[i + 1]])
            for i in np.unique(image[~usable])
        },
        dropped={reason: int(marked.sum()) for reason, marked in reasons.items() if marked.any()},
        num_ignored=int((usable & ~chosen).sum()),
    )


def _as_boxes(boxes: list, paths: list[str], starts: np.ndarray) -> np.ndarray:
    """The boxes as an array, (n, 4) float32, after a look whether they are numbers."""
    try:
        array = np.array(boxes)
        if not boxes or (array.shape == (len(boxes), 4) and array.dtype.kind in 'iuf'):
            return array.astype(np.float32).reshape(-1, 4)
    except ValueError:  # boxes of different lengths
        pass
    for index, box in enumerate(boxes):
        row = np.array(box, dtype=object)
        if row.shape != (4,) or not all(isinstance(value, Real) for value in row):
            image = paths[np.searchsorted(starts, index, side='right') - 1]
            raise InputError(
                f'image {image} has the box {box!r} in its annotation; give four numbers'
            )
    return np.array(boxes, np.float32).reshape(-1, 4)


def unusable_boxes(
    boxes: np.ndarray, heights: np.ndarray, widths: np.ndarray
) -> dict[str, np.ndarray]:
    """Find boxes that cannot be trained on.

    Args:
        boxes (np.ndarray): Boxes xyxy in pixels, shape (n, 4).
        heights (np.ndarray): Height of the image of each box, shape (n,).
        widths (np.ndarray): Width of the image of each box, shape (n,).

    Returns:
        dict[str, np.ndarray]: For each reason the boxes it applies to, shape (n,), bool. No box has
        two.
    """
    finite = np.isfinite(boxes).all(axis=1)
    empty = finite & ~((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    inside = (
        (boxes[:, 0] < widths) & (boxes[:, 1] < heights) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    )
    return {'not finite': ~finite, 'empty': empty, 'outside the image': finite & ~empty & ~inside}
