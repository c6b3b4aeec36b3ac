"""Charts of object sizes, valid ranges and costs.

Shapes: b bins, L pyramid levels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from mmsniper.chips import Pyramid

LEVEL_COLOURS = ('#d1495b', '#edae49', '#2a9d8f', '#3d6fb6', '#7b4b94')
OBJECT_COLOUR = '#5b6770'
IGNORED_COLOUR = '#c9ced3'
MAX_TICKS = 10
TICKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
PANELS_PER_ROW = {1: 1, 2: 2, 4: 2}  # by number of levels, three to a row otherwise


def draw_scales(
    histograms: dict[str, Any],
    pyramid: Pyramid,
    chip_size: int,
    chips_per_level: Sequence[float],
    costs: dict[str, float],
    title: str,
) -> bytes:
    """Draw how large objects are in the image and at each level, and what the levels cost.

    On top stand the sizes in the image, under them the valid range of each level as a bar, and
    next to them the costs. Below, each level has a panel with the sizes at which objects are seen
    there, those in its valid range in colour.

    Args:
        histograms (dict): As of ``mmsniper.analysis.scale_statistics.scale_histograms``.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Pixels of the level.
        chips_per_level (Sequence[float]): (L,) chips per image.
        costs (dict[str, float]): What is compared, and its 10**6 pixels per image.
        title (str): What stands above.

    Returns:
        bytes: A PNG file.
    """
    columns = PANELS_PER_ROW.get(pyramid.num_levels, 3)
    rows = -(-pyramid.num_levels // columns)
    figure = Figure(figsize=(13, 4.6 + 3.1 * rows), dpi=100, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13, fontweight='bold')
    top, bottom = figure.subfigures(2, 1, height_ratios=(4.2, 3.1 * rows))
    image_axes, cost_axes = top.subplots(1, 2, width_ratios=(2.4, 1))
    _draw_image_sizes(image_axes, histograms['image'], pyramid)
    _draw_costs(cost_axes, costs)
    panels = bottom.subplots(rows, columns, squeeze=False).reshape(-1)
    edges = np.concatenate([level['edges'] for level in histograms['levels']])
    limits = min(edges.min(), chip_size / 4) / 1.1, max(edges.max(), chip_size) * 1.1
    for level, axes in enumerate(panels):
        if level >= pyramid.num_levels:
            axes.set_axis_off()
            continue
        _draw_level(axes, histograms['levels'][level], _colour(level), chip_size, limits)
        axes.set_title(
            f'level {level}: {describe_level(pyramid.levels[level])}\n'
            f'{chips_per_level[level]:.2f} chips per image',
            fontsize=10,
            color=_colour(level),
            fontweight='bold',
        )
    with io.BytesIO() as file:
        canvas.print_png(file)
        return file.getvalue()


def describe_level(level: tuple[int, int] | float) -> str:
    """A level in words: ``'factor 0.5'`` or ``'short side 800, long side 1280'``."""
    if isinstance(level, float):
        return f'factor {level:g}'
    sides = zip(('short', 'long'), level)
    return ', '.join(f'{name} side {pixels}' for name, pixels in sides if pixels != -1)


def describe_range(bounds: tuple[float, float]) -> str:
    """A valid range in words: ``'any size'``, ``'below 80 px'``, ``'32 to 150 px'``."""
    low, high = bounds
    if low <= 0:
        return 'any size' if high < 0 else f'below {high:g} px'
    return f'from {low:g} px' if high < 0 else f'{low:g} to {high:g} px'


def _draw_image_sizes(axes: Axes, histogram: dict[str, Any], pyramid: Pyramid) -> None:
    """Sizes in original pixels, and a bar for the valid range of each level under them."""
    edges = np.array(histogram['edges'])
    _draw_bars(axes, edges, histogram['counts'], OBJECT_COLOUR)
    left, right = min(edges[0] / 1.3, edges[-1] / 4), max(edges[-1] * 1.3, edges[0] * 4)
    highest = max(histogram['counts'])
    thickness = 0.13 * highest
    for level, (low, high) in enumerate(pyramid.valid_ranges):
        low, high = (left if low <= 0 else max(low, left)), (right if high < 0 else high)
        high = min(high, right)
        bottom = -(level + 1) * thickness
        if low < high:
            axes.axvspan(low, high, color=_colour(level), alpha=0.1, linewidth=0, zorder=0)
            axes.barh(
                bottom,
                high - low,
                left=low,
                height=0.86 * thickness,
                align='edge',
                color=_colour(level),
            )
        # Where the bar is too short for it, the text stands beside it.
        wide = low < high and np.log(high / low) > 0.24 * np.log(right / left)
        text = f'level {level}: {describe_range(pyramid.valid_ranges[level])}'
        left_half = low < np.sqrt(left * right)
        if wide:
            position, alignment, colour = np.sqrt(low * high), 'center', 'white'
        elif left_half:
            position, alignment, colour = max(high, left) * 1.05, 'left', _colour(level)
        else:
            position, alignment, colour = min(low, right) / 1.05, 'right', _colour(level)
        axes.text(
            position,
            bottom + 0.43 * thickness,
            text,
            ha=alignment,
            va='center',
            color=colour,
            fontsize=9,
            fontweight='bold',
        )
    axes.set_ylim(-(pyramid.num_levels + 0.2) * thickness, 1.05 * highest)
    _scale_sizes(axes, (left, right))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= 1.05 * highest])
    axes.axhline(0, color='black', linewidth=0.8)
    axes.set_title('objects in the image and valid ranges of the levels', fontsize=11)
    axes.set_xlabel('size in the image, sqrt(w * h) in px')
    axes.set_ylabel('objects')


def _draw_level(
    axes: Axes,
    histogram: dict[str, Any],
    colour: str,
    chip_size: int,
    limits: tuple[float, float],
) -> None:
    """Sizes in pixels of a level, and the side of a chip as a line."""
    edges = np.array(histogram['edges'])
    _draw_bars(axes, edges, histogram['counts'], IGNORED_COLOUR, 'ignored')
    _draw_bars(axes, edges, histogram['valid_counts'], colour, 'valid')
    axes.axvline(chip_size, color='black', linestyle='--', linewidth=1, label='chip size')
    _scale_sizes(axes, limits)
    axes.set_xlabel('size at this level in px')
    axes.set_ylabel('objects')
    axes.set_ylim(0, 1.35 * max(histogram['counts']))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.legend(fontsize=8, loc='upper left', ncols=3, frameon=False, columnspacing=1)


def _draw_costs(axes: Axes, costs: dict[str, float]) -> None:
    """A bar for each way of looking at an image."""
    names, values = list(costs), list(costs.values())
    colours = (OBJECT_COLOUR, IGNORED_COLOUR, '#1b7f4b')
    axes.bar(range(len(names)), values, color=[colours[i % 3] for i in range(len(names))])
    for index, value in enumerate(values):
        axes.text(index, value, f'{value:.3g}', ha='center', va='bottom', fontsize=10)
    axes.set_xticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(0, 1.15 * max(values))
    axes.set_ylabel('Mpx per image')
    axes.set_title('cost', fontsize=11)
    axes.spines[['top', 'right']].set_visible(False)


def _draw_bars(
    axes: Axes, edges: np.ndarray, counts: Sequence[int], colour: str, label: str = ''
) -> None:
    axes.bar(
        edges[:-1],
        counts,
        width=np.diff(edges),
        align='edge',
        color=colour,
        edgecolor='white',
        linewidth=0.4,
        zorder=2,
        label=label or None,
    )
    axes.spines[['top', 'right']].set_visible(False)


def _scale_sizes(axes: Axes, limits: tuple[float, float]) -> None:
    """A logarithmic axis of sizes with ticks at powers of two."""
    axes.set_xscale('log')
    axes.set_xlim(*limits)
    ticks = [tick for tick in TICKS if limits[0] <= tick <= limits[1]]
    if len(ticks) > MAX_TICKS:
        ticks = ticks[len(ticks) % 2 :: 2]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(tick) for tick in ticks])
    axes.tick_params(labelsize=8)


def _colour(level: int) -> str:
    return LEVEL_COLOURS[level % len(LEVEL_COLOURS)]
