"""What is found in one image: plain arrays, which is all that files and pictures are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmsniper.focus import Marks


@dataclass(frozen=True, eq=False)
class ImageDetections:
    """The merged detections of an image, by falling score.

    ``n`` detections; all that is in pixels is in those of the upright original image, as boxes of
    MMDetection are: half-open, 0 is the image's left or upper border.

    Attributes:
        index: The place of the image among all inputs, from 0.
        name: What to call it in results, unique among the inputs: its path below the folder that
            was given, with '/' and its ending, such as 'north/0001.jpg'; of a frame
            'clip.mp4/000012'; of an array 'image-000000'.
        path: Its file, or that of its video; None for what was given as an array.
        width: Of the image, pixels.
        height: Likewise.
        boxes: Shape (n, 4), float32, xyxy in pixels.
        scores: Shape (n,), float32.
        labels: Shape (n,), int64, from 0.
        levels: Shape (n,), int64, the pyramid level that found each, 0 is the finest.
        masks: A COCO RLE of the whole image each, ``counts`` a str; None of a detector of boxes.
        fault: Why there is no result, as one sentence; None if all went well.
        marks: Of a view, where it calls for a look at a finer level, if anything does.
    """

    index: int
    name: str
    path: str | None
    width: int
    height: int
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    levels: np.ndarray
    masks: Sequence[Mapping[str, Any]] | None = None
    fault: str | None = None
    marks: Marks | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def of(self, chosen: np.ndarray) -> ImageDetections:
        """Some of the detections, by indices or a mask of shape (n,)."""
        indices = np.arange(len(self))[chosen]
        return replace(
            self,
            boxes=self.boxes[indices],
            scores=self.scores[indices],
            labels=self.labels[indices],
            levels=self.levels[indices],
            masks=None if self.masks is None else [self.masks[index] for index in indices],
        )

    @classmethod
    def broken(cls, index: int, name: str, path: str | None, fault: str) -> ImageDetections:
        """An image that could not be looked at."""
        none = np.zeros(0, np.int64)
        boxes, scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        return cls(index, name, path, 0, 0, boxes, scores, none, none, fault=fault)

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON, from which :meth:`from_json` makes the same again."""
        marks = {} if self.marks is None else dict(marks=self.marks.to_json())
        return dict(
            index=self.index,
            name=self.name,
            path=self.path,
            width=self.width,
            height=self.height,
            # A float32 is a float64 without loss.
            boxes=self.boxes.astype(np.float64).tolist(),
            scores=self.scores.astype(np.float64).tolist(),
            labels=self.labels.tolist(),
            levels=self.levels.tolist(),
            masks=None if self.masks is None else [dict(mask) for mask in self.masks],
            fault=self.fault,
            **marks,
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ImageDetections:
        """What :meth:`to_json` has written."""
        marks = content.get('marks')
        return cls(
            **{
                **content,
                'marks': None if marks is None else Marks.from_json(marks),
                'boxes': np.array(content['boxes'], np.float32).reshape(-1, 4),
                'scores': np.array(content['scores'], np.float32),
                'labels': np.array(content['labels'], np.int64),
                'levels': np.array(content['levels'], np.int64),
            }
        )
