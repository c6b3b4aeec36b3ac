"""Run-length encoded masks: flipped, cut, resized and placed without ever being decoded.

RLE is COCO's: ``dict(size=[height, width], counts=...)`` over the mask's columns, compressed to
bytes by pycocotools. Between reading and writing it a mask is an array of *runs*, shape ``(r, 3)``,
int64: column, first row, row behind the last. Runs do not overlap and are ordered by column, then
by row. All are in pixels of the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_util


def bitmap_to_runs(bitmap: np.ndarray) -> np.ndarray:
    """The runs of a dense mask.

    Args:
        bitmap: ``(h, w)`` bool.

    Returns:
        ``(r, 3)`` int64.
    """
    rows, columns = bitmap.any(axis=1).nonzero()[0], bitmap.any(axis=0).nonzero()[0]
    if len(rows) == 0:
        return np.zeros((0, 3), np.int64)
    top, left = rows[0], columns[0]
    window = bitmap[top : rows[-1] + 1, left : columns[-1] + 1]
    # A pixel of background before each column and behind the last one, so that no run goes on in
    # the next column.
    height = len(window) + 1
    padded = np.zeros(window.shape[1] * height + 1, bool)
    padded[:-1].reshape(-1, height)[:, 1:] = window.T
    borders = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
    column = borders[:, :1] // height
    return np.concatenate([column + left, borders - column * height + top], axis=1)


def rle_to_runs(rle: dict[str, Any]) -> np.ndarray:
    """The runs of an RLE.

    Args:
        rle: ``size`` and ``counts``, compressed (bytes or str) or a sequence of numbers.

    Returns:
        ``(r, 3)`` int64.
    """
    borders = np.cumsum(rle_counts(rle), dtype=np.int64)  # where background, foreground, ... end
    borders = borders[: len(borders) // 2 * 2].reshape(-1, 2)
    starts, stops = borders[borders[:, 1] > borders[:, 0]].T
    height = int(rle['size'][0])
    if len(starts) == 0:
        return np.zeros((0, 3), np.int64)
    # Cut at the ends of the columns.
    first = starts // height
    pieces = (stops - 1) // height - first + 1
    run = np.repeat(np.arange(len(starts)), pieces)
    column = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    return np.stack(
        [
            column,
            np.maximum(starts[run] - column * height, 0),
            np.minimum(stops[run] - column * height, height),
        ],
        axis=1,
    )


def rle_counts(rle: dict[str, Any]) -> np.ndarray:
    """The lengths of background, foreground, background, ... of an RLE.

    Args:
        rle: As above.

    Returns:
        ``(c,)`` int64.
    """
    counts = rle['counts']
    return _decompress(counts) if isinstance(counts, (bytes, str)) else np.asarray(counts, np.int64)


def runs_to_rle(runs: np.ndarray, shape: Sequence[int]) -> dict[str, Any]:
    """The RLE of runs, byte for byte what pycocotools encodes the decoded mask to.

    Args:
        runs: ``(r, 3)`` int64, inside the mask.
        shape: ``(height, width)`` of the mask.

    Returns:
        ``size`` and compressed ``counts`` (bytes).
    """
    height, width = (int(side) for side in shape)
    borders = runs[:, :1] * height + runs[:, 1:]
    joined = borders[1:, 0] == borders[:-1, 1]  # over the end of a column
    starts = borders[np.append(True, ~joined)[: len(runs)], 0]
    stops = borders[np.append(~joined, True)[: len(runs)], 1]
    ends = np.append(np.stack([starts, stops], axis=1).reshape(-1), height * width)
    counts = np.diff(ends, prepend=0)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return mask_util.frPyObjects(dict(size=[height, width], counts=counts), height, width)


def flip_runs(runs: np.ndarray, shape: Sequence[int], direction: str) -> np.ndarray:
    """Flips a mask.

    Args:
        runs: ``(r, 3)`` int64.
        shape: ``(height, width)`` of the mask.
        direction: 'horizontal', 'vertical' or 'diagonal' (both).

    Returns:
        ``(r, 3)`` int64.
    """
    height, width = shape
    column, start, stop = runs.T
    if direction != 'vertical':
        column = width - 1 - column
    if direction != 'horizontal':
        start, stop = height - stop, height - start
    order = np.lexsort((start, column))
    return np.stack([column, start, stop], axis=1)[order]


def crop_runs(runs: np.ndarray, window: Sequence[int]) -> np.ndarray:
    """Crops a mask.

    Args:
        runs: ``(r, 3)`` int64.
        window: xyxy in pixels of the mask, inside it.

    Returns:
        ``(r, 3)`` int64, in pixels of the window.
    """
    left, top, right, bottom = (int(side) for side in window)
    column = runs[:, 0]
    inside = (column >= left) & (column < right) & (runs[:, 1] < bottom) & (runs[:, 2] > top)
    column, start, stop = runs[inside].T
    return np.stack(
        [column - left, np.maximum(start, top) - top, np.minimum(stop, bottom) - top], axis=1
    )


def resize_runs(runs: np.ndarray, shape: Sequence[int], new_shape: Sequence[int]) -> np.ndarray:
    """Resizes a mask: each new pixel is what lies under its centre.

    Args:
        runs: ``(r, 3)`` int64.
        shape: ``(height, width)`` of the mask.
        new_shape: The same of the resized mask.

    Returns:
        ``(r, 3)`` int64.
    """
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for old, new in zip(shape, (int(side) for side in new_shape))
    )
    start, stop = (np.searchsorted(rows, runs[:, end]) for end in (1, 2))
    first = np.searchsorted(columns, runs[:, 0])
    repeats = np.searchsorted(columns, runs[:, 0], side='right') - first
    repeats[start == stop] = 0  # between two rows that are looked at
    run = np.repeat(np.arange(len(runs)), repeats)
    column = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    resized = np.stack([column, start[run], stop[run]], axis=1)
    return resized[np.lexsort((resized[:, 1], column))]


def _decompress(counts: bytes | str) -> np.ndarray:
    """The numbers in the compressed counts of an RLE, see ``rleFrString`` of pycocotools.

    A character holds five bits from the low end, plus a sixth that tells whether the number goes
    on; the fifth bit of its last character is the sign. From the fourth on, numbers are differences
    to the last but one.
    """
    text = counts.encode() if isinstance(counts, str) else counts
    characters = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    is_last = characters & 0x20 == 0
    stops = np.flatnonzero(is_last) + 1
    starts = np.append(0, stops[:-1])
    shifts = 5 * (np.arange(len(characters)) - np.repeat(starts, stops - starts))
    numbers = np.add.reduceat((characters & 0x1F) << shifts, starts)
    negative = characters[stops - 1] & 0x10 != 0
    numbers -= np.where(negative, np.int64(1) << 5 * (stops - starts), 0)
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers
