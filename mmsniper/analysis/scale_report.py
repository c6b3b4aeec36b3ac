"""The findings about the scales of a data set, as figures and as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmsniper.chips import Pyramid, box_sizes

from .budget import Budget
from .coco_boxes import Annotations, PooledAnnotations
from .finer_levels import FinerSettings
from .object_scales import HIGH, LOW, SMALLEST_SEEN
from .scale_notes import plural
from .scale_proposal import LARGEST_SEEN, MIN_SHARE, widen_ranges
from .scale_statistics import (
    HARDLY_SEEN,
    ScaleCost,
    hardly_seen,
    promoted_share,
    scale_histograms,
    tile_size_in_testing,
    uncovered_share,
    without_chip_share,
)

# What a detector with a feature pyramid manages by itself.
ONE_LEVEL_RATIO = LARGEST_SEEN / SMALLEST_SEEN


def scale_figures(
    data: PooledAnnotations,
    pyramid: Pyramid,
    chip_size: int,
    cost: ScaleCost,
    budget: Budget,
    images_measured: int,
    finer: Sequence[FinerSettings] = (),
) -> dict[str, Any]:
    """All figures of a pyramid and chip size on a data set.

    Args:
        data (PooledAnnotations): The data set.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Pixels of the level.
        cost (ScaleCost): Measured on ``images_measured`` images.
        budget (Budget): What an image may cost.
        images_measured (int): Number of images.
        finer (Sequence[FinerSettings]): What would show small objects larger. Defaults to none.

    Returns:
        dict: Of what JSON can hold. Shares are from 0 to 1, sizes and ranges are in original
        pixels, ``mpx_*`` in 10**6 pixels of the levels.
    """
    annotations = data.annotations
    sizes = box_sizes(annotations.boxes)
    low, high = np.quantile(sizes, (LOW, HIGH))
    small = float(hardly_seen(annotations, pyramid).mean())
    sizes_fit_one_level = pyramid.num_levels == 1 and bool(high <= ONE_LEVEL_RATIO * low)
    return dict(
        levels=list(pyramid.levels),
        valid_ranges=list(pyramid.valid_ranges),
        holes=pyramid.holes,
        test_valid_ranges=widen_ranges(pyramid.valid_ranges),
        chip_size=chip_size,
        tile_size=tile_size_in_testing(annotations, pyramid, chip_size),
        chips_per_image=cost.chips_per_image,
        chips_per_level=list(cost.chips_per_level),
        views_per_level=list(cost.views_per_level),
        mpx_per_image=cost.mpx_per_image,
        mpx_training_per_level=list(cost.mpx_training_per_level),
        mpx_testing=cost.mpx_testing,
        mpx_testing_per_level=list(cost.mpx_testing_per_level),
        mpx_single_scale=cost.mpx_single_scale,
        mpx_pyramid=cost.mpx_pyramid,
        relative_cost=cost.relative,
        relative_test_cost=cost.relative_testing,
        budget=budget.training,
        test_budget=budget.testing if np.isfinite(budget.testing) else None,
        meets_budget=cost.relative <= budget.training,
        meets_test_budget=cost.relative_testing <= budget.testing,
        hardly_seen_share=small,
        finer=[_finer_figures(settings, annotations) for settings in finer],
        uncovered_share=uncovered_share(annotations, pyramid),
        without_chip_share=without_chip_share(annotations, pyramid, chip_size),
        promoted_share=promoted_share(annotations, pyramid, chip_size),
        sizes_fit_one_level=sizes_fit_one_level,
        one_level_is_enough=sizes_fit_one_level and small < MIN_SHARE,
        images=len(annotations.heights),
        images_measured=images_measured,
        images_without_objects=int((np.diff(annotations.image_starts) == 0).sum()),
        objects=len(sizes),
        crowds=data.num_crowds,
        unusable_boxes=data.unusable,
        size_quantiles={
            f'{share:g}': float(np.quantile(sizes, share)) for share in (0, LOW, 0.5, HIGH, 1)
        },
        histograms=scale_histograms(annotations, pyramid),
    )


def format_report(figures: dict[str, Any], sentences: list[str]) -> str:
    """The figures and sentences as lines of text.

    Args:
        figures (dict): As of ``scale_figures``.
        sentences (list[str]): As of ``scale_notes.notes``.
    """
    quantiles = figures['size_quantiles']
    sizes = ', '.join(f'{float(share):.4g}: {size:.1f}' for share, size in quantiles.items())
    tiles = f', in tiles of {figures["tile_size"]}' if figures['tile_size'] else ''
    lines = [
        f'{plural(figures["images"], "image")}, {plural(figures["objects"], "object")}; quantiles '
        f'of the sizes in px: {sizes}',
        '',
        *_cost_table(figures),
        '',
        f'chip size {figures["chip_size"]}; testing looks at every level of the whole image{tiles}',
        f'objects below {HARDLY_SEEN} px at the finest level: {figures["hardly_seen_share"]:.2%}',
        f'objects without a valid level: {figures["uncovered_share"]:.2%}',
    ]
    if figures['finer']:
        lines += ['', *_finer_table(figures)]
    return '\n'.join(lines + [''] * bool(sentences) + [f'- {text}' for text in sentences])


def _cost_table(figures: dict[str, Any]) -> list[str]:
    """What is seen at each level, and what that costs in training and in testing."""

    def line(level: Any, valid: str, test: str, objects: Any, chips: str, *mpx: str) -> str:
        training, testing = mpx
        return (
            f'{str(level):24} {valid:>14} {test:>14} {objects:>8} {chips:>12} '
            f'{training:>9} {testing:>9}'
        )

    lines = [
        f'{"Mpx per image":>97}',
        line('level', 'valid range', 'in testing', 'objects', 'chips/image', 'training', 'testing'),
    ]
    rows = zip(
        figures['levels'],
        figures['valid_ranges'],
        figures['test_valid_ranges'],
        figures['histograms']['levels'],
        figures['chips_per_level'],
        figures['mpx_training_per_level'],
        figures['mpx_testing_per_level'],
    )
    for level, valid, test, histogram, chips, *mpx in rows:
        objects = sum(histogram['valid_counts'])
        costs = [f'{value:.3f}' for value in mpx]
        lines.append(line(level, _range(valid), _range(test), objects, f'{chips:.2f}', *costs))
    total = np.array([figures['mpx_per_image'], figures['mpx_testing']])
    single = figures['mpx_single_scale']
    sums = [
        ('together', f'{figures["chips_per_image"]:.2f}', total, 3),
        ('single scale', '', [single] * 2, 3),
        ('times the single scale', '', total / single, 2),
    ]
    for name, chips, values, digits in sums:
        lines.append(line(name, '', '', '', chips, *[f'{value:.{digits}f}' for value in values]))
    return lines


def _finer_table(figures: dict[str, Any]) -> list[str]:
    """What finer levels bring and cost, these levels first."""
    lines = [f'{"finer levels":40} {"< 16 px":>8} {"training":>9} {"testing":>9}  with']
    for row in [dict(figures, options='(these levels)'), *figures['finer']]:
        levels = ', '.join(map(str, row['levels']))
        lines.append(
            f'{levels:40} {row["hardly_seen_share"]:8.1%} {row["relative_cost"]:7.2f} x '
            f'{row["relative_test_cost"]:7.2f} x  {row["options"]}'
        )
    return lines


def _finer_figures(settings: FinerSettings, annotations: Annotations) -> dict[str, Any]:
    pyramid, cost = settings.pyramid, settings.cost
    return dict(
        levels=list(pyramid.levels),
        valid_ranges=list(pyramid.valid_ranges),
        chip_size=settings.chip_size,
        hardly_seen_share=float(hardly_seen(annotations, pyramid).mean()),
        mpx_per_image=cost.mpx_per_image,
        mpx_testing=cost.mpx_testing,
        relative_cost=cost.relative,
        relative_test_cost=cost.relative_testing,
        options=settings.options,
    )


def _range(bounds: tuple[float, float]) -> str:
    low, high = (f'{bound:g}' for bound in bounds)
    return f'({low}, {high})'
