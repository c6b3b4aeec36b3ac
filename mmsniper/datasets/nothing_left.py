"""Why a dataset has no image or no chip."""

from __future__ import annotations

import os

from mmsniper.chips import Pyramid, box_sizes
from mmsniper.errors import InputError

from .annotation_file import describe
from .annotation_reading import AnnotationReading
from .box_table import BoxTable
from .nesting import innermost_datasets


def empty_datasets(dataset, reading: AnnotationReading) -> list[str]:
    """Sentences for the log about datasets without images beside others that have some.

    Args:
        dataset: A dataset or wrapper, after ``full_init``.
        reading (AnnotationReading): Watched it.

    Returns:
        list[str]: A sentence for each.

    Raises:
        InputError: The dataset has no image at all.
    """
    sentences = [
        _why_no_images(inner, reading) for inner in innermost_datasets(dataset) if not len(inner)
    ]
    if len(dataset) == 0:
        raise InputError(
            sentences[0] if sentences else 'the dataset inside ChipDataset has no images'
        )
    return [f'{sentence}.' for sentence in sentences]


def why_no_chips(
    boxes: BoxTable,
    pyramid: Pyramid,
    chip_size: int,
    reading: AnnotationReading,
    proposal_file: str | os.PathLike | None = None,
) -> str:
    """A sentence on why a dataset has no chip: what became of its annotated boxes, and what to do.

    Args:
        boxes (BoxTable): The boxes of its images, none of which makes a chip.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Largest side of a chip in pixels of its level.
        reading (AnnotationReading): Watched it.
        proposal_file (str or PathLike, optional): Proposals that make no chip either.

    Returns:
        str: The sentence.
    """
    in_range = pyramid.in_range(box_sizes(boxes.boxes)).any(axis=1)
    ranges = ', '.join(f'({low:g}, {high:g})' for low, high in pyramid.valid_ranges)
    # What became of how many boxes, and what to do if it is that of the most.
    fates = [
        (
            sum(record.num_other_classes for record in reading.records),
            "are of other classes than metainfo['classes']",
            "name their classes in metainfo['classes']",
        ),
        (
            boxes.num_ignored + sum(record.num_ignored for record in reading.records),
            'are crowds or ignored',
            'annotate objects one by one',
        ),
        (
            sum(boxes.dropped.values()) + reading.num_dropped,
            'are not finite, below 1 px or outside their image',
            'correct the annotations',
        ),
        (
            int((~in_range).sum()),
            f'are in none of the valid ranges {ranges}',
            'set valid_ranges to sizes (sqrt(w*h) in pixels of the image) that your objects have, '
            'see tools/analysis_tools/analyze_scales.py',
        ),
        (
            int(in_range.sum()),
            f'are in a valid range but larger than a chip of {chip_size} px at its level',
            'make chip_size larger, or add a coarser level',
        ),
    ]
    loose = sum(record.num_loose for record in reading.records)
    # What wrappers repeat is counted more than once, so there may be no rest.
    rest = sum(record.num_annotations for record in reading.records)
    rest -= loose + sum(count for count, *_ in fates)
    fates += [
        (
            loose,
            'are of images that their file does not list',
            'let image_id be the id of an image, both as numbers or both as texts',
        ),
        (max(rest, 0), 'are in images that are left out', 'loosen filter_cfg'),
    ]
    fates = [fate for fate in fates if fate[0]]
    but = ', and no proposals enough for a negative chip' if proposal_file else ''
    if not fates:
        files = ', '.join(dict.fromkeys(record.path for record in reading.records))
        subject = (
            f'annotation file {files} lists' if files else 'the dataset inside ChipDataset has'
        )
        return f'{subject} no annotations{but}; name one with boxes of objects'
    in_words = ', '.join(f'{count} {fate}' for count, fate, _ in fates)
    head = 'chip' if in_range.any() else 'box in a valid range'
    return (
        f'none of the {boxes.num_images} images has a {head} of ChipDataset{but}: of their '
        f'{sum(count for count, *_ in fates)} boxes {in_words}; {max(fates)[2]}'
    )


def _why_no_images(dataset, reading: AnnotationReading) -> str:
    """Why a dataset that reads one file has no image."""
    record = reading.record_of(dataset)
    if record is not None and not record.num_images:
        return f'{describe(dataset)} lists no images'
    settings = getattr(dataset, 'filter_cfg', None) or {}
    if not settings:
        return f'{describe(dataset)} has no images'
    if record is None:
        return f'filter_cfg={dict(settings)} leaves no image of {describe(dataset)}; loosen it'
    reasons = []
    if record.num_small_images:
        reasons.append(
            f'{record.num_small_images} have a side below min_size={settings["min_size"]}'
        )
    if settings.get('filter_empty_gt'):
        wanted = record.num_annotations - record.num_other_classes
        reasons.append(
            f'filter_empty_gt=True leaves out those without objects, and {wanted} of the '
            f"{record.num_annotations} annotations are of the classes in metainfo['classes']"
        )
    return (
        f'filter_cfg leaves none of the {record.num_images} images of {describe(dataset)}: '
        f'{", ".join(reasons)}; loosen it or name another file'
    )
