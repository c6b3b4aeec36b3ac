"""Batches of views: which views of which images go through the detector together.

What is in a batch depends on the inputs and the settings alone, and neither on how many processes
share the work nor on where one that was stopped goes on. So the results do not depend on it either,
to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmsniper.datasets.passes import batches_of_one_size
from mmsniper.datasets.samplers.view_sampler import deal
from mmsniper.datasets.transforms.chip_window import level_size
from mmsniper.focus import CoarseToFine

from .sources import Source
from .view_plan import ViewPlan, Views

# Blocks end at the image with which they have so many images or so many full batches.
_MOST_IMAGES = 16
_MOST_BATCHES = 8
# Of images that are searched from coarse to fine: the more, the fuller are batches of chips of one
# size.
_MOST_SEARCHED = 64


@dataclass(frozen=True, eq=False)
class View:
    """One forward pass of the detector: an image at a level, or a tile of it.

    Attributes:
        block: The number of the block that its image belongs to.
        batch: The number of its batch in the block.
        image: The image's place among all inputs.
        source: The image. Without pixels, once the view has been loaded.
        shape: Height and width of the image.
        chip: Shape (4,), what the view shows, xyxy in pixels of the image, half-open.
        level: Of the pyramid, 0 is the finest.
        scale: The scale factor of the level.
        valid_range: Of the level, on sqrt(w*h) in pixels of the image.
        number: Which of the image's views it is.
        num_views: How many the image has; 0 where that is not known.
    """

    block: int
    batch: int
    image: int
    source: Source
    shape: tuple[int, int]
    chip: np.ndarray
    level: int
    scale: float
    valid_range: tuple[float, float]
    number: int
    num_views: int


@dataclass(frozen=True, eq=False)
class ImageToSee:
    """An image with its views; ``fault`` says why it has none.

    Attributes:
        index: Its place among all inputs.
        source: The image.
        shape: Height and width.
        views: None where it cannot be looked at, or is searched.
        fault: Why, as one sentence.
        search: What decides on its views, if that depends on what others saw.
    """

    index: int
    source: Source
    shape: tuple[int, int] = (0, 0)
    views: Views | None = None
    fault: str | None = None
    search: CoarseToFine | None = None

    @property
    def num_views(self) -> int:
        """How many views are to be looked at now."""
        return len(self.views or ()) if self.search is None else len(self.search.views)

    def views_now(self) -> Iterator[dict]:
        """Those views, as arguments of :class:`View`."""
        if self.search is not None:
            for view in self.search.views:
                level = self.search.levels[view.level]
                yield self._view(view.chip, view.level, level.scale, level.valid_range, view.number)
        elif self.views is not None:
            seen = zip(self.views.boxes, self.views.levels.tolist())
            for number, (chip, level) in enumerate(seen):
                scale, valid_range = self.views.scales[level], self.views.valid_ranges[level]
                yield self._view(chip, level, scale, valid_range, number)

    def _view(self, chip, level: int, scale: float, valid_range, number: int) -> dict:
        return dict(
            image=self.index,
            source=self.source,
            shape=self.shape,
            chip=chip,
            level=level,
            scale=scale,
            valid_range=valid_range,
            number=number,
            num_views=0 if self.views is None else len(self.views),
        )


@dataclass(frozen=True, eq=False)
class Block:
    """Images whose views share batches: what one process does, and does again if it is stopped.

    Attributes:
        number: From 0.
        images: In order.
        batches: Of those of their views that are known. All views of a batch have one size once
            they are padded.
    """

    number: int
    images: Sequence[ImageToSee]
    batches: Sequence[Sequence[View]] = field(repr=False, default=())


def blocks(
    sources: Iterable[Source],
    plan: ViewPlan,
    size_of: Callable[[Source], tuple[int, int]],
    padded: Callable[[int, int], tuple[int, int]],
    batch_size: int,
    chosen: Callable[[int], bool] = lambda number: True,
) -> Iterator[Block]:
    """Put images into blocks and their views into batches.

    Those of a stream, of which the next may be long in coming, share a block of ``batch_size``.

    Args:
        sources: The images.
        plan: Which views are looked at.
        size_of: Gives width and height of an image; raises a ``ValueError`` if it cannot.
        padded: Gives width and height of a detector's input for those of a view at its level.
        batch_size: The most views of a batch.
        chosen: Whether a block, by its number, is wanted at all.

    Yields:
        The wanted blocks, as soon as their images are known.
    """
    number, images, num_views = 0, [], 0
    sequence: str | None = None

    def finished() -> Iterator[Block]:
        nonlocal number, images, num_views
        if images and chosen(number):
            yield Block(number, images, batches_of(number, images, padded, batch_size))
        number += bool(images)
        images, num_views = [], 0

    for index, source in enumerate(sources):
        if source.sequence != sequence:
            yield from finished()
            sequence = source.sequence
        images.append(_look(index, source, plan, size_of))
        num_views += images[-1].num_views
        most = _MOST_IMAGES if plan.focus is None else _MOST_SEARCHED
        most = most if sequence is None else batch_size
        if len(images) >= most or num_views >= _MOST_BATCHES * batch_size:
            yield from finished()
    yield from finished()


def in_lanes(batches: Iterable[Sequence[Sequence[View]]], num_lanes: int) -> Iterator[list[View]]:
    """The batches of blocks, dealt so that all of a block are loaded by one worker.

    Args:
        batches: Those of each block.
        num_lanes: How many workers load batches in turn.
    """
    left = iter(batches)
    return deal(lambda room: next((batch for batch in left if len(batch)), ()), num_lanes, 1)


def _look(
    index: int, source: Source, plan: ViewPlan, size_of: Callable[[Source], tuple[int, int]]
) -> ImageToSee:
    if source.fault is not None:
        return ImageToSee(index, source, fault=source.fault)
    try:
        width, height = size_of(source)
        if plan.focus is not None:
            search = plan.search(width, height)
            return ImageToSee(index, source, (height, width), search=search)
        return ImageToSee(index, source, (height, width), plan.views(width, height))
    except ValueError as error:  # of a broken image, or of a setting that does not fit this one
        return ImageToSee(index, source, fault=str(error))


def batches_of(
    block: int,
    images: Sequence[ImageToSee],
    padded: Callable[[int, int], tuple[int, int]],
    batch_size: int,
    first: int = 0,
) -> list[list[View]]:
    """The batches of the views of some images that are to be looked at now.

    Args:
        block: The number of the block.
        images: Of the block.
        padded: See :func:`blocks`.
        batch_size: Likewise.
        first: The number of the first batch.
    """

    def seen_size(view: dict) -> tuple[int, int]:
        sides = view['chip'][2:] - view['chip'][:2]
        return padded(*level_size(sides.tolist(), view['scale']))

    views = (view for image in images for view in image.views_now())
    return [
        [View(block=block, batch=number, **view) for view in group]
        for number, group in enumerate(batches_of_one_size(views, seen_size, batch_size), first)
    ]
