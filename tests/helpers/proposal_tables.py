"""Tables of proposals for the tests."""

from __future__ import annotations

import numpy as np

from mmsniper.datasets.proposal_file import ProposalTable


def proposal_table(boxes_of: dict, sizes: dict | None = None) -> ProposalTable:
    """A table of the boxes of each name, and of the (height, width) of each where it is known."""
    boxes = [np.array(boxes, np.float32).reshape(-1, 4) for boxes in boxes_of.values()]
    sides = np.array([(sizes or {}).get(name, (0, 0)) for name in boxes_of], np.int64)
    sides = sides.reshape(-1, 2)
    total = sum(len(part) for part in boxes)
    return ProposalTable(
        names=np.array(list(boxes_of), dtype=str),
        heights=sides[:, 0],
        widths=sides[:, 1],
        image_starts=np.concatenate([[0], np.cumsum([len(part) for part in boxes])]).astype(int),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
        scores=np.linspace(1, 0, total, dtype=np.float32),
    )


def random_boxes(seed: int, number: int, area, shortest: float, longest: float) -> np.ndarray:
    """Boxes (number, 4) with sides in a range that lie inside of an area x1, y1, x2, y2."""
    rng = np.random.default_rng(seed)
    low, high = np.array(area[:2], float), np.array(area[2:], float)
    sides = rng.uniform(shortest, longest, (number, 2))
    corners = rng.uniform(low, high - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
