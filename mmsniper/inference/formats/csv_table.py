"""A table of all detections."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

import numpy as np

from ..detections import ImageDetections
from .output import BOX_DIGITS, SCORE_DIGITS, CollectedFormat

HEADER = ('image', 'class', 'score', 'x1', 'y1', 'x2', 'y2', 'label', 'level')


class _EndOfLine:
    """Ends lines by a line feed. The writer itself would not quote a name with the other half."""

    def __init__(self, text: io.StringIO) -> None:
        self._text = text

    def write(self, line: str) -> None:
        self._text.write(line.removesuffix('\r\n') + '\n')


class CsvTable(CollectedFormat):
    """``predictions.csv``: a line per detection, boxes in pixels of the image; no masks."""

    file_name = 'predictions.csv'

    def pieces(self, images: Iterable[ImageDetections]) -> Iterator[str]:
        """See :class:`CollectedFormat`."""
        yield ','.join(HEADER) + '\n'
        for image in images:
            text = io.StringIO(newline='')
            writer = csv.writer(_EndOfLine(text))
            boxes = image.boxes.astype(np.float64).round(BOX_DIGITS).tolist()
            scores = image.scores.astype(np.float64).round(SCORE_DIGITS).tolist()
            for box, score, label, level in zip(
                boxes, scores, image.labels.tolist(), image.levels.tolist()
            ):
                writer.writerow([image.name, self.classes[label], score, *box, label, level])
            yield text.getvalue()
