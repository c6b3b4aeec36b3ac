"""The flat table that chips are kept in."""

from __future__ import annotations

from collections.abc import Sequence
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
        negative (np.ndarray, optional): (n,) bool, whether a chip was chosen for its proposals
            rather than for its objects. Defaults to False for all.
    """

    image: np.ndarray
    level: np.ndarray
    boxes: np.ndarray
    negative: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.negative is None:
            object.__setattr__(self, 'negative', np.zeros(len(self.image), bool))

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: np.ndarray) -> ChipTable:
        """The table of some rows, given by their indices or by a mask."""
        return ChipTable(self.image[rows], self.level[rows], self.boxes[rows], self.negative[rows])

    @staticmethod
    def join(tables: Sequence[ChipTable]) -> ChipTable:
        """One table of several: by image, then by level, then in the order given."""
        image, level, boxes, negative = (
            np.concatenate([getattr(table, column) for table in tables])
            for column in ('image', 'level', 'boxes', 'negative')
        )
        return ChipTable(image, level, boxes, negative)[np.lexsort((level, image))]
