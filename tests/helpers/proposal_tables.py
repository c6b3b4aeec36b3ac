"""Tables of proposals for the tests."""

from __future__ import annotations

import json
from pathlib import Path

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


def scattered_proposals(annotation_file, number: int, share: float, seed: int) -> ProposalTable:
    """Proposals of all images of a COCO file, as a lightly trained RPN may have them.

    Args:
        annotation_file: Path of the file.
        number: Proposals of each image.
        share: Of them around the image's objects; the others lie anywhere, of 8 to 400 px.
        seed: Of the draw.
    """
    content = json.loads(Path(annotation_file).read_text())
    rng = np.random.default_rng(seed)
    boxes_of, sizes = {}, {}
    for image in content['images']:
        bounds = np.array([image['width'], image['height']])
        objects = [a['bbox'] for a in content['annotations'] if a['image_id'] == image['id']]
        around = int(number * share) if objects else 0
        sides = np.exp(rng.uniform(np.log(8), np.log(400), (number - around, 1)))
        sides = np.minimum(sides * np.exp(rng.normal(0, 0.3, (number - around, 2))), bounds)
        corners = rng.random((number - around, 2)) * (bounds - sides)
        boxes = [np.concatenate([corners, corners + sides], axis=1)]
        if around:
            chosen = np.array(objects)[rng.integers(0, len(objects), around)]
            chosen = np.concatenate([chosen[:, :2], chosen[:, :2] + chosen[:, 2:]], axis=1)
            spread = np.tile(chosen[:, 2:] - chosen[:, :2], 2)
            boxes.append(chosen + rng.normal(0, 0.2, (around, 4)) * spread)
        boxes = np.concatenate(boxes).clip(0, np.tile(bounds, 2))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        boxes_of[image['file_name']] = boxes
        sizes[image['file_name']] = (image['height'], image['width'])
    return proposal_table(boxes_of, sizes)
