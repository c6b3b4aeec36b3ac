"""Parts of images: where to look closely, and what of the detections lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from mmsniper.merging.rle import crop_runs, resize_runs, rle_to_runs, runs_to_rle

from .detections import ImageDetections

MAX_CLOSEUPS = 8
CLOSEUP_SIZE = 1200, 900
_CELLS = 16  # to a side of a closeup


def choose_closeups(
    image: ImageDetections,
    size: Sequence[int] = CLOSEUP_SIZE,
    most: int = MAX_CLOSEUPS,
) -> np.ndarray:
    """Windows of an image that show most of what was found, without overlap.

    A detection counts by its score, more in the middle of a window than at its border, and less
    the more there are of its class, so that rare ones are seen too.

    Args:
        image: The detections.
        size: Width and height of a window in pixels; smaller where the image is.
        most: How many windows there are at most.

    Returns:
        Shape (n, 4), int64, xyxy in pixels of the image, the richest first.
    """
    windows: list[np.ndarray] = []
    if not len(image):
        return np.zeros((0, 4), np.int64)
    limits = np.array([image.width, image.height])
    side = np.minimum(size, limits)
    cell = np.maximum(side // _CELLS, 1)
    columns, rows = limits // cell + 1
    middles = (image.boxes[:, :2].astype(np.float64) + image.boxes[:, 2:]) / 2
    x, y = (np.clip(middles, 0, limits - 1) // cell).astype(np.int64).T
    of_class = np.bincount(image.labels)[image.labels]
    weights = image.scores.astype(np.float64) / np.sqrt(of_class)
    found = np.bincount(y * columns + x, weights, rows * columns).reshape(rows, columns)
    # One in the middle, a half at the border.
    kernel = 1 - np.abs(np.arange(-(_CELLS // 2), _CELLS // 2 + 1)) / _CELLS
    while len(windows) < most:
        value = cv2.sepFilter2D(found, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
        # All windows with these middles, moved into the image where they go beyond it.
        left, top = (
            np.clip(np.arange(number) * step + step // 2 - own // 2, 0, limit - own)
            for number, step, own, limit in zip((columns, rows), cell, side, limits)
        )
        for taken in windows:
            beside = (left + side[0] <= taken[0]) | (left >= taken[2])
            above = (top + side[1] <= taken[1]) | (top >= taken[3])
            value[~(above[:, None] | beside)] = 0
        row, column = np.unravel_index(value.argmax(), value.shape)
        if value[row, column] < 1e-9:
            break
        start = np.array([left[column], top[row]])
        windows.append(np.concatenate([start, start + side]))
    return np.array(windows, np.int64).reshape(-1, 4)


def in_window(
    image: ImageDetections, window: Sequence[int], size: Sequence[int] | None = None
) -> ImageDetections:
    """What of an image's detections lies in a window of it.

    Args:
        image: The detections.
        window: xyxy in whole pixels of the image, inside it.
        size: Width and height at which the window is shown. Defaults to its own.

    Returns:
        Those that the window holds some of, in pixels of the window as shown. Boxes may go beyond
        it, masks end at its border.
    """
    left, top, right, bottom = (int(side) for side in window)
    own_size = right - left, bottom - top
    width, height = size or own_size
    factors = np.array([width / own_size[0], height / own_size[1]] * 2)
    boxes = image.boxes
    chosen = image.of(
        (boxes[:, 0] < right) & (boxes[:, 2] > left) & (boxes[:, 1] < bottom) & (boxes[:, 3] > top)
    )
    masks = chosen.masks
    if masks is not None:
        masks = [_cut_mask(mask, (left, top, right, bottom), (height, width)) for mask in masks]
    moved = (chosen.boxes.astype(np.float64) - (left, top, left, top)) * factors
    return replace(chosen, width=width, height=height, boxes=moved.astype(np.float32), masks=masks)


def _cut_mask(rle, window: Sequence[int], shape: tuple[int, int]) -> dict:
    left, top, right, bottom = window
    runs = crop_runs(rle_to_runs(rle), window)
    own_shape = bottom - top, right - left
    if own_shape != shape:
        runs = resize_runs(runs, own_shape, shape)
    return runs_to_rle(runs, shape)
