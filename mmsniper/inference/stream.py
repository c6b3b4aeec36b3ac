"""From images to detections: one stream of full batches, results in the order of the images."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.utils.data import DataLoader

from mmsniper.datasets.passes import Passes
from mmsniper.focus.looked_at import LookedAt
from mmsniper.focus.predictions import marks_of
from mmsniper.utils.settings import check_whole

from .batches import Block, ImageToSee, View, batches_of, blocks, in_lanes
from .detections import ImageDetections
from .detector import Detector
from .merging import Merging
from .sources import Source
from .view_dataset import EMPTY, LoadedBatch, ViewDataset, collate

# So few batches are loaded faster than processes for it are started.
_FEW_BATCHES = 4


class Record:
    """What is done and need not be done again; this one knows of nothing.

    :class:`mmsniper.inference.journal.Journal` keeps it in files.
    """

    def wants(self, block: int) -> bool:
        """Whether a block, by its number, is this process's affair and not done yet."""
        return True

    def batches(self, block: int) -> dict[int, list[ImageDetections]]:
        """What is known of the batches of a block that was begun before, by their numbers."""
        return {}

    def add(self, block: int, batch: int, found: Sequence[ImageDetections]) -> None:
        """Take note of what the views of a batch found."""

    def finish(self, block: int, images: Sequence[ImageDetections]) -> None:
        """Take note of the results of all images of a block."""


@dataclass(eq=False)
class _ImageUnderWay:
    image: ImageToSee
    found: dict[int, ImageDetections] = field(default_factory=dict)  # by the number of the view
    fault: str | None = None
    result: ImageDetections | None = None
    given: bool = False  # to whom it was for, who then came back for more

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing more to look at, behind the last view of a level."""
        search = self.image.search
        return len(self.found) == self.image.num_views if search is None else not search.views


class DetectionStream:
    """Detects on images and gives their results in order, while others are under way.

    Args:
        detector: What detects.
        merging: What becomes of its detections.
        batch_size: The most views of a forward pass.
        num_workers: Processes that load views. None are started for a few views.
        record: What is done already, and takes note of what is done now.

    Attributes:
        counts: How many ``images``, ``views``, ``empty`` tiles and ``broken`` images there were;
            how many ``detections`` and why some were left out (``range``, ``border``,
            ``not_finite``, ``merging``, ``limit``).
        seconds: Which of them the detector took.
        looked_at: Which share of the pyramid was looked at, where views depend on others.
    """

    def __init__(
        self,
        detector: Detector,
        merging: Merging,
        batch_size: int = 8,
        num_workers: int = 2,
        record: Record | None = None,
    ) -> None:
        check_whole('PyramidInferencer', 'batch_size', batch_size, 1, 'views')
        check_whole('PyramidInferencer', 'num_workers', num_workers, 0)
        self.detector = detector
        self.merging = merging
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.record = record or Record()
        self.dataset = ViewDataset(detector.views.pipeline)
        self.counts: Counter = Counter()
        self.seconds = 0.0
        self.looked_at = LookedAt()

    def __call__(
        self,
        sources: Iterable[Source],
        one_by_one: bool = False,
        check: Callable[[Source], None] = lambda source: None,
    ) -> Iterator[ImageDetections]:
        """Detect on images.

        Args:
            sources: The images.
            one_by_one: Whether the images come as they arise, so that none is to be asked for
                before it is needed.
            check: Raises a ``ValueError`` of an image that is not to be looked at, which is a fault
                of it.

        Yields:
            The result of each image that ``record`` wants, in order.
        """
        self.looked_at = LookedAt()
        in_order: deque[_ImageUnderWay] = deque()
        under_way: dict[int, _ImageUnderWay] = {}
        blocks_begun: deque[tuple[Block, list[_ImageUnderWay]]] = deque()

        def size_of(source: Source) -> tuple[int, int]:
            size = self.dataset.size_of(source)
            check(source)
            return size

        planned = blocks(
            sources,
            self.detector.views.plan,
            size_of,
            self.detector.views.padded,
            self.batch_size,
            self.record.wants,
        )

        def begun() -> Iterator[tuple[Block, dict[int, list[ImageDetections]]]]:
            """The blocks, with what is known of their batches."""
            for block in planned:
                images = [_begun(image) for image in block.images]
                under_way.update((each.image.index, each) for each in images)
                in_order.extend(images)
                blocks_begun.append((block, images))
                yield block, self.record.batches(block.number)

        def left_over(
            batches: Sequence[Sequence[View]], known: dict[int, list[ImageDetections]]
        ) -> list[list[View]]:
            """Those batches of a block that are not known."""
            for batch in batches:
                if batch[0].batch in known:
                    self._take(under_way, batch, known[batch[0].batch])
            return [
                [self.dataset.cut(view) for view in batch]
                for batch in batches
                if batch[0].batch not in known
            ]

        def finished() -> Iterator[ImageDetections]:
            while in_order and (image := in_order[0]).result is not None:
                in_order.popleft()
                del under_way[image.image.index]
                self.counts.update(images=1, broken=image.result.fault is not None)
                yield image.result
                image.given = True
            for block, images in list(blocks_begun):
                if all(image.given for image in images):
                    blocks_begun.remove((block, images))
                    self.record.finish(block.number, [image.result for image in images])

        def searched() -> Iterator[LoadedBatch]:
            """The loaded batches of all blocks, each of views that what came before asks for."""
            workers = 0 if one_by_one else self.num_workers
            passes = Passes(self.dataset, workers, _FEW_BATCHES, collate_fn=collate)
            for block, known in begun():
                number = 0
                while batches := batches_of(
                    block.number,
                    block.images,
                    self.detector.views.padded,
                    self.batch_size,
                    number,
                ):
                    number += len(batches)
                    batches = left_over(batches, known)
                    yield from passes.load(batches, [batch[0].image for batch in batches])

        if self.detector.views.plan.focus is None:
            planned_batches = (left_over(block.batches, known) for block, known in begun())
            loaded = self._loaded(planned_batches, one_by_one)
        else:
            loaded = searched()
        for batch in loaded:
            view = batch.views[0]
            found = self._detect(batch, under_way)
            self.record.add(view.block, view.batch, found)
            self._take(under_way, batch.views, found)
            yield from finished()
        yield from finished()

    def _loaded(
        self, planned: Iterator[list[list[View]]], one_by_one: bool
    ) -> Iterable[LoadedBatch]:
        """The batches, loaded by as many processes as are of use."""
        num_workers = 0 if one_by_one else self.num_workers
        if num_workers:
            first = list(itertools.islice(planned, 1))
            if sum(map(len, first)) <= _FEW_BATCHES:
                first += itertools.islice(planned, 1)
                if len(first) < 2:
                    num_workers = 0
            planned = itertools.chain(first, planned)
        return DataLoader(
            self.dataset,
            batch_sampler=in_lanes(planned, max(num_workers, 1)),
            num_workers=num_workers,
            collate_fn=collate,
        )

    def _detect(
        self, batch: LoadedBatch, under_way: dict[int, _ImageUnderWay]
    ) -> list[ImageDetections]:
        """What each view of a batch found."""
        started = time.perf_counter()
        samples = iter(())
        if batch.data is not None:
            with torch.no_grad():
                samples = iter(self.detector.model.test_step(batch.data))
        self.seconds += time.perf_counter() - started
        results = []
        for place, view in enumerate(batch.views):
            name, path = view.source.name, view.source.path
            fault = batch.faults.get(place)
            if fault is not None:
                # An empty tile has no detections and no fault.
                results.append(ImageDetections.broken(view.image, name, path, fault))
                continue
            sample, search = next(samples), under_way[view.image].image.search
            found, counts = self.merging.of_view(view, sample)
            self.counts.update(counts)
            if search is not None:
                found = replace(found, marks=marks_of(search, sample, view.chip))
            results.append(found)
        return results

    def _take(
        self,
        under_way: dict[int, _ImageUnderWay],
        views: Sequence[View],
        results: Sequence[ImageDetections],
    ) -> None:
        """Put what views found to their images; the last view of an image makes its result."""
        for view, found in zip(views, results):
            image = under_way[view.image]
            self.counts.update(views=1, empty=found.fault == EMPTY)
            if found.fault not in (None, EMPTY):
                image.fault = image.fault or found.fault
            # What a view marked is in the search, and not needed any more.
            image.found[view.number] = found if found.marks is None else replace(found, marks=None)
            if (search := image.image.search) is not None:
                if image.fault is not None:
                    search.stop()
                search.see(found.marks)
            if image.is_complete:
                image.result = self._merged(image)
                image.found = {}

    def _merged(self, under_way: _ImageUnderWay) -> ImageDetections:
        image = under_way.image
        if under_way.fault is not None:
            return _broken(image, under_way.fault)
        found = [under_way.found[number] for number in sorted(under_way.found)]
        merged, counts = self.merging.of_image(image, found)
        self.counts.update(counts)
        if image.search is not None:
            self.looked_at.add(image.search)
        return merged


def _begun(image: ImageToSee) -> _ImageUnderWay:
    """An image from which all is to come, or, where it cannot be looked at, its result."""
    if image.fault is None:
        return _ImageUnderWay(image)
    return _ImageUnderWay(image, result=_broken(image, image.fault))


def _broken(image: ImageToSee, fault: str) -> ImageDetections:
    return ImageDetections.broken(image.index, image.source.name, image.source.path, fault)
