"""How many pixels an image costs before and after the conversion."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.registry import DATASETS
from mmengine.registry import DefaultScope

from mmsniper.chips import box_levels, positive_chips
from mmsniper.datasets.annotation_file import annotation_files
from mmsniper.datasets.box_table import BoxTable, read_boxes

from .changes import Changes
from .recipe import Recipe
from .training_scale import COCO_SIZES, training_pixels

# Of the paper's levels on COCO: positive chips per image, and how much of a chip's square is image.
COCO_CHIPS_PER_IMAGE = 4.7
CHIP_FILLING = 0.95
# Sizes of so many images tell what the others cost.
MAX_SIZES = 100


@dataclass(frozen=True)
class Cost:
    """What an image costs.

    Attributes:
        image_pixels (float): Mean area of the network's input for an image of the source.
        chips_per_image (float): Chips for each image that the source trains.
        chip_pixels (float): Area of these together.
        basis (str): What the numbers are from, for a person.
        num_images (int, optional): How many images there are, where they were counted.
    """

    image_pixels: float
    chips_per_image: float
    chip_pixels: float
    basis: str
    num_images: int | None = None


def estimate_cost(
    images: dict,
    steps: Sequence[dict],
    batch_augments: Sequence[dict],
    recipe: Recipe,
    changes: Changes,
) -> Cost:
    """What an image costs before and after.

    Args:
        images (dict): Config of the dataset of images, with the source's filter.
        steps (Sequence[dict]): All steps of the source's training pipeline.
        batch_augments (Sequence[dict]): Of its data preprocessor.
        recipe (Recipe): Levels, valid ranges, chips.
        changes (Changes): Takes a note where the annotations are of no use.

    Returns:
        Cost: Counted from the annotations if they are there and the recipe does not say how many
        chips an image has.
    """
    square = recipe.chip_size**2
    if recipe.chips_per_image is None and is_there(images):
        try:
            return _measure(images, steps, batch_augments, recipe)
        except Exception as error:  # datasets can fail in any way on files that do not fit
            message = ' '.join(str(error).split())[:200]
            changes.note(
                'the annotations of the training cannot be read '
                f'({type(error).__name__}: {message})'
            )
    pixels = training_pixels(steps, batch_augments, COCO_SIZES)
    count = recipe.chips_per_image
    basis = 'as the recipe says'
    if count is None:
        count, basis = COCO_CHIPS_PER_IMAGE, 'as COCO has at the default levels'
        changes.note(
            f'without annotations to count chips in, {count} chips per image are assumed, as COCO '
            'has at the default levels; run sniperize where the data are, or give the number '
            '(--chips-per-image)'
        )
    return Cost(pixels, count, count * square * CHIP_FILLING, basis)


def is_there(images: dict) -> bool:
    """Whether the annotation files of a dataset's config are there."""
    files = [path for path, _ in annotation_files(images)]
    return bool(files) and all(os.path.isfile(path) for path in files)


def boxes_of(images: dict) -> BoxTable:
    """The boxes and the sizes of images of a dataset's config, whose files are there."""
    # What datasets print belongs to no one's standard output. Wrappers need a scope to build what
    # they hold.
    scope = DefaultScope.overwrite_default_scope('mmdet')
    with contextlib.redirect_stdout(sys.stderr), scope:
        dataset = DATASETS.build(dict(images))
        dataset.full_init()
        return read_boxes(dataset)


def _measure(
    images: dict, steps: Sequence[dict], batch_augments: Sequence[dict], recipe: Recipe
) -> Cost:
    boxes = boxes_of(images)
    pyramid = recipe.train_pyramid
    images = boxes.boxes, boxes.image_starts, boxes.heights, boxes.widths
    grid = pyramid, recipe.chip_size
    valid = box_levels(*images, *grid).valid
    chips = positive_chips(*images, *grid, recipe.stride, seed=0, valid=valid)
    if len(chips) == 0:
        raise ValueError('no image has a box in a valid range')
    scales = pyramid.scale_factors(boxes.heights, boxes.widths)[chips.image, chips.level]
    sides = (chips.boxes[:, 2:] - chips.boxes[:, :2]) * scales[:, None]
    chosen = np.unique(np.linspace(0, boxes.num_images - 1, MAX_SIZES).astype(int))
    sizes = list(zip(boxes.widths[chosen].tolist(), boxes.heights[chosen].tolist()))
    return Cost(
        image_pixels=training_pixels(steps, batch_augments, sizes),
        chips_per_image=len(chips) / boxes.num_images,
        chip_pixels=float(sides.prod(axis=1).sum() / boxes.num_images),
        basis='counted',
        num_images=boxes.num_images,
    )
