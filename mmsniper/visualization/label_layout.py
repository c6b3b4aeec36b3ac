"""Where labels go, so that they are read and hide little."""

from __future__ import annotations

import numpy as np

# Up to so many boxes every label may hide some of another box, if it finds no better place.
SPARSE = 40
# The share of a crowded picture that labels may cover.
MAX_COVERED = 0.25


def place_labels(boxes: np.ndarray, sizes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Find a place for the label of each box that lies inside the picture and off other labels.

    Places above, in, below and beside a box are tried, first those where no box's centre is
    hidden. Where there is none, and the picture has more than a few boxes, a label is left out.

    Args:
        boxes (np.ndarray): Shape (n, 4), xyxy in pixels of the picture; the most important first.
        sizes (np.ndarray): Shape (n, 2), int, width and height of each label in pixels.
        width (int): Of the picture, pixels.
        height (int): Likewise.

    Returns:
        np.ndarray: Shape (n, 2), int64, left and upper border of each label; -1 of those left out.
    """
    places = np.full((len(boxes), 2), -1)
    if not len(boxes):
        return places
    candidates = _candidates(boxes, sizes, width, height)
    # Cells are so small that little room is lost, and so few that looking at them is quick.
    cell = max(2, int(sizes[:, 1].min()) // 3)
    first = candidates // cell
    last = (candidates + sizes[:, None] - 1) // cell + 1
    shape = height // cell + 2, width // cell + 2
    taken, centre = np.zeros(shape, bool), np.zeros(shape, bool)
    middles = np.clip((boxes[:, :2] + boxes[:, 2:]) / 2, 0, (width - 1, height - 1))
    columns, rows = (middles // cell).astype(np.int64).T
    centre[rows, columns] = True
    fits = (sizes <= (width, height)).all(axis=1)
    room = width * height * MAX_COVERED if len(boxes) > SPARSE else np.inf
    first, last = first.tolist(), last.tolist()  # small integers are quicker outside of arrays
    for hides_centres in (False, True) if len(boxes) <= SPARSE else (False,):
        for index in np.flatnonzero(fits & (places[:, 0] < 0)).tolist():
            if room <= 0:
                break
            for choice, ((x, y), (right, bottom)) in enumerate(zip(first[index], last[index])):
                cells = slice(y, bottom), slice(x, right)
                if taken[cells].any() or not (hides_centres or not centre[cells].any()):
                    continue
                taken[cells] = True
                places[index] = candidates[index, choice]
                room -= int(sizes[index].prod())
                break
    return places


def _candidates(boxes: np.ndarray, sizes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Left and upper borders of places for each label, the best first, shape (n, 9, 2), int64."""
    left, top, right, bottom = np.rint(boxes).astype(np.int64).T
    own_width, own_height = sizes.T
    columns = [left, right - own_width]
    rows = [top - own_height, top, bottom, bottom - own_height]
    # Above the box, in its upper corner, below it, in its lower corner; then to the right alike.
    places = [(column, row) for column in columns for row in rows] + [(right, top)]
    stacked = np.stack([np.stack(place, axis=1) for place in places], axis=1)
    limits = np.maximum((width, height) - sizes, 0)[:, None]
    return np.clip(stacked, 0, limits)
