"""What the log says of a dataset of chips once it has read its annotations."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from mmengine.logging import print_log

from .box_table import BoxTable


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


def log_views(dataset) -> None:
    """Tell how many views a ChipDataset in test mode has."""
    _log(
        f'ChipDataset: {len(dataset)} views of {dataset.num_images} images '
        f'(fine to coarse: {dataset.count_per_level()}).'
    )


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
