"""The images whose views arrive, kept until their turn."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmsniper.focus import CoarseToFine


@dataclass(eq=False)
class ImageUnderWay:
    """An image from its first view to its turn.

    Attributes:
        views: The detections of its views so far, by their numbers.
        counts: What happened to these detections.
        last: The sample of the last view by number, not by arrival, which the image's is made of.
        merged: The sample of the whole image, once all views are there.
        search: What decides on its views, if that depends on what others saw.
    """

    views: dict[int, InstanceData] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)
    last: DetDataSample | None = None
    merged: DetDataSample | None = None
    search: CoarseToFine | None = None

    def add(self, sample: DetDataSample, instances: InstanceData) -> None:
        """Add a view, given as a sample about the image, and its detections."""
        self.views[int(sample.view)] = instances
        if self.last is None or sample.view > self.last.view:
            self.last = sample

    @property
    def instances_in_order(self) -> list[InstanceData]:
        """The detections of the views, in the order of their numbers."""
        return [self.views[view] for view in sorted(self.views)]


class ImagesInOrder:
    """Gives finished images in the order in which their first views came.

    Images that are alike, because a dataset has them twice, may be under way at once: what their
    views show is the same, so that it does not matter which of them a view is counted to.
    """

    def __init__(self) -> None:
        self._in_order: deque[ImageUnderWay] = deque()
        self._unfinished: dict[Hashable, list[ImageUnderWay]] = {}

    @property
    def num_unfinished(self) -> int:
        """How many images wait for more views."""
        return sum(map(len, self._unfinished.values()))

    def begin(self, key: Hashable, search: CoarseToFine) -> None:
        """Begin an image before any view of it comes."""
        image = ImageUnderWay(search=search)
        self._unfinished.setdefault(key, []).append(image)
        self._in_order.append(image)

    def find(self, key: Hashable, view: int) -> ImageUnderWay:
        """The unfinished image of a key that lacks a view, which begins if there is none."""
        alike = self._unfinished.setdefault(key, [])
        for image in alike:
            if view not in image.views:
                return image
        image = ImageUnderWay()
        alike.append(image)
        self._in_order.append(image)
        return image

    def finish(self, key: Hashable, image: ImageUnderWay, merged: DetDataSample) -> None:
        """Note the result of an image that has all its views, of which only this is kept."""
        image.merged = merged
        image.views, image.last = {}, None
        self._unfinished[key].remove(image)
        if not self._unfinished[key]:
            del self._unfinished[key]

    def take_finished(self) -> Iterator[ImageUnderWay]:
        """Give and forget the finished images whose turn it is."""
        while self._in_order and self._in_order[0].merged is not None:
            yield self._in_order.popleft()
