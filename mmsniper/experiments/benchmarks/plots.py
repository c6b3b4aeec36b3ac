"""Plots of results: learning curves, object sizes, test cost."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmsniper.utils.whole_file import write_whole

from .figures import figure, spread, word
from .suite import Suite
from .summary import summarise

# Told apart by people with any colour vision, and by their markers in black and white.
COLOURS = ('#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#555555', '#b8a800')
MARKERS = 'osD^vP*X<>hpd'
SIZES = ('small\n(below 32² px)', 'medium\n(32² to 96² px)', 'large\n(from 96² px)')


def write_plots(suite: Suite, results: Sequence[dict[str, Any]], out_dir: Path) -> None:
    """Write ``curves.png``, ``object_sizes.png`` and ``test_cost.png``."""
    for name, draw in (
        ('curves', draw_curves),
        ('object_sizes', draw_sizes),
        ('test_cost', draw_test_cost),
    ):
        picture = _picture(suite, results, draw, one_test=draw is not draw_test_cost)
        write_whole(out_dir / f'{name}.png', picture)


def draw_curves(axes: Axes, suite: Suite, results: Sequence[dict[str, Any]]) -> None:
    """The headline figure against what was spent, on the test that is repeated in training."""
    spent, words = (
        ('trained_mpx', 'trained Mpx') if suite.wall_time is None else ('seconds', 'training s')
    )
    for index, recipe in enumerate(_present(suite, results)):
        runs = [run for run in results if run['recipe'] == recipe]
        epochs = sorted({p['epoch'] for run in runs for p in run['training']['points']})
        points = [
            [p for run in runs for p in run['training']['points'] if p['epoch'] == epoch]
            for epoch in epochs
        ]
        values = [spread([figure(p['metrics'], suite.headline) for p in at]) for at in points]
        places = [float(np.mean([p[spent] for p in at])) for at in points]
        _line(axes, index, suite.recipes[recipe].title, places, values)
    axes.set_xlabel(words)
    axes.set_ylabel(f'{word(suite.headline)} in percent')
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def draw_sizes(axes: Axes, suite: Suite, results: Sequence[dict[str, Any]]) -> None:
    """Bars for small, medium and large objects, on the test that is repeated in training."""
    recipes = _present(suite, results)
    width = 0.8 / len(recipes)
    places = np.arange(len(suite.by_size))
    for index, recipe in enumerate(recipes):
        tests = [run['tests'][suite.curve_test] for run in results if run['recipe'] == recipe]
        values = [spread([figure(t['metrics'], name) for t in tests]) for name in suite.by_size]
        axes.bar(
            places + (index - (len(recipes) - 1) / 2) * width,
            [np.nan if value['mean'] is None else value['mean'] for value in values],
            width * 0.92,
            yerr=[value['deviation'] or 0.0 for value in values],
            capsize=2,
            color=COLOURS[index % len(COLOURS)],
            error_kw=dict(linewidth=1, ecolor='#222222'),
            label=suite.recipes[recipe].title,
        )
    axes.set_xticks(places, SIZES)
    axes.set_ylim(bottom=0)
    axes.set_xlabel('area of objects in the original image')
    axes.set_ylabel(f'{word(suite.by_size[0]).rsplit(" ", 1)[0]} in percent')


def draw_test_cost(axes: Axes, suite: Suite, results: Sequence[dict[str, Any]]) -> None:
    """The headline figure against test pixels: colours are recipes, markers ways of testing.

    Lines show the best mean that a recipe has for as many pixels or fewer.
    """
    summary = summarise(suite, results)
    recipes, tests = _present(suite, results), list(suite.tests)
    for entry in summary:
        recipe, test = recipes.index(entry['recipe']), tests.index(entry['test'])
        value = entry['figures'][suite.headline]
        # All recipes have the same costs, and some tests too: beside each other, not on top.
        shift = 0.035 * _from_middle(recipe, recipes) + 0.004 * _from_middle(test, tests)
        axes.errorbar(
            entry['test_mpx'] * (1 + shift),
            np.nan if value['mean'] is None else value['mean'],
            yerr=value['deviation'] or 0.0,
            color=COLOURS[recipe % len(COLOURS)],
            marker=MARKERS[test % len(MARKERS)],
            linestyle='none',
            capsize=2,
        )
    most = max((entry['test_mpx'] for entry in summary), default=1.0) * 1.03
    for index, recipe in enumerate(recipes):
        colour = COLOURS[index % len(COLOURS)]
        places, best = best_for_pixels([e for e in summary if e['recipe'] == recipe], suite)
        best += best[-1:]
        axes.step([*places, most][: len(best)], best, where='post', color=colour, alpha=0.6)
        axes.plot([], [], color=colour, linewidth=5, label=suite.recipes[recipe].title)
    for index, way in enumerate(suite.tests.values()):
        marker = MARKERS[index % len(MARKERS)]
        axes.plot([], [], color='#222222', marker=marker, linestyle='none', label=way.title)
    axes.set_xlabel(
        'test cost: Mpx per image (points moved by up to 2 % lest they overlap)\n'
        'lines: the best mean for as many pixels or fewer'
    )
    axes.set_ylabel(f'{word(suite.headline)} in percent')


def best_for_pixels(
    entries: Sequence[dict[str, Any]], suite: Suite
) -> tuple[list[float], list[float]]:
    """The best figure that a recipe has for a number of test pixels or fewer.

    Args:
        entries (Sequence[dict]): Of :func:`summarise`, those of a recipe.
        suite (Suite): Which says what the headline is.

    Returns:
        tuple[list[float], list[float]]: Rising 10**6 pixels per image, and the best mean up to
        each.
    """
    points = [(entry['test_mpx'], entry['figures'][suite.headline]['mean']) for entry in entries]
    points = sorted(point for point in points if point[1] is not None)
    return [place for place, _ in points], list(itertools.accumulate((v for _, v in points), max))


def _from_middle(index: int, among: Sequence) -> float:
    """A place in a row of things, from -0.5 for the first to 0.5 for the last."""
    return index / (len(among) - 1) - 0.5 if len(among) > 1 else 0.0


def _line(
    axes: Axes, index: int, label: str, places: list[float], values: list[dict[str, Any]]
) -> None:
    """A curve of means with bars of one sample standard deviation."""
    axes.errorbar(
        places,
        [np.nan if value['mean'] is None else value['mean'] for value in values],
        yerr=[value['deviation'] or 0.0 for value in values],
        color=COLOURS[index % len(COLOURS)],
        marker=MARKERS[index % len(MARKERS)],
        capsize=2,
        label=label,
    )


def _present(suite: Suite, results: Sequence[dict[str, Any]]) -> list[str]:
    """Recipes with results, in the suite's order."""
    return [name for name in suite.recipes if any(run['recipe'] == name for run in results)]


def _picture(
    suite: Suite,
    results: Sequence[dict[str, Any]],
    draw: Callable[[Axes, Suite, Sequence[dict[str, Any]]], None],
    one_test: bool,
) -> bytes:
    """A PNG file of one plot, its legend beside it."""
    figure_ = Figure(figsize=(9, 5), dpi=110, layout='constrained')
    canvas = FigureCanvasAgg(figure_)
    axes = figure_.subplots()
    draw(axes, suite, results)
    counts = {sum(run['recipe'] == name for run in results) for name in _present(suite, results)}
    seeds = ' to '.join(map(str, sorted({min(counts), max(counts)})))
    # Above the axes alone: over the whole figure it would run into the legend.
    axes.set_title(
        f'{suite.title}: {suite.data.title}, {suite.extent}\n'
        f'mean and sample standard deviation, number of seeds: {seeds}'
        + (f'\ntested: {suite.tests[suite.curve_test].title}' if one_test else ''),
        fontsize=10,
    )
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    figure_.legend(loc='outside right upper', frameon=False, fontsize=9)
    with io.BytesIO() as file:
        canvas.print_png(file)
        return file.getvalue()
