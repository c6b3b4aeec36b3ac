"""What the log says of a dataset of chips once it has read its annotations."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from mmengine.logging import print_log

from mmsniper.chips import box_sizes, overlap_warning

from .box_table import BoxTable

# Objects that a line names.
MAX_NAMED = 3


def log_warnings(sentences: Iterable[str]) -> None:
    """Warn, with each sentence once."""
    for sentence in dict.fromkeys(sentences):
        _log(sentence, logging.WARNING)


def log_dropped_boxes(boxes: BoxTable, dropped_by_coco: int) -> None:
    """Warn of boxes that cannot be trained on, by reason."""
    dropped = dict(boxes.dropped)
    if dropped_by_coco:
        dropped['not finite, below 1 px or outside the image'] = dropped_by_coco
    if dropped:
        reasons = ', '.join(f'{count} {reason}' for reason, count in dropped.items())
        _log(f'ChipDataset dropped {sum(dropped.values())} boxes: {reasons}.', logging.WARNING)


def log_objects_without_chips(dataset) -> None:
    """Count and name the objects of a ChipDataset that have no chip at the levels of their size.

    In testing these are the ones that no valid range holds.
    """
    boxes = dataset.boxes
    if dataset.test_mode:
        outside = ~dataset.pyramid.in_range(box_sizes(boxes.boxes)).any(axis=1)
        _log_objects(boxes, outside, 'in no valid range, so that none like them is ever detected')
        return
    levels = dataset.object_levels
    for chosen, what, level in (
        (levels.out_of_range, 'in no valid range and always ignored', logging.WARNING),
        (
            levels.promoted,
            'longer than a chip of the levels of their size, and shown at the next coarser level',
            logging.INFO,
        ),
        (
            levels.too_long,
            'longer than a chip of any level from that of their size on: none shows them whole, '
            'and they count where one shows enough of them; add a coarser level',
            logging.WARNING,
        ),
        (
            levels.too_thin,
            'below 2 px thin: no chip is made for them, and they count where one shows them',
            logging.INFO,
        ),
    ):
        _log_objects(boxes, chosen, what, level)


def _log_objects(boxes: BoxTable, chosen: np.ndarray, what: str, level: int = logging.WARNING):
    """Say how many objects something is true of, and name the first few."""
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return
    images = np.searchsorted(boxes.image_starts, rows[:MAX_NAMED], side='right') - 1
    sides = boxes.boxes[rows[:MAX_NAMED], 2:] - boxes.boxes[rows[:MAX_NAMED], :2]
    named = ', '.join(
        f'{width:.4g}x{height:.4g} px in {path}'
        for (width, height), path in zip(sides.tolist(), boxes.paths[images].tolist())
    )
    verb = 'object is' if len(rows) == 1 else 'objects are'
    more = ', ...' if len(rows) > MAX_NAMED else ''
    _log(f'ChipDataset: {len(rows)} {verb} {what} ({named}{more}).', level)


def log_views(dataset) -> None:
    """Tell how many views a ChipDataset in test mode has."""
    _log(
        f'ChipDataset: {len(dataset)} views of {dataset.num_images} images '
        f'(fine to coarse: {dataset.count_per_level()}).'
    )
    log_narrow_overlap(dataset)


def log_narrow_overlap(dataset) -> None:
    """Warn where objects of a level's range may be larger than what neighbouring tiles share."""
    if dataset.tile_size is None:
        return
    table, num_levels = dataset.table, dataset.pyramid.num_levels
    counts = np.bincount(
        table.image * num_levels + table.level, minlength=dataset.num_images * num_levels
    ).reshape(-1, num_levels)
    sentence = overlap_warning(
        dataset.pyramid.valid_ranges,
        dataset.level_scales,
        counts > 1,
        dataset.tile_size,
        dataset.tile_overlap,
    )
    if sentence:
        _log(f'ChipDataset: {sentence}', logging.WARNING)


def log_chips(dataset) -> None:
    """Tell how many chips a ChipDataset has, and how many images have none."""
    without = np.ones(dataset.num_images, bool)
    without[dataset.table.image] = False
    boxless = np.diff(dataset.boxes.image_starts) == 0
    _log(
        f'ChipDataset: {len(dataset)} chips of {dataset.num_images} images (fine to coarse: '
        f'{describe_levels(dataset)}); {without.sum()} images have no chip and are dropped, '
        f'{(without & boxless).sum()} of them for want of any box.'
    )


def describe_levels(dataset) -> str:
    """The number of chips of a ChipDataset at each level, fine to coarse, in words."""
    if not dataset.has_proposals:
        return str(dataset.count_per_level())
    return (
        f'{dataset.count_per_level(negative=False)} positive, '
        f'{dataset.count_per_level(negative=True)} negative'
    )


def _log(message: str, level: int = logging.INFO) -> None:
    print_log(message, logger='current', level=level)
