"""How large objects are, in the image and at each pyramid level, and what seeing them costs.

Shapes: n boxes, m images, L pyramid levels, b bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mmsniper.chips import Pyramid, box_levels, box_sizes, positive_chips, pyramid_views

from .coco_boxes import Annotations
from .cost import chip_megapixels, megapixels

BINS_PER_OCTAVE = 4
# Testing looks at images in tiles of so many chips a side where a level makes them larger. A
# quarter of such a tile, by which tiles overlap, is a chip, so they cut no object that fits one.
CHIPS_PER_TILE = 4
# Objects that are seen smaller, in pixels of a level, are hardly found: they are two cells of the
# finest feature map of most detectors.
HARDLY_SEEN = 16


@dataclass(frozen=True)
class ScaleCost:
    """What a data set costs, as means over all images, those without a box included.

    Areas are in 10**6 pixels of the levels and count no padding.

    Attributes:
        chips_per_level (tuple[float, ...]): Positive chips at each level, fine to coarse.
        mpx_training_per_level (tuple[float, ...]): Area of these chips.
        views_per_level (tuple[float, ...]): Views in testing at each level: whole images, or tiles
            where a level makes images larger than one.
        mpx_testing_per_level (tuple[float, ...]): Area of these views. What tiles share counts for
            each of them.
        mpx_single_scale (float): Area of the whole image at the single scale.
        mpx_pyramid (float): Area of the whole image at all levels together, without tiles.
    """

    chips_per_level: tuple[float, ...]
    mpx_training_per_level: tuple[float, ...]
    views_per_level: tuple[float, ...]
    mpx_testing_per_level: tuple[float, ...]
    mpx_single_scale: float
    mpx_pyramid: float

    @property
    def chips_per_image(self) -> float:
        """Positive chips of all levels."""
        return sum(self.chips_per_level)

    @property
    def mpx_per_image(self) -> float:
        """Area of the chips of all levels."""
        return sum(self.mpx_training_per_level)

    @property
    def mpx_testing(self) -> float:
        """Area of the views of all levels."""
        return sum(self.mpx_testing_per_level)

    @cached_property
    def relative(self) -> float:
        """Area of the chips relative to that of the single scale."""
        return self.mpx_per_image / self.mpx_single_scale

    @cached_property
    def relative_testing(self) -> float:
        """Area of the views in testing relative to that of the single scale."""
        return self.mpx_testing / self.mpx_single_scale


def box_images(annotations: Annotations) -> np.ndarray:
    """The image of each box.

    Args:
        annotations (Annotations): Of n boxes.

    Returns:
        np.ndarray: (n,) int64.
    """
    starts = annotations.image_starts
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def measure_cost(
    annotations: Annotations,
    pyramid: Pyramid,
    chip_size: int,
    single_scale: Pyramid,
    stride: int = 32,
    seed: int = 0,
) -> ScaleCost:
    """Make the positive chips and the views of a data set and add up their pixels.

    Args:
        annotations (Annotations): Of m >= 1 images.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Longest side of a chip in pixels of its level.
        single_scale (Pyramid): One level, to compare the cost with.
        stride (int): Stride of the chips' grid in pixels of the level. Defaults to 32.
        seed (int): Of the chips. Defaults to 0.

    Returns:
        ScaleCost: Means over the m images.

    Raises:
        InputError: If ``chip_size`` or ``stride`` is no positive whole number.
    """
    valid = box_levels(*annotations, pyramid, chip_size).valid
    chips = positive_chips(*annotations, pyramid, chip_size, stride, seed, valid=valid)
    heights, widths = annotations.heights, annotations.widths
    num_images = len(heights)
    factors = pyramid.scale_factors(heights, widths)
    views = pyramid_views(heights, widths, pyramid, CHIPS_PER_TILE * chip_size)
    single = single_scale.scale_factors(heights, widths)

    def means(totals: np.ndarray) -> tuple[float, ...]:
        return tuple((totals / num_images).tolist())

    return ScaleCost(
        chips_per_level=means(np.bincount(chips.level, minlength=pyramid.num_levels)),
        mpx_training_per_level=means(chip_megapixels(chips, factors)),
        views_per_level=means(np.bincount(views.level, minlength=pyramid.num_levels)),
        mpx_testing_per_level=means(chip_megapixels(views, factors)),
        mpx_single_scale=megapixels(heights, widths, single) / num_images,
        mpx_pyramid=megapixels(heights, widths, factors) / num_images,
    )


def tile_size_in_testing(annotations: Annotations, pyramid: Pyramid, chip_size: int) -> int | None:
    """The side of the tiles that images are tested in.

    Args:
        annotations (Annotations): Of m images.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Longest side of a chip in pixels of its level.

    Returns:
        int | None: Pixels of the level; None if no level makes an image larger than a tile.
    """
    sides = annotations.heights, annotations.widths
    longest_view = float((pyramid.scale_factors(*sides)[:, 0] * sides).max())
    tile_size = CHIPS_PER_TILE * chip_size
    return tile_size if longest_view > tile_size else None


def hardly_seen(annotations: Annotations, pyramid: Pyramid) -> np.ndarray:
    """Which objects are smaller than ``HARDLY_SEEN`` pixels even at the finest level.

    Args:
        annotations (Annotations): Of n boxes.
        pyramid (Pyramid): Levels and valid ranges.

    Returns:
        np.ndarray: (n,) bool.
    """
    finest = pyramid.scale_factors(annotations.heights, annotations.widths)[:, 0]
    seen = box_sizes(annotations.boxes) * finest[box_images(annotations)]
    return seen < HARDLY_SEEN


def uncovered_share(annotations: Annotations, pyramid: Pyramid) -> float:
    """Share of the objects whose size is in the valid range of no level.

    Args:
        annotations (Annotations): Of n >= 1 boxes.
        pyramid (Pyramid): Levels and valid ranges.

    Returns:
        float: From 0 to 1.
    """
    return float(1 - pyramid.in_range(box_sizes(annotations.boxes)).any(axis=1).mean())


def without_chip_share(annotations: Annotations, pyramid: Pyramid, chip_size: int) -> float:
    """Share of the objects that no chip of a level for their size wholly contains.

    Besides those without a valid level these are objects that are too long for a chip at each
    level they are valid at, and slivers of less than 2 pixels that are valid at the finest only.

    Args:
        annotations (Annotations): Of n >= 1 boxes.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Longest side of a chip in pixels of its level.

    Returns:
        float: From 0 to 1.
    """
    levels = box_levels(*annotations, pyramid, chip_size)
    without = levels.out_of_range | levels.promoted | levels.too_long | levels.too_thin
    return float(without.mean())


def promoted_share(annotations: Annotations, pyramid: Pyramid, chip_size: int) -> float:
    """Share of the objects that are shown at a coarser level because no other chip holds them.

    Args:
        annotations (Annotations): Of n >= 1 boxes.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Longest side of a chip in pixels of its level.

    Returns:
        float: From 0 to 1, a part of ``without_chip_share``.
    """
    return float(box_levels(*annotations, pyramid, chip_size).promoted.mean())


def scale_histograms(annotations: Annotations, pyramid: Pyramid) -> dict[str, Any]:
    """Histograms of object sizes in the image and at each level, bins a quarter octave wide.

    Args:
        annotations (Annotations): Of n >= 1 boxes.
        pyramid (Pyramid): Levels and valid ranges.

    Returns:
        dict: ``'image'`` with ``'edges'`` (b + 1,) in pixels of the original image and
        ``'counts'`` (b,); ``'levels'``, a list with the same for each level, edges in its pixels,
        and ``'valid_counts'`` (b,), how many of ``'counts'`` are in its valid range. Every object
        is in one bin of each.
    """
    sizes, image = box_sizes(annotations.boxes), box_images(annotations)
    factors = pyramid.scale_factors(annotations.heights, annotations.widths)[image]
    valid = pyramid.in_range(sizes)
    levels = []
    for level in range(pyramid.num_levels):
        seen = sizes * factors[:, level]
        edges = _edges(seen)
        levels.append(
            dict(
                edges=edges.tolist(),
                counts=np.histogram(seen, edges)[0].tolist(),
                valid_counts=np.histogram(seen[valid[:, level]], edges)[0].tolist(),
            )
        )
    edges = _edges(sizes)
    counts = np.histogram(sizes, edges)[0].tolist()
    return dict(image=dict(edges=edges.tolist(), counts=counts), levels=levels)


def _edges(sizes: np.ndarray) -> np.ndarray:
    """Edges at powers of 2 ** (1 / 4) that enclose all ``sizes``, which are positive."""
    first = np.floor(np.log2(sizes.min()) * BINS_PER_OCTAVE - 1e-6)
    last = np.floor(np.log2(sizes.max()) * BINS_PER_OCTAVE + 1e-6) + 1
    return 2.0 ** (np.arange(first, last + 1) / BINS_PER_OCTAVE)
