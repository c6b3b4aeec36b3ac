"""Scenes of several photographs in many sizes, side by side on a canvas and never cut.

The scales of the first photographs are chosen through their objects, so that objects of all sizes
appear: first a size is drawn, then a photograph with an object that can be shown in this size, then
the object. Further photographs fill what is left of the canvas, each as large as it fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .free_space import FreeSpace
from .photographs import Photograph, scale_outline

FIRST = 4  # photographs whose scales are drawn; they are placed by size, so that large ones fit in
TRIES = 20  # sizes drawn before a photograph is taken at any scale
CANDIDATES = 4  # photographs drawn to fill a gap, of which the one is taken that fills it best


@dataclass(frozen=True)
class Layout:
    """What scenes look like.

    Attributes:
        width: Of the canvas in pixels.
        height: Of the canvas in pixels.
        scales: Smallest and largest factor that a photograph is resized by.
        sizes: Smallest and largest sqrt(w * h) in pixels that photographs are chosen for.
        min_size: Objects with a smaller sqrt(w * h) in pixels are marked as crowds.
        max_photographs: How many photographs a scene has at most.
    """

    width: int
    height: int
    scales: tuple[float, float]
    sizes: tuple[float, float]
    min_size: float
    max_photographs: int


class PhotographPool:
    """Photographs of one or several sources, to draw from.

    Args:
        sources: The photographs of each source; those that do not fit on the canvas at the
            smallest scale are never drawn.
        layout: What scenes look like.

    Attributes:
        sources (list[list[Photograph]]): Those that can be drawn.
        num_objects (int): How many objects they have, without crowds and boxes without area.
    """

    def __init__(self, sources: Sequence[Sequence[Photograph]], layout: Layout) -> None:
        self.layout = layout
        self.sources = [
            [photo for photo in source if self._largest_scale(photo) >= layout.scales[0]]
            for source in sources
        ]
        # Of each source the sizes (k,) of all objects, their photographs (k,), the largest scales
        # (m,) of the photographs, and the photographs (e,) without objects.
        self._tables = []
        for source in self.sources:
            sizes = [_sizes(photo.boxes)[~photo.crowd] for photo in source]
            sizes = [found[found > 0] for found in sizes]
            counts = np.array([len(found) for found in sizes], int)
            largest = np.array([self._largest_scale(photo) for photo in source])
            joined = np.concatenate([np.zeros(0), *sizes])
            owners = np.repeat(np.arange(len(source)), counts)
            self._tables.append((joined, owners, largest, np.flatnonzero(counts == 0)))
        self.num_objects = sum(len(sizes) for sizes, *_ in self._tables)

    def _largest_scale(self, photo: Photograph) -> float:
        fit = min(self.layout.width / photo.width, self.layout.height / photo.height)
        return min(fit, self.layout.scales[1])

    def draw(self, rng: np.random.Generator) -> tuple[Photograph, float]:
        """A photograph and the scale to show it at.

        Each source that has an object for the drawn size is as likely as the others, whatever its
        number of photographs, and each such photograph in it; photographs without objects come as
        often as they are in the source, at any scale.
        """
        lowest = self.layout.scales[0]
        for _ in range(TRIES):
            target = np.exp(rng.uniform(*np.log(self.layout.sizes)))
            for number in rng.permutation(len(self.sources)):
                sizes, owners, largest, empty = self._tables[number]
                if rng.integers(max(len(largest), 1)) < len(empty):
                    return self._draw_freely(rng, number, empty)
                scales = target / sizes
                fitting = np.flatnonzero((scales >= lowest) & (scales <= largest[owners]))
                if len(fitting):
                    owner = rng.choice(np.unique(owners[fitting]))
                    scale = rng.choice(scales[fitting[owners[fitting] == owner]])
                    return self.sources[number][owner], float(scale)
        number = rng.choice([i for i, source in enumerate(self.sources) if source])
        return self._draw_freely(rng, number, np.arange(len(self.sources[number])))

    def draw_filling(
        self, rng: np.random.Generator, width: int, height: int
    ) -> tuple[Photograph, float] | None:
        """A photograph at the largest scale that fits into a gap.

        Args:
            rng: Draws a few photographs, from all sources alike, of which the one that leaves
                least of the gap is taken.
            width: Of the gap in pixels.
            height: Of the gap in pixels.

        Returns:
            The photograph and its scale, or None where it would fit at no allowed scale.
        """
        drawn = []
        for _ in range(CANDIDATES):
            source = self.sources[rng.integers(len(self.sources))]
            photo = source[rng.integers(len(source))]
            scale = min(width / photo.width, height / photo.height, self.layout.scales[1])
            drawn.append((photo, scale))
        photo, scale = max(drawn, key=_pixels)
        return (photo, scale) if scale >= self.layout.scales[0] else None

    def _draw_freely(
        self, rng: np.random.Generator, number: int, among: np.ndarray
    ) -> tuple[Photograph, float]:
        owner = rng.choice(among)
        limits = np.log([self.layout.scales[0], self._tables[number][2][owner]])
        return self.sources[number][owner], float(np.exp(rng.uniform(*limits)))


def compose(
    rng: np.random.Generator, pool: PhotographPool, category_ids: Mapping[str, int]
) -> tuple[np.ndarray, list[dict], dict]:
    """Makes a scene.

    Args:
        rng: All that is random about it.
        pool: Where the photographs are from.
        category_ids: Ids of the classes.

    Returns:
        tuple: The image, (H, W, 3) uint8 BGR, its annotations without ids, and
        ``dict(photographs=[...])`` with the file name and the place (x, y, width, height in pixels)
        of every photograph.
    """
    layout = pool.layout
    placed = arrange(rng, pool)
    image = _backdrop(pool.draw(rng)[0].load(), layout)
    annotations, photographs = [], []
    for photo, place in placed:
        x, y, width, height = place
        image[y : y + height, x : x + width] = resize(photo.load(), width, height)
        annotations += annotate(photo, place, layout, category_ids)
        photographs.append(dict(file_name=photo.path.name, bbox=list(place)))
    return image, annotations, dict(photographs=photographs)


def arrange(
    rng: np.random.Generator, pool: PhotographPool
) -> list[tuple[Photograph, tuple[int, int, int, int]]]:
    """Draws photographs and finds room for them.

    Returns:
        list[tuple]: Photographs with their places (x, y, width, height), whole pixels; none
        overlaps another.
    """
    layout, placed = pool.layout, []
    space = FreeSpace(layout.width, layout.height)
    first = [pool.draw(rng) for _ in range(min(FIRST, layout.max_photographs))]
    for photo, scale in sorted(first, key=_pixels, reverse=True):
        width, height = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
        corner = space.place(rng, width, height)
        if corner is not None:
            placed.append((photo, (*corner, width, height)))
    while len(placed) < layout.max_photographs:
        gap = space.largest()
        drawn = gap and pool.draw_filling(rng, *gap)
        if not drawn:
            break
        photo, scale = drawn
        width = min(gap[0], max(1, round(photo.width * scale)))
        height = min(gap[1], max(1, round(photo.height * scale)))
        placed.append((photo, (*space.place(rng, width, height), width, height)))
    return placed


def _pixels(drawn: tuple[Photograph, float]) -> float:
    photo, scale = drawn
    return photo.width * photo.height * scale**2


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """``image`` in another size: without aliasing where smaller, smooth where larger."""
    smaller = width < image.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=method)


def annotate(
    photo: Photograph,
    place: Sequence[int],
    layout: Layout,
    category_ids: Mapping[str, int],
) -> list[dict[str, Any]]:
    """COCO annotations, without ids, of a photograph that is shown on a canvas.

    Args:
        photo: The photograph.
        place: (x, y, width, height) that it fills, whole pixels.
        layout: Of the scene.
        category_ids: Ids of the classes.
    """
    x, y, width, height = place
    factor = np.array([width / photo.width, height / photo.height])
    corners = (photo.boxes.reshape(-1, 2, 2) * factor + (x, y)).round(2)
    sides = (corners[:, 1] - corners[:, 0]).round(2)
    crowd = photo.crowd | (np.sqrt(sides.prod(axis=1)) < layout.min_size)
    annotations = []
    for number, name in enumerate(photo.names):
        annotation = dict(
            category_id=category_ids[name],
            bbox=[*corners[number, 0].tolist(), *sides[number].tolist()],
            area=round(float(photo.areas[number] * factor.prod()), 2),
            iscrowd=int(crowd[number]),
        )
        if photo.outlines[number] is not None:
            annotation['segmentation'] = scale_outline(
                photo.outlines[number], photo, place, (layout.height, layout.width)
            )
        annotations.append(annotation)
    return annotations


def _backdrop(image: np.ndarray, layout: Layout) -> np.ndarray:
    """What fills the gaps: slow changes between the mean colours of a photograph's quarters."""
    quarters = cv2.resize(image, (2, 2), interpolation=cv2.INTER_AREA)
    size = (layout.width, layout.height)
    return cv2.resize(quarters, size, interpolation=cv2.INTER_LINEAR)


def _sizes(boxes: np.ndarray) -> np.ndarray:
    return np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
