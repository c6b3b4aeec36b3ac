"""COCO's two kinds of JSON: a list of results, and a data set with detections as annotations."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pycocotools import mask as mask_util

from mmsniper.errors import InputError
from mmsniper.utils.json_file import read_json

from ..detections import ImageDetections
from .output import BOX_DIGITS, SCORE_DIGITS, CollectedFormat


class CocoIds:
    """The ids of images and categories: counted from 1, or those of an annotation file.

    Args:
        classes: Names by label.
        annotation_file: A COCO annotation file that has the same images, by their ``file_name``,
            and the classes by name. Results with its ids can be scored against it.

    Raises:
        InputError: It lacks a class.
    """

    def __init__(self, classes: Sequence[str], annotation_file: str | Path | None = None) -> None:
        self.annotation_file = annotation_file
        self._images: dict[str, int] = {}
        self.categories = list(range(1, len(classes) + 1))
        if annotation_file is None:
            return
        content = read_json(annotation_file, 'annotation file')
        try:
            self._images = {image['file_name']: image['id'] for image in content['images']}
            by_name = {each['name']: each['id'] for each in content['categories']}
        except (KeyError, TypeError) as error:
            raise InputError(f'{annotation_file} is no COCO annotation file: {error}') from error
        missing = [name for name in classes if name not in by_name]
        if missing:
            raise InputError(
                f'{annotation_file} has no category {missing[0]!r}, which the detector finds'
            )
        self.categories = [by_name[name] for name in classes]

    def of_image(self, image: ImageDetections) -> int:
        """The id of an image.

        Raises:
            InputError: The annotation file does not have it.
        """
        if self.annotation_file is None:
            return image.index + 1
        if image.name not in self._images:
            raise InputError(f'{self.annotation_file} has no image {image.name}')
        return self._images[image.name]


class CocoResults(CollectedFormat):
    """``predictions.json``: what COCO's evaluation loads as results.

    Args:
        folder: Where it goes.
        classes: Names by label.
        annotation_file: See :class:`CocoIds`.
    """

    file_name = 'predictions.json'

    def __init__(
        self,
        folder: Path,
        classes: Sequence[str],
        annotation_file: str | Path | None = None,
    ) -> None:
        super().__init__(folder, classes)
        self.ids = CocoIds(classes, annotation_file)

    def pieces(self, images: Iterable[ImageDetections]) -> Iterator[str]:
        """See :class:`CollectedFormat`."""
        results = (entry for image in images for entry in _entries(image, self.ids))
        yield '['
        yield from _separated(results)
        yield '\n]\n'


class CocoDataset(CocoResults):
    """``dataset.json``: a COCO data set whose annotations are the detections, with their scores."""

    file_name = 'dataset.json'

    def pieces(self, images: Iterable[ImageDetections]) -> Iterator[str]:
        """See :class:`CollectedFormat`."""
        numbers = itertools.count(1)
        # Annotations come behind all images, so they wait on the disk that they are written to.
        with tempfile.TemporaryFile('w+', encoding='utf-8', dir=self.folder) as annotations:
            yield '{"images": ['
            for place, image in enumerate(images):
                described = dict(
                    id=self.ids.of_image(image),
                    file_name=image.name,
                    width=image.width,
                    height=image.height,
                )
                yield (',\n' if place else '\n') + json.dumps(described)
                for entry in _entries(image, self.ids):
                    number = next(numbers)
                    numbered = dict(id=number, **entry, area=_area(entry), iscrowd=0)
                    annotations.write((',\n' if number > 1 else '\n') + json.dumps(numbered))
            yield '\n], "annotations": ['
            annotations.seek(0)
            yield from annotations
        categories = [
            dict(id=number, name=name) for number, name in zip(self.ids.categories, self.classes)
        ]
        yield f'\n], "categories": {json.dumps(categories)}}}\n'


def _entries(image: ImageDetections, ids: CocoIds) -> Iterator[dict]:
    number = ids.of_image(image)
    corners = image.boxes.astype(np.float64)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    boxes = boxes.round(BOX_DIGITS).tolist()
    scores = image.scores.astype(np.float64).round(SCORE_DIGITS).tolist()
    masks: Sequence[Mapping | None] = image.masks or [None] * len(image)
    for box, score, label, mask in zip(boxes, scores, image.labels.tolist(), masks):
        entry = dict(image_id=number, category_id=ids.categories[label], bbox=box, score=score)
        yield entry if mask is None else dict(entry, segmentation=dict(mask))


def _area(entry: Mapping) -> float:
    if 'segmentation' in entry:
        return float(mask_util.area(entry['segmentation']))
    width, height = entry['bbox'][2:]
    return round(width * height, BOX_DIGITS)


def _separated(entries: Iterable[dict]) -> Iterator[str]:
    for place, entry in enumerate(entries):
        yield (',\n' if place else '\n') + json.dumps(entry)
