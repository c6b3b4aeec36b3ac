import cv2
import numpy as np
import pytest
from scale_data import draw_annotations, log_uniform

from mmsniper.analysis.scale_statistics import scale_histograms
from mmsniper.chips import Pyramid
from mmsniper.visualization import scale_charts
from mmsniper.visualization.scale_charts import describe_level, describe_range, draw_scales

COSTS = {'single scale': 0.9, 'pyramid': 3.4, 'chips of 512': 1.1}


def draw(num_levels, sizes=(8, 500), monkeypatch=None):
    """The picture of some levels as an array, and the figure if it can be caught."""
    data = draw_annotations([(600, 800)] * 10, log_uniform(*sizes), 20)
    ends = np.geomspace(*sizes, num_levels + 1)[1:-1].tolist()
    ranges = list(zip([-1, *ends], [*ends, -1]))
    pyramid = Pyramid([2.0 / 2**level for level in range(num_levels)], ranges)
    histograms = scale_histograms(data, pyramid)
    figures = []
    if monkeypatch:
        canvas = scale_charts.FigureCanvasAgg
        monkeypatch.setattr(
            scale_charts, 'FigureCanvasAgg', lambda f: (figures.append(f), canvas(f))[1]
        )
    content = draw_scales(histograms, pyramid, 512, [1.5] * num_levels, COSTS, 'a title')
    assert content.startswith(b'\x89PNG')
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return picture, figures, histograms


def colour(name):
    """A colour as OpenCV has it."""
    return np.array([int(name[i : i + 2], 16) for i in (5, 3, 1)])


@pytest.mark.parametrize('num_levels', [1, 3, 4, 6])
def test_each_level_has_a_panel_and_a_bar(num_levels, monkeypatch):
    picture, (figure,), histograms = draw(num_levels, monkeypatch=monkeypatch)
    axes = [a for sub in figure.subfigs for a in sub.axes if a.axison]
    assert len(axes) == 2 + num_levels
    for level, panel in enumerate(axes[2:]):
        assert f'level {level}' in panel.get_title() and '1.50 chips' in panel.get_title()
        heights = [bar.get_height() for bar in panel.patches]
        expected = histograms['levels'][level]
        assert heights == expected['counts'] + expected['valid_counts']
    for name in scale_charts.LEVEL_COLOURS[:num_levels]:
        assert (np.abs(picture.astype(int) - colour(name)).max(axis=2) < 3).sum() > 500
    texts = [text.get_text() for text in axes[0].texts]
    assert len(texts) == num_levels and texts[0].startswith('level 0: ')
    assert [text.get_text() for text in axes[1].texts] == ['0.9', '3.4', '1.1']


@pytest.mark.parametrize('sizes', [(50, 50.5), (1, 1.1), (2, 6000)])
def test_all_text_is_inside_the_picture(sizes, monkeypatch):
    _, (figure,), _ = draw(3, sizes, monkeypatch)
    width, height = figure.canvas.get_width_height()
    for sub in figure.subfigs:
        for axes in sub.axes:
            texts = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
            for text in texts:
                box = text.get_window_extent()
                assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert len(axes.get_xticks()) >= 2


def test_words():
    assert describe_level(0.5) == 'factor 0.5'
    assert describe_level((800, 1280)) == 'short side 800, long side 1280'
    assert describe_level((-1, 512)) == 'long side 512'
    ranges = [(-1, -1), (-1, 80), (32, 150.5), (120, -1)]
    words = ['any size', 'below 80 px', '32 to 150.5 px', 'from 120 px']
    assert [describe_range(bounds) for bounds in ranges] == words
