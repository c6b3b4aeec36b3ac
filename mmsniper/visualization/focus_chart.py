"""The picture of what testing from coarse to fine finds and costs."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FOCUS, PYRAMID, LEVEL = '#0072b2', '#d55e00', '#555555'


def draw_focus_curve(
    focus: Sequence[tuple[float, float, float, float]],
    others: Sequence[tuple[str, float, float, float]],
    figure_name: str,
) -> bytes:
    """Draw a figure of merit against pixels and against time.

    Args:
        focus: Threshold, megapixels and seconds per image, and figure of each point of the curve.
        others: Name, megapixels, seconds and figure of the pyramid, which comes first, and of the
            single levels.
        figure_name: What to call the figure.

    Returns:
        bytes: A PNG.
    """
    picture = Figure(figsize=(10, 4.2), dpi=150, layout='constrained')
    FigureCanvasAgg(picture)
    sides = picture.subplots(1, 2, sharey=True)
    for axes, column, label in zip(sides, (1, 2), ('Mpx looked at per image', 'seconds per image')):
        _draw(axes, [(point[0], point[column], point[3]) for point in focus])
        for place, other in enumerate(others):
            name, cost, value = other[0], other[column], other[3]
            colour, marker = (PYRAMID, 's') if place == 0 else (LEVEL, '^')
            axes.plot(cost, value, marker, color=colour, markersize=8)
            axes.annotate(
                name, (cost, value), (0, 8), textcoords='offset points', ha='center', color=colour
            )
        axes.set_xlabel(label)
        axes.set_xlim(left=0, right=max(other[column] for other in others) * 1.12)
        axes.grid(alpha=0.3)
    sides[0].set_ylabel(figure_name)
    sides[0].margins(y=0.15)
    sides[1].set_title('reckoned from the detector’s time per pixel of each level', fontsize=9)
    sides[0].set_title('focus at thresholds, the whole pyramid, and each level alone', fontsize=9)
    stream = io.BytesIO()
    picture.savefig(stream, format='png')
    return stream.getvalue()


def _draw(axes: Axes, points: Sequence[tuple[float, float, float]]) -> None:
    """A curve with thresholds at its points."""
    axes.plot([cost for _, cost, _ in points], [value for *_, value in points], 'o-', color=FOCUS)
    for threshold, cost, value in points:
        axes.annotate(
            f'{threshold:g}',
            (cost, value),
            (4, -11),
            textcoords='offset points',
            fontsize=8,
            color=FOCUS,
        )
