from dataclasses import replace
from itertools import combinations

import numpy as np
import pycocotools.mask as mask_util
import pytest

from mmsniper.errors import InputError
from mmsniper.inference import ImageDetections
from mmsniper.visualization import detections as drawing
from mmsniper.visualization.colours import class_colour, level_colour, text_colour
from mmsniper.visualization.detections import class_names, draw_detections, text_size
from mmsniper.visualization.label_layout import MAX_COVERED, place_labels
from mmsniper.visualization.text import can_draw, put_text, shorten, text_mask, text_width

CLASSES = ('car', 'Größe', 'кот')


def found(boxes, labels=None, levels=None, masks=None, size=(200, 150)):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(boxes)
    return ImageDetections(
        0,
        'a.png',
        None,
        *size,
        boxes,
        np.linspace(0.9, 0.4, count, dtype=np.float32),
        np.zeros(count, np.int64) if labels is None else np.array(labels),
        np.zeros(count, np.int64) if levels is None else np.array(levels),
        masks,
    )


def crowd(count, width, height, seed=0):
    generator = np.random.default_rng(seed)
    corner = generator.uniform(0, (width - 30, height - 30), (count, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(8, 30, (count, 2))], axis=1)
    return found(boxes, generator.integers(0, 3, count), size=(width, height))


def pixels_of(picture, colour):
    return (picture == colour).all(axis=2)


def test_boxes_are_in_the_colour_of_their_class_and_the_picture_given_is_not_changed():
    picture = np.full((150, 200, 3), 90, np.uint8)
    drawn = draw_detections(
        picture, found([[20, 40, 90, 140], [110, 40, 190, 140]], [0, 2]), CLASSES
    )
    assert drawn.shape == picture.shape
    assert (picture == 90).all()
    for colour, columns in ((class_colour(0), (20, 89)), (class_colour(2), (110, 189))):
        there = np.flatnonzero(pixels_of(drawn, colour)[100])
        assert (there.min(), there.max()) == columns
    assert (drawn[60:130, 30:80] == 90).all()


def test_nothing_found_leaves_the_picture_as_it_is():
    picture = np.full((15, 20, 3), 90, np.uint8)
    assert (draw_detections(picture, found([]), CLASSES) == picture).all()
    masked = replace(found([]), masks=[])
    assert draw_detections(picture, masked, CLASSES, legend='counts').shape[0] > 15


def test_levels_have_colours_and_a_legend_below_the_picture():
    picture = np.full((150, 600, 3), 90, np.uint8)
    image = found([[20, 40, 90, 140]], levels=[1], size=(600, 150))
    drawn = draw_detections(picture, image, CLASSES, 'level', level_names=['fine', 'coarse'])
    assert drawn.shape[0] > 150
    assert drawn.shape[1] == 600
    assert pixels_of(drawn[:150], level_colour(1)).any()
    assert not pixels_of(drawn[:150], level_colour(0)).any()
    for level in (0, 1):
        assert pixels_of(drawn[150:], level_colour(level)).any()
    # Without names, those that found something; and the legend can be had alone.
    unnamed = draw_detections(picture, image, CLASSES, 'level')
    assert not pixels_of(unnamed[150:], level_colour(0)).any()
    assert pixels_of(unnamed[150:], level_colour(1)).any()
    assert draw_detections(picture, image, CLASSES, 'level', legend='none').shape == (150, 600, 3)


@pytest.mark.parametrize('argument', [dict(colour_by='score'), dict(legend='below')])
def test_unknown_ways_are_refused(argument):
    with pytest.raises(InputError, match='must be one of'):
        draw_detections(np.zeros((9, 9, 3), np.uint8), found([]), CLASSES, **argument)


def test_masks_are_half_transparent_with_a_contour():
    bitmap = np.zeros((150, 200), np.uint8)
    bitmap[60:120, 50:100] = 1
    bitmap[80:90, 70:80] = 0  # a hole
    mask = mask_util.encode(np.asfortranarray(bitmap))
    mask['counts'] = mask['counts'].decode()
    image = found([[20, 40, 130, 140]], [2], masks=[mask])
    drawn = draw_detections(np.full((150, 200, 3), 90, np.uint8), image, CLASSES)
    blended = np.rint(90 * 0.55 + np.array(class_colour(2)) * 0.45)
    assert (drawn[100:115, 55:95] == blended).all()
    assert (drawn[84:86, 74:76] == 90).all()
    assert (drawn[70, 50] == class_colour(2)).all()
    assert (drawn[130, 30:120] == 90).all()
    with pytest.raises(InputError, match=r'mask of size \[150, 200\]'):
        draw_detections(np.zeros((75, 100, 3), np.uint8), image, CLASSES)


def test_labels_lie_inside_of_the_picture_and_off_each_other():
    boxes = np.array([[0, 0, 20, 20], [180, 0, 200, 20], [0, 130, 20, 150], [5, 5, 25, 25]])
    sizes = np.full((4, 2), (60, 16))
    places = place_labels(boxes, sizes, 200, 150)
    assert (places >= 0).all()
    assert (places + sizes <= (200, 150)).all()
    for one, other in combinations(range(4), 2):
        assert (np.abs(places[one] - places[other]) >= sizes[0]).any()


def test_a_label_that_is_alone_stands_on_its_box():
    assert place_labels(np.array([[50, 60, 90, 90]]), np.array([[60, 16]]), 200, 150).tolist() == [
        [50, 44]
    ]
    assert (place_labels(np.array([[5, 6, 9, 9]]), np.array([[60, 16]]), 30, 30) < 0).all()


def test_a_crowd_has_fewer_labels_those_of_the_best_first_and_hides_no_centre():
    image = crowd(800, 600, 400)
    sizes = np.full((800, 2), (50, 14))
    places = place_labels(image.boxes, sizes, 600, 400)
    shown = places[:, 0] >= 0
    assert 10 < shown.sum() <= MAX_COVERED * 600 * 400 / (50 * 14) + 1
    middles = (image.boxes[:, :2] + image.boxes[:, 2:]) / 2
    for place in places[shown]:
        assert not ((middles >= place) & (middles < place + (50, 14))).all(axis=1).any()
    best = np.arange(800)[shown]
    assert best.mean() < 500
    wide = np.full((60, 2), (50, 14))
    spread = crowd(60, 6000, 4000)
    assert (place_labels(spread.boxes, wide, 6000, 4000) >= 0).all()


def test_thousands_of_boxes_are_all_drawn():
    image = crowd(3000, 900, 700)
    picture = np.zeros((700, 900, 3), np.uint8)
    drawn = draw_detections(picture, image, CLASSES, labels=False)
    lower_right = np.rint(image.boxes[:, 2:]).astype(int) - 1
    assert drawn[lower_right[:, 1], lower_right[:, 0]].any(axis=1).all()


def test_letters_grow_with_the_picture_and_shrink_for_small_boxes():
    sizes = [text_size(*size) for size in ((60, 40), (640, 480), (4000, 3000), (12000, 9000))]
    assert sizes[0] == 10
    assert sizes == sorted(sizes)
    assert 2 < sizes[2] / sizes[1] < 4000 / 640
    small = text_size(4000, 3000, np.array([[0, 0, 30, 30]]))
    assert 25 < small < sizes[2]


@pytest.mark.parametrize('size', [(1, 1), (3, 200), (200, 3), (60, 40)])
def test_pictures_of_any_size_can_be_drawn_into(size):
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    image = found([[0, 0, width, height], [-5, -5, 900, 900]], size=size)
    for colour_by in ('class', 'level'):
        drawn = draw_detections(picture, image, ['a name of many letters'], colour_by)
        assert drawn.shape[1] == width


def test_colours_are_distinct_whatever_the_number_of_classes():
    colours = [class_colour(label) for label in range(256)]
    assert len(set(colours)) == 256
    assert class_colour(256) == colours[0]
    for one, other in combinations(colours[:12], 2):
        assert np.abs(np.subtract(one, other)).max() >= 60
    assert len({level_colour(level) for level in range(20)}) == 20


def test_text_is_black_on_bright_plates_and_white_on_dark_ones():
    assert max(text_colour((0, 255, 255))) < 30
    assert text_colour((255, 80, 20)) == (255, 255, 255)


def test_letters_beyond_ascii_are_drawn():
    for name in CLASSES:
        assert can_draw(name)
    assert (text_mask('Größe', 20) != text_mask('Grosse', 20)[:, : text_width('Größe', 20)]).any()
    assert text_mask('gÅ', 20).shape[0] == text_mask('a', 20).shape[0]


def test_a_name_without_a_font_becomes_its_number(monkeypatch):
    told = []
    monkeypatch.setattr(drawing, 'can_draw', lambda text: text.isascii())
    monkeypatch.setattr(drawing, '_told', set())
    monkeypatch.setattr(drawing, 'print_log', lambda text, **_: told.append(text))
    labels = np.array([1, 0, 1, 7])
    for _ in range(2):
        assert class_names(CLASSES, labels) == {0: 'car', 1: 'class 1', 7: 'class 7'}
    assert len(told) == 1
    assert "'Größe'" in told[0]


def test_long_names_are_cut():
    assert shorten('car', 14, 200) == 'car'
    cut = shorten('a name of many letters', 14, 80)
    assert cut.endswith('…')
    assert text_width(cut, 14) <= 80
    assert shorten('a name', 14, 3) == ''


def test_text_beyond_the_picture_is_cut_off():
    picture = np.zeros((12, 20, 3), np.uint8)
    put_text(picture, 'wide text', (5, 4), 14, (255, 255, 255))
    assert picture[4:, 5:].any()
    assert not picture[:, :5].any()
