"""How long it takes to load chips, and the views of testing, in several ways.

All ways load the same items in turn, one after the other, so that noise of the machine hits all
alike; which comes first changes from turn to turn.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from .loading_images import BEFORE, TILED, WAYS, WHOLE, WINDOWS, Chips, ImageSet
from .loading_process import LoadingProcess

# So many chips are loaded by one process before the next has its turn: after each change of turns
# the processor's caches hold nothing of a process.
_TURN = 16
WORDS = {
    WHOLE: "MMDetection's whole image at (800, 1333)",
    BEFORE: 'whole image, cut to the chip',
    WINDOWS: 'windows of the files',
    TILED: 'windows of tiled files',
}


def measure_chips(
    images: ImageSet,
    chips: Chips,
    ways: Sequence[str] = WAYS,
    num_epochs: int = 3,
    num_workers: int = 0,
    on_done: Callable[[int], Any] = lambda number: None,
) -> list[dict[str, Any]]:
    """Load epochs of chips in random order, in each way.

    Args:
        images: What to load.
        chips: Of which chips.
        ways: Some of ``WAYS``.
        num_epochs: How many epochs; each has chips of its own.
        num_workers: Of a data loader. With some, the ways take turns by epochs instead of by some
            chips.
        on_done: Called with a number of chips that all ways have loaded.

    Returns:
        list[dict]: For each way ``ms_per_item``, of a chip or a whole image, and ``ms_per_image``,
        of an epoch; medians over the epochs. ``times_faster`` than the way :data:`BEFORE`, per
        image, if that is among them. ``peak_mb``, the most memory.
    """
    images.read_all()
    num_chips = len(chips.dataset(images, BEFORE))
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with ExitStack() as stack:
        processes = {
            way: stack.enter_context(
                LoadingProcess(partial(chips.dataset, images, way), num_workers)
            )
            for way in ways
        }
        # What one way reads from disk others would find in memory, so all is read before.
        images.read_all()
        for epoch in range(num_epochs):
            rng = np.random.default_rng((chips.seed, epoch))
            order = rng.permutation(num_chips).tolist()
            size = num_chips if num_workers else _TURN
            blocks = [order[start : start + size] for start in range(0, num_chips, size)]
            found = _load(processes, blocks, images.num_images, epoch, on_done)
            for way in ways:
                seconds[way].append(found[way])
        peaks = {way: process.peak_mb() for way, process in processes.items()}
    rows = []
    for way in ways:
        num_items = images.num_images if way == WHOLE else num_chips
        milliseconds = 1e3 * statistics.median(seconds[way])
        rows.append(
            dict(
                way=way,
                items_per_image=num_items / images.num_images,
                ms_per_item=milliseconds / num_items,
                ms_per_image=milliseconds / images.num_images,
                times_faster=_times_faster(seconds, way),
                peak_mb=peaks[way],
            )
        )
    return rows


def measure_views(
    images: ImageSet,
    chips: Chips,
    tile_sizes: Sequence[int | None],
    ways: Sequence[str] = WAYS[1:],
    num_images: int | None = None,
    on_done: Callable[[int], Any] = lambda number: None,
) -> list[dict[str, Any]]:
    """Load all views of images one after the other, as a worker of testing does.

    Args:
        images: What to load.
        chips: Of which levels.
        tile_sizes: Largest sides of a view; None for whole images.
        ways: Some of ``WAYS``, but whole images of MMDetection.
        num_images: How many images. Defaults to all.
        on_done: Called with a number of images that all ways have loaded.

    Returns:
        list[dict]: For each tile size and way ``views_per_image``, ``seconds_per_image`` (the
        median over images), ``times_faster`` than the way :data:`BEFORE` if that is among them, and
        ``start_mb`` and ``peak_mb``, the memory before the first view and at most.
    """
    rows = []
    images.read_all()
    for tile_size in tile_sizes:
        settings = dict(test_mode=True, tile_size=tile_size)
        dataset = chips.dataset(images, BEFORE, **settings)
        starts = dataset.view_starts[: (num_images or images.num_images) + 1].tolist()
        views = [list(range(*pair)) for pair in zip(starts, starts[1:])]
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        with ExitStack() as stack:
            processes = {}
            for way in ways:
                make = partial(chips.dataset, images, way, **settings)
                processes[way] = stack.enter_context(LoadingProcess(make))
            start = {way: process.peak_mb() for way, process in processes.items()}
            for number, indices in enumerate(views):
                for way in _in_turn(ways, number):
                    seconds[way].append(processes[way].load(indices))
                on_done(1)
            peaks = {way: process.peak_mb() for way, process in processes.items()}
        rows += [
            dict(
                way=way,
                tile_size=tile_size,
                views_per_image=starts[-1] / len(views),
                seconds_per_image=statistics.median(seconds[way]),
                times_faster=_times_faster(seconds, way),
                start_mb=start[way],
                peak_mb=peaks[way],
            )
            for way in ways
        ]
    return rows


def _load(
    processes: Mapping[str, LoadingProcess],
    blocks: Sequence[list[int]],
    num_images: int,
    epoch: int,
    on_done: Callable[[int], Any],
) -> dict[str, float]:
    """Seconds of an epoch in each way, which take turns block by block."""
    seconds = dict.fromkeys(processes, 0.0)
    whole = [list(part) for part in np.array_split(np.arange(num_images), len(blocks))]
    for number, (block, some_images) in enumerate(zip(blocks, whole)):
        for way in _in_turn(list(processes), number):
            indices = [int(index) for index in some_images] if way == WHOLE else block
            seconds[way] += processes[way].load(indices, epoch)
        on_done(len(block))
    return seconds


def _in_turn(ways: Sequence[str], number: int) -> list[str]:
    """The ways, beginning with another one each time."""
    first = number % len(ways)
    return [*ways[first:], *ways[:first]]


def _times_faster(seconds: Mapping[str, Sequence[float]], way: str) -> float | None:
    """How many times faster than before a way is: the median of what was loaded side by side."""
    if BEFORE not in seconds:
        return None
    return statistics.median(a / b for a, b in zip(seconds[BEFORE], seconds[way]))
