"""What a detector has found, drawn into its image."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mmengine.logging import print_log

from mmsniper.errors import InputError
from mmsniper.merging.rle import crop_runs, rle_to_runs

from .canvas import caption, outline_boxes, stack
from .colours import class_colour, level_colour, text_colour
from .label_layout import place_labels
from .text import can_draw, line_height, put_text, shorten, text_width

if TYPE_CHECKING:
    from mmsniper.inference.detections import ImageDetections

COLOURINGS = ('class', 'level')
LEGENDS = ('auto', 'names', 'counts', 'none')
MIN_TEXT, USUAL_TEXT, USUAL_SIDE = 10, 14, 554  # pixels; a side of 554 is that of 640x480
_MASK_OPACITY = 0.45
_told: set[tuple[int, str]] = set()


def draw_detections(
    picture: np.ndarray,
    detections: ImageDetections,
    classes: Sequence[str],
    colour_by: str = 'class',
    *,
    level_names: Sequence[str] | None = None,
    legend: str = 'auto',
    labels: bool = True,
) -> np.ndarray:
    """Draw boxes, masks, class names and scores.

    Lines and letters grow with the picture, so that it can be read when it is shown at the size of
    a screen, and shrink to what small objects leave room for. Every box is drawn; where there are
    many, labels are drawn for those of the best scores that have room.

    Args:
        picture (np.ndarray): Shape (h, w, 3), uint8 BGR; not changed.
        detections (ImageDetections): Of this picture; boxes in its pixels and masks of its size.
        classes (Sequence[str]): Names by label. A label beyond them is called 'class N'.
        colour_by (str): 'class', or 'level' for the pyramid level that found each.
        level_names (Sequence[str], optional): What the legend calls the levels, the finest first.
            Defaults to 'level 0' and so on for the levels that found something.
        legend (str): What a strip below the picture tells: 'names' of what the colours mean,
            'counts' how often they come as well, 'none' that there is no strip. Defaults to 'auto':
            'counts' where colours mean levels, else 'none'.
        labels (bool): Whether to draw names and scores. Without them lines are two pixels thick.
            Defaults to True.

    Returns:
        np.ndarray: Shape (h, w, 3), uint8 BGR; higher by the legend, if there is one.

    Raises:
        InputError: ``colour_by`` is unknown, or a mask is not of the picture's size.
    """
    if colour_by not in COLOURINGS:
        raise InputError(f'colour_by={colour_by!r} must be one of {", ".join(COLOURINGS)}')
    if legend not in LEGENDS:
        raise InputError(f'legend={legend!r} must be one of {", ".join(LEGENDS)}')
    keys = np.asarray(detections.labels if colour_by == 'class' else detections.levels)
    colour_of = class_colour if colour_by == 'class' else level_colour
    boxes = np.asarray(detections.boxes, np.float64).reshape(-1, 4)
    height, width = picture.shape[:2]
    size = text_size(width, height, boxes)
    drawn = np.array(picture, order='C')
    # Two pixels are seen in a picture of any size, and have no dark rim that hides small boxes.
    thickness = _thickness(size, boxes) if labels else 2
    if detections.masks is not None:
        _draw_masks(drawn, detections.masks, boxes, [colour_of(key) for key in keys.tolist()], size)
        thickness = min(thickness, 2)
    for key in np.unique(keys).tolist():
        outline_boxes(drawn, boxes[keys == key], colour_of(key), thickness)
    names = class_names(classes, detections.labels)
    if labels:
        colours = [colour_of(key) for key in keys.tolist()]
        _draw_labels(drawn, boxes, detections, names, colours, size)
    if legend == 'auto':
        legend = 'counts' if colour_by == 'level' else 'none'
    if legend != 'none':
        named = names if colour_by == 'class' else dict(enumerate(level_names or []))
        parts = _legend(keys, named, legend == 'counts')
        coloured = [(text, colour_of(key)) for key, text in parts.items()]
        strip = caption(coloured or ['nothing found'], width, text_size(width, height))
        drawn = stack([drawn, strip])
    return drawn


def class_names(classes: Sequence[str], labels: np.ndarray) -> dict[int, str]:
    """What to call the classes of some labels: their names, if there is a font that has them.

    What has none is called 'class N', which the log says once.
    """
    names = {}
    for label in np.unique(labels).tolist():
        name = str(classes[label]) if 0 <= label < len(classes) else ''
        if name and not can_draw(name):
            if (label, name) not in _told:
                _told.add((label, name))
                print_log(
                    f'no font of this machine has all letters of class {name!r}, so pictures call '
                    f"it 'class {label}'; install a font that has them, such as Noto Sans CJK",
                    logger='current',
                    level=logging.WARNING,
                )
            name = ''
        names[label] = name or f'class {label}'
    return names


def text_size(width: int, height: int, boxes: np.ndarray | None = None) -> int:
    """Height of the letters in a picture, pixels.

    Args:
        width (int): Of the picture, pixels.
        height (int): Likewise.
        boxes (np.ndarray, optional): Shape (n, 4), xyxy; letters shrink to fit small ones, as far
            as they can still be read.
    """
    # Less than in proportion: large pictures have small objects, and are looked at closely.
    usual = USUAL_TEXT * (np.sqrt(width * height) / USUAL_SIDE) ** 0.7
    if boxes is not None and len(boxes):
        usual = np.clip(0.4 * _usual_side(boxes), 0.65 * usual, usual)
    return max(MIN_TEXT, round(usual))


def _usual_side(boxes: np.ndarray) -> float:
    """The median of sqrt(w * h)."""
    return float(np.median(np.sqrt(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1))))


def _thickness(size: int, boxes: np.ndarray) -> int:
    usual = max(1, round(size / 7))
    # Or the lines would hide what is in small boxes.
    return usual if not len(boxes) else int(np.clip(_usual_side(boxes) / 10, 1, usual))


def _draw_masks(
    picture: np.ndarray, masks: Sequence, boxes: np.ndarray, colours: Sequence, size: int
) -> None:
    height, width = picture.shape[:2]
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for index in np.argsort(-areas, kind='stable').tolist():  # small ones stay visible
        rle, colour = masks[index], np.array(colours[index])
        if tuple(rle['size']) != (height, width):
            raise InputError(
                f'a mask of size {list(rle["size"])} cannot be drawn into a picture of '
                f'{[height, width]} (height, width)'
            )
        runs = rle_to_runs(rle)
        if not len(runs):
            continue
        left, right = runs[0, 0], runs[-1, 0] + 1
        top, bottom = runs[:, 1].min(), runs[:, 2].max()
        bitmap = _decode(crop_runs(runs, (left, top, right, bottom)), bottom - top, right - left)
        part = picture[top:bottom, left:right]
        blended = part[bitmap] * (1 - _MASK_OPACITY) + colour * _MASK_OPACITY
        part[bitmap] = np.rint(blended).astype(np.uint8)
        contours, _ = cv2.findContours(
            bitmap.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE, offset=(left, top)
        )
        cv2.drawContours(picture, contours, -1, colour.tolist(), max(1, size // 12))


def _decode(runs: np.ndarray, height: int, width: int) -> np.ndarray:
    """A bitmap, shape (height, width), of runs inside it."""
    borders = np.zeros((height + 1, width), np.int8)
    np.add.at(borders, (runs[:, 1], runs[:, 0]), 1)
    np.add.at(borders, (runs[:, 2], runs[:, 0]), -1)
    return np.cumsum(borders[:-1], axis=0, dtype=np.int8).astype(bool)


def _draw_labels(
    picture: np.ndarray,
    boxes: np.ndarray,
    detections: ImageDetections,
    names: dict[int, str],
    colours: Sequence,
    size: int,
) -> None:
    height, width = picture.shape[:2]
    padding = max(1, round(size / 6))
    texts = [
        _label(names[label], f'{score:.2f}', size, width - 2 * padding)
        for label, score in zip(detections.labels.tolist(), detections.scores.tolist())
    ]
    sizes = np.array(
        [(text_width(text, size) + 2 * padding, line_height(size)) for text in texts], np.int64
    ).reshape(-1, 2)
    order = np.argsort(-np.asarray(detections.scores), kind='stable')
    places = place_labels(boxes[order], sizes[order], width, height)
    for index, (left, top) in zip(order.tolist(), places.tolist()):
        if left < 0:
            continue
        own_width, own_height = sizes[index]
        colour = colours[index]
        picture[top : top + own_height, left : left + own_width] = colour
        put_text(picture, texts[index], (left + padding, top), size, text_colour(colour))


def _label(name: str, score: str, size: int, width: int) -> str:
    """Name and score in so many pixels; of a long name what fits."""
    whole = f'{name} {score}'
    if text_width(whole, size) <= width:
        return whole
    name = shorten(name, size, width - text_width(f' {score}', size))
    return f'{name} {score}' if name else score


def _legend(keys: np.ndarray, named: dict[int, str], counted: bool) -> dict[int, str]:
    """What to say of each class or level: of those that have names, and of all others found."""
    found, counts = np.unique(keys, return_counts=True)
    numbers = {**dict.fromkeys(named, 0), **dict(zip(found.tolist(), counts.tolist()))}
    names = {key: named.get(key, f'level {key}') for key in sorted(numbers)}
    return {key: f'{name}: {numbers[key]}' if counted else name for key, name in names.items()}
