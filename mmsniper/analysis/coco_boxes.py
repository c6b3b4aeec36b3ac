"""The boxes of COCO annotation files in flat arrays, read without any dataset class.

Shapes: n boxes, m images.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmsniper.errors import InputError
from mmsniper.utils.coco_entries import check_annotations, check_images

# MMDetection's CocoDataset leaves out boxes with a side below it, in pixels.
MIN_SIDE = 1


class Annotations(NamedTuple):
    """Boxes of n objects in m images, laid out as ``positive_chips`` takes them.

    Attributes:
        boxes (np.ndarray): (n, 4) float32 xyxy in pixels of the original image, image after image.
        image_starts (np.ndarray): (m + 1,) int64; the boxes of image i are those from
            ``image_starts[i]`` up to ``image_starts[i + 1]``.
        heights (np.ndarray): (m,) int64 in pixels.
        widths (np.ndarray): (m,) int64 in pixels.
    """

    boxes: np.ndarray
    image_starts: np.ndarray
    heights: np.ndarray
    widths: np.ndarray


@dataclass(frozen=True)
class PooledAnnotations:
    """The usable boxes of one or several annotation files, and what was left out.

    Attributes:
        annotations (Annotations): All images; boxes clipped to them, every one usable.
        num_crowds (int): How many crowd annotations were left out.
        unusable (dict[str, int]): How many boxes were left out because no detector can be trained
            on them, by reason; a reason without a box is not in it.
    """

    annotations: Annotations
    num_crowds: int
    unusable: dict[str, int]


def load_annotations(path: str) -> Annotations:
    """Read the boxes of a COCO file without its crowds.

    Args:
        path (str): The JSON file.

    Returns:
        Annotations: All images of the file, in its order; boxes as they are in the file.

    Raises:
        InputError: If the file is missing, no COCO file, or without images, or if an annotation is
            broken.
    """
    annotations, _ = _read_file(path)
    if not np.isfinite(annotations.boxes).all():
        raise InputError(
            f'{path} has annotations without a box of four finite numbers; repair or remove them.'
        )
    return annotations


def pool_annotations(paths: Sequence[str]) -> PooledAnnotations:
    """Read several COCO files as one data set, and leave out what cannot be trained on.

    Args:
        paths (Sequence[str]): The JSON files.

    Returns:
        PooledAnnotations: The images of all files, one after the other.

    Raises:
        InputError: If a file cannot be used, or if there is no usable box in all of them.
    """
    files = [_read_file(path) for path in paths]
    boxes = np.concatenate([annotations.boxes for annotations, _ in files])
    heights = np.concatenate([annotations.heights for annotations, _ in files])
    widths = np.concatenate([annotations.widths for annotations, _ in files])
    counts = np.concatenate([np.diff(annotations.image_starts) for annotations, _ in files])
    image = np.repeat(np.arange(len(heights)), counts)
    limits = np.stack([widths, heights, widths, heights], axis=1)[image]
    reasons = _unusable_boxes(boxes, limits[:, :2])
    usable = ~np.any(list(reasons.values()), axis=0)
    unusable = {reason: int(marked.sum()) for reason, marked in reasons.items() if marked.any()}
    num_crowds = sum(crowds for _, crowds in files)
    if not usable.any():
        counts = {'crowds': num_crowds, **unusable}
        left_out = ', '.join(f'{reason}: {count}' for reason, count in counts.items() if count)
        raise InputError(
            f'{", ".join(map(str, paths))} has no object that can be trained on'
            f'{f" (left out are {left_out})" if left_out else ""}; give '
            'annotations with at least one box.'
        )
    starts = np.concatenate(([0], np.cumsum(np.bincount(image[usable], minlength=len(heights)))))
    # As ChipDataset does: what sticks out of the image is not seen.
    clipped = boxes[usable].clip(0, limits[usable]).astype(np.float32)
    return PooledAnnotations(Annotations(clipped, starts, heights, widths), num_crowds, unusable)


def sample_images(annotations: Annotations, max_images: int, seed: int) -> Annotations:
    """Draw images at random, so that measuring a large data set takes seconds.

    Args:
        annotations (Annotations): Of m images.
        max_images (int): How many images to keep at most.
        seed (int): The same seed draws the same images.

    Returns:
        Annotations: ``annotations`` itself if it has no more images, or the chosen ones in order.
    """
    boxes, starts, heights, widths = annotations
    if len(heights) <= max_images:
        return annotations
    drawn = np.random.default_rng(seed).choice(len(heights), max_images, replace=False)
    chosen = np.zeros(len(heights), bool)
    chosen[drawn] = True
    counts = np.diff(starts)
    new_starts = np.concatenate(([0], np.cumsum(counts[chosen])))
    return Annotations(
        boxes[np.repeat(chosen, counts)], new_starts, heights[chosen], widths[chosen]
    )


def _read_file(path: str) -> tuple[Annotations, int]:
    """The boxes of one file, finite or not, and the number of crowds that are not among them."""
    if not Path(path).is_file():
        raise InputError(f'{path} is not a file; give the path of a COCO annotation file.')
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        images = content['images']
        if not isinstance(images, list) or not isinstance(content['annotations'], list):
            raise TypeError('images and annotations are no lists')
        _check_image_sizes(path, images)
        check_images(path, images, keys=('id',))
        check_annotations(path, content['annotations'], keys=('image_id', 'bbox'))
        objects = [entry for entry in content['annotations'] if not entry.get('iscrowd', 0)]
        heights = np.array([image['height'] for image in images], dtype=np.int64)
        widths = np.array([image['width'] for image in images], dtype=np.int64)
        index_of = {image['id']: index for index, image in enumerate(images)}
        owners = np.array([index_of.get(entry['image_id'], -1) for entry in objects], np.int64)
        corners = np.array([entry['bbox'] for entry in objects], np.float32).reshape(-1, 4)
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}.') from error
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f'{path} is no COCO annotation file ({type(error).__name__}: {error}); it needs images '
            'with id, height and width, and annotations with image_id and bbox.'
        ) from error
    if not images:
        raise InputError(f'{path} has no images; give an annotation file with at least one.')
    if (owners < 0).any():
        lost = objects[int(np.argmax(owners < 0))]
        raise InputError(
            f'{path} has {(owners < 0).sum()} annotations of images that it does not list (the '
            f'first is of image {lost["image_id"]!r}); repair or remove them.'
        )
    boxes = np.concatenate((corners[:, :2], corners[:, :2] + corners[:, 2:]), axis=1)
    counts = np.bincount(owners, minlength=len(images))
    starts = np.concatenate(([0], np.cumsum(counts)))
    annotations = Annotations(boxes[np.argsort(owners, kind='stable')], starts, heights, widths)
    return annotations, len(content['annotations']) - len(objects)


def _check_image_sizes(path: str, images: list[dict[str, Any]]) -> None:
    """Some tools write COCO files without the sizes of the images; say so in their words."""
    missing = [image for image in images if image.get('height') is None or not image.get('width')]
    if missing:
        name = missing[0].get('file_name', missing[0].get('id'))
        raise InputError(
            f'{path} gives no height and width for {len(missing)} of its {len(images)} images '
            f'(the first is {name}); add both, in pixels.'
        )


def _unusable_boxes(boxes: np.ndarray, limits: np.ndarray) -> dict[str, np.ndarray]:
    """Boxes that MMDetection leaves out of training.

    Args:
        boxes (np.ndarray): (n, 4) xyxy in pixels.
        limits (np.ndarray): (n, 2) width and height of the image of each box.

    Returns:
        dict[str, np.ndarray]: For each reason the boxes it applies to, (n,) bool; no box has two.
    """
    finite = np.isfinite(boxes).all(axis=1)
    sides = np.where(finite[:, None], boxes[:, 2:] - boxes[:, :2], 0)
    thin = finite & (sides < MIN_SIDE).any(axis=1)
    inside = (boxes[:, :2] < limits).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    return {
        'not finite': ~finite,
        f'with a side below {MIN_SIDE} px': thin,
        'outside their image': finite & ~thin & ~inside,
    }
