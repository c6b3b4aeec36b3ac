"""A few drawn images of objects of several sizes, below a folder."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

SIZES = ((160, 200), (200, 160), (176, 192))  # height and width of each image
# Corners of the objects as shares of the image: small ones, middling ones and a large one.
_OBJECTS = np.array(
    [
        (0.05, 0.05, 0.15, 0.16),
        (0.75, 0.10, 0.86, 0.19),
        (0.30, 0.06, 0.56, 0.30),
        (0.62, 0.60, 0.90, 0.92),
        (0.04, 0.33, 0.58, 0.95),
    ]
)
_NUM_PROPOSALS = 30


class DrawnImages:
    """Drawn images with objects of several sizes, their segmentation maps and proposals.

    Args:
        folder: Where to write.

    Attributes:
        images: Name, height, width and boxes (xyxy in whole pixels) of each.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        for part in ('images', 'segmentation'):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.images = []
        for index, (height, width) in enumerate(SIZES):
            boxes = np.rint(_OBJECTS * [width, height, width, height]).astype(int).tolist()
            image = rng.integers(0, 80, (height, width, 3), np.uint8)
            regions = np.full((height, width), 255, np.uint8)
            for number, box in enumerate(boxes):
                points = np.array(corners_of(box)).reshape(-1, 2)
                colour = rng.integers(120, 255, 3).tolist()
                cv2.fillPoly(image, [points], colour)
                cv2.fillPoly(regions, [points], number)
            cv2.imwrite(str(folder / 'images' / f'{index}.jpg'), image)
            cv2.imwrite(str(folder / 'segmentation' / f'{index}.png'), regions)
            self.images.append((str(index), height, width, boxes))

    def once(self, name: str, write: Callable[[Path], None]) -> Path:
        """A file in the folder, which is written unless it is there."""
        path = self.folder / name
        if not path.exists():
            write(path)
        return path

    def proposals(self) -> Path:
        """Boxes on and around the objects, as an RPN's."""
        rng = np.random.default_rng(0)
        found = {}
        for name, height, width, boxes in self.images:
            near = np.array(boxes)[rng.integers(0, len(boxes), _NUM_PROPOSALS)]
            near = near + rng.normal(0, 5, near.shape)
            near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 4)
            near = near.clip(0, [width, height, width, height]).astype(np.float32)
            scores = rng.random(_NUM_PROPOSALS).astype(np.float32)
            found[f'images/{name}.jpg'] = dict(bboxes=near, scores=scores)
        return self.once('proposals.pkl', lambda path: path.write_bytes(pickle.dumps(found)))


def corners_of(box: Sequence[int]) -> list[int]:
    """A polygon with a corner cut off, so that masks differ from boxes."""
    left, top, right, bottom = box
    return [
        left,
        top,
        right,
        top,
        right,
        (top + bottom) // 2,
        (left + right) // 2,
        bottom,
        left,
        bottom,
    ]
