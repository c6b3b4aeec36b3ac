"""Photographs with their annotations out of COCO files, to be shown at another size and place.

Shapes: n annotations of a photograph. Boxes are xyxy in its pixels and lie inside of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_util

from mmsniper.errors import InputError
from mmsniper.images import BrokenImageError, read_image
from mmsniper.utils.coco_entries import check_annotations, check_categories, check_images
from mmsniper.utils.json_file import read_json

CATEGORY_CHOICES = ('all', 'super', 'single')


@dataclass(frozen=True)
class Photograph:
    """One image of a source.

    Attributes:
        path: The picture's file.
        width: In pixels.
        height: In pixels.
        boxes: (n, 4) float64.
        crowd: (n,) bool.
        names: (n,) class of each annotation.
        areas: (n,) float64, of the objects (not of their boxes) in square pixels.
        outlines: (n,) COCO segmentation of each: polygons, an RLE, or None.
    """

    path: Path
    width: int
    height: int
    boxes: np.ndarray
    crowd: np.ndarray
    names: tuple[str, ...]
    areas: np.ndarray
    outlines: tuple[Any, ...]

    def load(self) -> np.ndarray:
        """Reads the picture.

        Returns:
            np.ndarray: (height, width, 3) uint8 BGR.

        Raises:
            InputError: It is no whole picture, or of another size than its annotation file says.
        """
        try:
            image = read_image(self.path)
        except BrokenImageError as error:
            raise InputError(f'image {self.path} cannot be read as a picture: {error}') from error
        if image.shape[:2] != (self.height, self.width):
            raise InputError(
                f'image {self.path} has {image.shape[1]}x{image.shape[0]} pixels, but its '
                f'annotation file says {self.width}x{self.height}: correct one of them'
            )
        return image


def class_name(category: dict[str, Any], choice: str) -> str:
    """The class of a COCO category.

    Args:
        category: An entry of ``categories``.
        choice: ``'all'``: its name; ``'super'``: its supercategory, or its name if it has none;
            ``'single'``: ``'object'``.
    """
    if choice == 'single':
        return 'object'
    name = category.get('supercategory') if choice == 'super' else None
    return category['name'] if name in (None, '', 'none') else name


def read_source(path: Path, folder: Path, choice: str) -> tuple[list[Photograph], list[str]]:
    """Reads the annotations of a source; pictures are looked for, but not opened.

    Boxes are clipped to their image; what lies outside of it is left out.

    Args:
        path: COCO annotation file.
        folder: Its images.
        choice: One of ``CATEGORY_CHOICES``, see ``class_name``.

    Returns:
        tuple: The photographs in the order of the file, and the classes in that of its categories,
        each once.

    Raises:
        InputError: The file cannot be used, or one of its images is missing.
    """
    content = read_json(path, 'annotation file')
    try:
        classes = {entry['id']: class_name(entry, choice) for entry in content['categories']}
        annotations: dict[Any, list[dict]] = {entry['id']: [] for entry in content['images']}
        for entry in content['annotations']:
            _check_annotation(path, entry, annotations, classes)
            annotations[entry['image_id']].append(entry)
        photographs = [
            _photograph(path, folder, entry, annotations[entry['id']], classes)
            for entry in content['images']
        ]
        check_images(str(path), content['images'])
        check_annotations(str(path), content['annotations'], ('image_id', 'category_id', 'bbox'))
        check_categories(str(path), content['categories'])
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f'annotation file {path} is not in COCO format ({type(error).__name__}: {error}): it '
            'needs images with id, file_name, height and width, annotations with image_id, '
            'category_id and bbox, and categories with id and name'
        ) from error
    if not photographs:
        raise InputError(f'annotation file {path} lists no images: name a source that has some')
    return photographs, list(dict.fromkeys(classes.values()))


def fingerprint(path: Path, photographs: Sequence[Photograph]) -> str:
    """Tells whether a source is still the same: a hash of its annotation file and of how many bytes
    each of its images has, wherever they lie."""
    digest = hashlib.sha256(path.read_bytes())
    digest.update(json.dumps([photo.path.stat().st_size for photo in photographs]).encode())
    return digest.hexdigest()


def scale_outline(
    outline: Any, photograph: Photograph, place: Sequence[int], canvas: Sequence[int]
) -> Any:
    """A segmentation of a photograph that is shown resized on a canvas.

    Args:
        outline: Polygons or an RLE in COCO format, of the whole photograph.
        photograph: Where it is from.
        place: (x, y, width, height) that the photograph fills on the canvas, whole pixels.
        canvas: (height, width).

    Returns:
        Polygons, or an RLE whose ``counts`` are numbers, as COCO's own.
    """
    x, y, width, height = place
    if isinstance(outline, dict):
        mask = mask_util.decode(_compressed(outline))
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        whole = np.zeros(tuple(canvas), np.uint8)
        whole[y : y + height, x : x + width] = mask
        columns = whole.T.reshape(-1)
        borders = np.flatnonzero(np.diff(columns, prepend=np.uint8(0)))
        counts = np.diff(borders, prepend=0, append=columns.size)
        return dict(size=list(canvas), counts=counts.tolist())
    size, start = (photograph.width, photograph.height), (x, y)
    factor = np.array([width, height]) / size
    polygons = [np.array(p, np.float64).reshape(-1, 2).clip(0, size) for p in outline]
    return [(p * factor + start).round(2).ravel().tolist() for p in polygons]


def _compressed(rle: dict[str, Any]) -> dict[str, Any]:
    height, width = rle['size']
    return mask_util.frPyObjects(rle, height, width) if isinstance(rle['counts'], list) else rle


def _check_annotation(path: Path, entry: dict, images: dict, classes: dict) -> None:
    """Raises InputError for an annotation that points nowhere or has no box."""
    name = f'annotation {entry.get("id")} of {path}'
    if entry['image_id'] not in images:
        raise InputError(f'{name} is of image {entry["image_id"]}, which is not listed: remove it')
    if entry['category_id'] not in classes:
        raise InputError(
            f'{name} is of category {entry["category_id"]}, which is not listed: add it'
        )
    box = np.array(entry['bbox'], np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] < 0).any():
        raise InputError(
            f'{name} has the box {entry["bbox"]}: give x, y, width and height, or remove it'
        )
    outline = entry.get('segmentation')
    if isinstance(outline, list) and any(len(polygon) % 2 for polygon in outline):
        raise InputError(f'{name} has a polygon with an x without a y: repair or remove it')


def _photograph(
    path: Path, folder: Path, image: dict, entries: list[dict], classes: dict
) -> Photograph:
    file, width, height = folder / image['file_name'], int(image['width']), int(image['height'])
    if width < 1 or height < 1:
        raise InputError(f'image {file} has {width}x{height} pixels in {path}: correct it')
    if not file.is_file():
        raise InputError(
            f'image {file} of {path} does not exist: give the folder that the images are in'
        )
    size = np.array([width, height] * 2)
    boxes = np.array([entry['bbox'] for entry in entries], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    inside = ((boxes[:, :2] < size[:2]) & (boxes[:, 2:] > 0)).all(axis=1)
    kept = [entry for entry, is_inside in zip(entries, inside) if is_inside]
    areas = [entry.get('area', entry['bbox'][2] * entry['bbox'][3]) for entry in kept]
    return Photograph(
        path=file,
        width=width,
        height=height,
        boxes=boxes[inside].clip(0, size),
        crowd=np.array([bool(entry.get('iscrowd', 0)) for entry in kept], bool),
        names=tuple(classes[entry['category_id']] for entry in kept),
        areas=np.array(areas, np.float64),
        outlines=tuple(entry.get('segmentation') or None for entry in kept),
    )
