"""How fast, how well and with how much memory large pictures are detected on, by ways of tiling.

All ways look at the same pictures with the same weights, each in a process of its own, so that its
memory is that of it alone. They take turns by pictures, so that noise of the machine hits all
alike; which comes first changes from turn to turn.
"""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmsniper.errors import InputError

from .detecting_process import DetectingProcess, Found
from .detecting_ways import REFERENCE, Settings

# Of the numbers that COCO's evaluation sums up to.
_STATISTICS = dict(AP=0, AP_50=1, AP_75=2, AP_small=3, AP_medium=4, AP_large=5)


def load_annotations(annotations: Path, images: Path, max_images: int) -> tuple[COCO, list[int]]:
    """The annotations, and the ids of the first pictures with objects.

    Raises:
        InputError: Nothing has objects, or a picture is missing.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            data = COCO(str(annotations))
        with_objects = {entry['image_id'] for entry in data.anns.values()}
        ids = sorted(with_objects & set(data.imgs))[:max_images]
    except (KeyError, TypeError, AssertionError, ValueError) as error:
        raise InputError(f'{annotations} is no COCO annotation file: {error!r}') from error
    if not ids:
        raise InputError(f'{annotations} has no picture with objects')
    for index in ids:
        path = images / data.imgs[index]['file_name']
        if not path.is_file():
            raise InputError(f'{path} of {annotations} does not exist')
    return data, ids


def measure_ways(
    config: Config,
    checkpoint: Path,
    data: COCO,
    ids: Sequence[int],
    images: Path,
    ways: Sequence[str],
    settings: Settings,
    on_done: Callable[[int], Any] = lambda number: None,
) -> list[dict[str, Any]]:
    """Detect on pictures in each way.

    Args:
        config: Of a detector that is tested on whole images.
        checkpoint: Its weights.
        data: Annotations of the pictures.
        ids: Which of them.
        images: Their folder.
        ways: Some of :data:`mmsniper.experiments.benchmarks.detecting_ways.WAYS`.
        settings: What all ways have in common.
        on_done: Called with a number of pictures that one way has seen.

    Returns:
        list[dict]: For each way ``images_per_second`` and ``cpu_seconds_per_image``, of all
        pictures; ``times_faster`` and ``times_less_cpu`` than the reference (SAHI if it is among
        the ways, or else the first one), medians over the pictures; ``views_per_image``,
        ``detections_per_image``; COCO's ``AP`` and its parts, -1 where there are no objects;
        ``start_mb`` and ``peak_mb``, the memory before the first picture and at most.

    Raises:
        InputError: A way cannot be gone, or no class of the detector is among the annotations.
    """
    found: dict[str, list[Found]] = {way: [] for way in ways}
    with ExitStack() as stack:
        processes = {
            way: stack.enter_context(DetectingProcess(way, config, checkpoint, settings))
            for way in ways
        }
        start = {way: process.start() for way, process in processes.items()}
        for number, index in enumerate(ids):
            path = images / data.imgs[index]['file_name']
            first = number % len(ways)
            for way in (*ways[first:], *ways[:first]):
                found[way].append(processes[way].detect(path))
                on_done(1)
    reference = found[REFERENCE if REFERENCE in ways else ways[0]]
    rows = []
    for way in ways:
        own = found[way]
        seconds = sum(each.seconds for each in own)
        rows.append(
            dict(
                way=way,
                images_per_second=len(own) / seconds,
                cpu_seconds_per_image=statistics.fmean(each.cpu_seconds for each in own),
                times_faster=_ratio(reference, own, 'seconds'),
                times_less_cpu=_ratio(reference, own, 'cpu_seconds'),
                views_per_image=statistics.fmean(each.num_views for each in own),
                detections_per_image=statistics.fmean(len(each.scores) for each in own),
                **average_precision(data, ids, own),
                start_mb=start[way],
                peak_mb=max(each.peak_mb for each in own),
            )
        )
    return rows


def average_precision(data: COCO, ids: Sequence[int], found: Sequence[Found]) -> dict[str, float]:
    """COCO's measures of what was found in some pictures.

    Args:
        data: The annotations.
        ids: The pictures.
        found: Of each, by names of classes; those that are not annotated do not count.

    Raises:
        InputError: No class that was found is annotated.
    """
    categories = {entry['name']: entry['id'] for entry in data.cats.values()}
    results = []
    for index, each in zip(ids, found):
        boxes = np.concatenate([each.boxes[:, :2], each.boxes[:, 2:] - each.boxes[:, :2]], axis=1)
        results += [
            dict(image_id=index, category_id=categories[name], bbox=box, score=score)
            for name, box, score in zip(each.classes, boxes.tolist(), each.scores.tolist())
            if name in categories
        ]
    if not results and any(len(each.scores) for each in found):
        classes = sorted({name for each in found for name in each.classes})
        raise InputError(
            f'no class of the detector, such as {classes[0]}, is annotated: the annotations have '
            f'{", ".join(list(categories)[:5])}'
        )
    if not results:
        return dict.fromkeys(_STATISTICS, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(data, data.loadRes(results), 'bbox')
        evaluation.params.imgIds = list(ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(evaluation.stats[place]) for name, place in _STATISTICS.items()}


def _ratio(reference: Sequence[Found], own: Sequence[Found], name: str) -> float:
    """How many times less a way takes than the reference: the median of pictures seen in turn."""
    pairs = zip(reference, own)
    # The clock of processor time may be too coarse for a tiny picture.
    return statistics.median(getattr(a, name) / max(getattr(b, name), 1e-6) for a, b in pairs)
