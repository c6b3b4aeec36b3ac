"""What testing from coarse to fine would find and cost at many thresholds, from one pyramid.

The views of the whole pyramid are looked at once. For a threshold the search of each image is
repeated on what they found: a focus chip is taken to find what the view around it found inside of
it. That is close to the truth but not the truth, as a chip shows less of what is around an object.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.structures import InstanceData
from tqdm import tqdm

from mmsniper.chips import OPEN
from mmsniper.datasets import ChipDataset
from mmsniper.engine.coarse_to_fine_loader import search_of
from mmsniper.evaluation.merging_evaluator import image_sample
from mmsniper.focus import CoarseToFine, FocusSettings, Marks
from mmsniper.focus.predictions import focus_map_of
from mmsniper.merging import map_view, merge_instances
from mmsniper.merging.geometry import in_valid_range, touches_tile_border


@dataclass(frozen=True, eq=False)
class SeenView:
    """What a view of the pyramid found.

    Attributes:
        chip: xyxy in pixels of the image.
        level: Of the pyramid.
        instances: In pixels of the image, of any size.
        focus_map: What a head predicts, see :meth:`mmsniper.focus.CoarseToFine.marks`.
    """

    chip: np.ndarray
    level: int
    instances: InstanceData
    focus_map: tuple[np.ndarray, int] | None = None


@dataclass(eq=False)
class SeenImage:
    """An image with all its views, and a sample that its results are made of."""

    index: int
    views: list[SeenView] = field(default_factory=list)
    sample: DetDataSample | None = None


@dataclass(frozen=True)
class Point:
    """What a way of testing finds and costs.

    Attributes:
        name: What to call it.
        threshold: Of a focus; None of a level and of the pyramid.
        metrics: Of the evaluator.
        mpx: Megapixels looked at per image.
        share: Of the pyramid's pixels.
        seconds: That the detector needs per image, reckoned by the pixels of each level.
    """

    name: str
    threshold: float | None
    metrics: dict[str, Any]
    mpx: float
    share: float
    seconds: float


class ViewRecorder(Hook):
    """Stands in the place of an evaluator during a test of the pyramid, and keeps what views found.

    Args:
        dataset: In test mode.
        border_margin: How close to a tile's inner border a box may come, in pixels of the level.

    Attributes:
        images: By index.
        seconds: That the detector took at each level, shape (levels,).
        pixels: That it looked at, likewise.
    """

    metrics: Sequence = ()

    def __init__(self, dataset: ChipDataset, border_margin: float = 1.0) -> None:
        self.dataset = dataset
        self.border_margin = border_margin
        self.images = [SeenImage(index) for index in range(dataset.num_images)]
        self.seconds = np.zeros(dataset.pyramid.num_levels)
        self.pixels = np.zeros(dataset.pyramid.num_levels)
        self.dataset_meta = dataset.metainfo
        self._next = 0

    def before_test_iter(self, *args: Any, **kwargs: Any) -> None:
        """Takes the time."""
        self._began = time.perf_counter()

    def process(self, data_samples: Sequence[DetDataSample], data_batch: Any = None) -> None:
        """Takes what the views of a batch found; they come in the order of the dataset."""
        took = (time.perf_counter() - self._began) / len(data_samples)
        for sample in data_samples:
            image = self.images[int(self.dataset.table.image[self._next])]
            self._next += 1
            chip, level = np.asarray(sample.chip, np.float32), int(sample.chip_level)
            sample.set_metainfo(dict(valid_range=OPEN))
            instances, _ = map_view(sample, self.border_margin)
            image.views.append(SeenView(chip, level, instances.to('cpu'), focus_map_of(sample)))
            image.sample = image_sample(sample, InstanceData())
            self.seconds[level] += took
            sides = (chip[2:] - chip[:2]) * float(sample.chip_scale)
            self.pixels[level] += sides.prod()

    def evaluate(self, size: int) -> dict:
        """Nothing: there is more to come."""
        return {}


@dataclass(frozen=True, eq=False)
class FocusCurve:
    """Tests what was recorded in one way after the other.

    Args:
        dataset: In test mode.
        recorder: With all views.
        evaluator: The metrics.
        nms: How views are merged.
        max_per_image: See :class:`mmsniper.engine.ChipMergeHook`.
        class_agnostic: Likewise.
    """

    dataset: ChipDataset
    recorder: ViewRecorder
    evaluator: Evaluator
    nms: Mapping[str, Any]
    max_per_image: int = 100
    class_agnostic: bool = False

    def pyramid(self) -> Point:
        """All views with their levels' valid ranges."""
        parts = ((image, self._in_range(image.views)) for image in self.recorder.images)
        return self._point('pyramid', None, parts, self.recorder.pixels)

    def levels(self) -> Iterator[Point]:
        """Each level alone, with an open range, fine to coarse."""
        for level in range(self.dataset.pyramid.num_levels):
            parts = (
                (image, [view.instances for view in image.views if view.level == level])
                for image in self.recorder.images
            )
            pixels = np.zeros_like(self.recorder.pixels)
            pixels[level] = self.recorder.pixels[level]
            yield self._point(f'level {level}', None, parts, pixels)

    def focus(self, settings: FocusSettings, threshold: float) -> Point:
        """From coarse to fine.

        Args:
            settings: How.
            threshold: In place of that of the settings.
        """
        settings = replace(settings, threshold=threshold)
        pixels = np.zeros_like(self.recorder.pixels)

        def parts() -> Iterator[tuple[SeenImage, list[InstanceData]]]:
            for image in self.recorder.images:
                search = search_of(self.dataset, image.index, settings)
                found = self._in_range(list(self._search(image, search)))
                pixels[:] += search.pixels
                yield image, found

        return self._point(f'focus {threshold:g}', threshold, parts(), pixels)

    def _search(self, image: SeenImage, search: CoarseToFine) -> Iterator[SeenView]:
        """What the views that a search asks for are taken to find."""
        while views := list(search.views):
            level = search.levels[search.level]
            seen = [view for view in image.views if view.level == search.level]
            for view in views:
                around = [each for each in seen if _overlap(each.chip, view.chip)]
                yield self._inside(around, view.chip, level.scale, search.size)
                search.see(_marks(search, around, view.chip, level.scale))

    def _inside(
        self, around: Sequence[SeenView], chip: np.ndarray, scale: float, size: tuple[int, int]
    ) -> SeenView:
        """What lies in a chip, of what some views found, and is not cut by its border."""
        margin = self.recorder.border_margin / scale
        parts = []
        for view in around:
            boxes = view.instances.bboxes
            cut = touches_tile_border(boxes, chip.tolist(), size[::-1], (margin, margin))
            centres, corners = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes.new_tensor(chip.tolist())
            inside = (centres >= corners[:2]).all(1) & (centres < corners[2:]).all(1)
            parts.append(view.instances[inside & ~cut])
        filled = [part for part in parts if len(part)] or parts[:1]
        return SeenView(chip, around[0].level, InstanceData.cat(filled))

    def _in_range(self, views: Sequence[SeenView]) -> list[InstanceData]:
        kept = []
        for view in views:
            valid_range = self.dataset.pyramid.valid_ranges[view.level]
            kept.append(view.instances[in_valid_range(view.instances.bboxes, valid_range)])
        return kept

    def _point(
        self, name: str, threshold: float | None, parts: Iterator, pixels: np.ndarray
    ) -> Point:
        number = len(self.recorder.images)
        for image, found in tqdm(parts, name, number, unit='image', leave=False):
            sample = image.sample.clone()
            merged = found[0]
            if len(found) > 1:
                merged, _, _ = merge_instances(
                    found, self.nms, self.max_per_image, self.class_agnostic
                )
            sample.pred_instances = merged
            self.evaluator.process(data_samples=[sample], data_batch=None)
        metrics = self.evaluator.evaluate(number)
        rates = self.recorder.seconds / np.maximum(self.recorder.pixels, 1)
        return Point(
            name,
            threshold,
            {key: float(value) for key, value in metrics.items()},
            float(pixels.sum() / number / 1e6),
            float(pixels.sum() / max(self.recorder.pixels.sum(), 1)),
            float((rates * pixels).sum() / number),
        )


def _overlap(chip: np.ndarray, other: np.ndarray) -> bool:
    return bool((chip[:2] < other[2:]).all() and (chip[2:] > other[:2]).all())


def _marks(
    search: CoarseToFine, around: Sequence[SeenView], chip: np.ndarray, scale: float
) -> Marks | None:
    """Where what some views found inside of a chip calls for a finer level."""
    parts = []
    for view in around:
        boxes, scores = view.instances.bboxes.numpy(), view.instances.scores.numpy()
        inside = (boxes[:, :2] < chip[2:]).all(1) & (boxes[:, 2:] > chip[:2]).all(1)
        boxes = np.clip(boxes[inside], np.tile(chip[:2], 2), np.tile(chip[2:], 2))
        shown, focus_map = chip, view.focus_map
        if focus_map is not None:
            probabilities, stride = focus_map
            side = stride / scale
            low = np.maximum((chip[:2] - view.chip[:2]) / side, 0).astype(int)
            high = np.ceil((chip[2:] - view.chip[:2]) / side - 1e-3).astype(int)
            focus_map = probabilities[low[1] : high[1], low[0] : high[0]], stride
            shown = np.tile(view.chip[:2] + low * side, 2)
        parts.append(search.marks(shown, boxes, scores[inside], focus_map))
    if parts[0] is None:
        return None
    return Marks(parts[0].stride, np.unique(np.concatenate([part.cells for part in parts])))
