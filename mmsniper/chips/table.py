"""The flat table that chips are kept in."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ChipTable:
    """Chips of many images as one array per column, so that a million chips cost no Python object.

    Attributes:
        image (np.ndarray): (n,) int64, the index of the image that a chip is cut from.
        level (np.ndarray): (n,) int64, the pyramid level that a chip is seen at, 0 is the finest.
        boxes (np.ndarray): (n, 4) float32 xyxy in pixels of the original image, half-open, with
            integer values: ``image[y1:y2, x1:x2]`` is the chip.
    """

    image: np.ndarray
    level: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.image)
