import numpy as np
import pytest

from mmsniper.chips import Pyramid
from mmsniper.errors import InputError
from mmsniper.visualization import chip_panels, draw_chips
from mmsniper.visualization.canvas import (
    IGNORED_COLOUR,
    LEVEL_COLOURS,
    NEGATIVE_COLOUR,
    PROPOSAL_COLOUR,
    VALID_COLOUR,
)

PYRAMID = Pyramid([(1400, 2000), (800, 1280), (-1, 512)], [(-1, 80), (32, 150), (120, -1)])
BOXES = np.array([[40, 40, 60, 60], [100, 100, 200, 200], [260, 60, 560, 400]], np.float32)
CHIPS = np.array([[0, 0, 150, 150], [50, 50, 350, 350], [0, 0, 640, 480]], np.float32)
LEVELS = np.array([0, 1, 2])


@pytest.fixture
def headings(monkeypatch):
    """Texts of the captions, a list of parts per panel, overview first."""
    seen = []

    def record(parts, width):
        seen.append([part if isinstance(part, str) else part[0] for part in parts])
        return np.zeros((20, width, 3), np.uint8)

    monkeypatch.setattr(chip_panels, 'caption', record)
    return seen


def image(height=480, width=640):
    return np.full((height, width, 3), 250, np.uint8)


def panels_of(picture, height=480, width=640, heading=20, gap=8):
    """The four panels without their headings."""
    rows = [gap + heading, 2 * gap + 2 * heading + height]
    columns = [gap, 2 * gap + width]
    return [picture[y : y + height, x : x + width] for y in rows for x in columns]


def has(panel, colour):
    return (panel == colour).all(axis=2)


def test_headings_tell_levels_ranges_and_counts(headings):
    draw_chips(image(), CHIPS, LEVELS, BOXES, PYRAMID, title='a.jpg')
    assert headings[0] == [
        'a.jpg',
        'all levels',
        '3 chips',
        '3 boxes',
        'level 0: 1',
        'level 1: 1',
        'level 2: 1',
    ]
    assert headings[1][:3] == [
        'level 0: 1 chip',
        'short side 1400, long side 2000 (x2.92)',
        'valid: below 80 px',
    ]
    assert headings[2][2] == 'valid: 32 to 150 px'
    assert headings[3][1:3] == ['long side 512 (x0.8)', 'valid: from 120 px']
    counts = [heading[3:] for heading in headings[1:]]
    assert counts == [['1 valid, 1 of them whole in a chip', '2 ignored']] * 3


def test_counts_see_boxes_in_no_chip_and_boxes_that_never_count(headings):
    draw_chips(image(), CHIPS[2:], [2], BOXES, PYRAMID, ignore_flags=[True, False, False])
    assert headings[1][3:] == ['0 valid, 0 of them whole in a chip', '3 ignored']
    assert headings[2][3:] == ['1 valid, 0 of them whole in a chip', '2 ignored']


def test_each_level_shows_its_chips_bright_and_its_boxes_in_their_colours(headings):
    picture = draw_chips(image(), CHIPS, LEVELS, BOXES, PYRAMID)
    _, *levels = panels_of(picture)
    for level, panel in enumerate(levels):
        left, top, right, bottom = BOXES[level].astype(int)
        middle = (top + bottom) // 2
        assert has(panel, VALID_COLOUR)[middle, left]
        assert not has(panel, IGNORED_COLOUR)[middle, left]
        assert has(panel, LEVEL_COLOURS[level]).any()
        for other in set(range(3)) - {level}:
            left, top, _, bottom = BOXES[other].astype(int)
            assert has(panel, IGNORED_COLOUR)[top:bottom, left].sum() > 10
    assert (levels[0][20, 20] == 250).all()
    assert (levels[0][450, 20] == 100).all()  # no chip of level 0 shows it
    assert (levels[1][450, 20] == 100).all()
    assert (levels[2][450, 20] == 250).all()


def test_the_overview_has_a_colour_for_each_level(headings):
    overview, *_ = panels_of(draw_chips(image(), CHIPS, LEVELS, BOXES, PYRAMID))
    assert all(has(overview, colour).any() for colour in LEVEL_COLOURS[:3])
    assert not has(overview, VALID_COLOUR).any()


@pytest.mark.parametrize(
    ('height', 'width'), [(480, 640), (3000, 4000), (40, 30), (5000, 200), (64, 3000)]
)
def test_pictures_keep_to_their_width(height, width):
    empty = np.zeros((0, 4), np.float32)
    picture = draw_chips(image(height, width), empty, np.zeros(0, int), empty, PYRAMID)
    assert picture.dtype == np.uint8
    assert picture.shape[1] <= 1600
    assert picture.shape[0] <= 3000
    assert (
        draw_chips(image(height, width), empty, [], empty, PYRAMID, max_width=300).shape[1] <= 300
    )


def test_boxes_follow_the_image_when_it_is_scaled_down(headings):
    big = draw_chips(image(1920, 2560), CHIPS * 4, LEVELS, BOXES * 4, PYRAMID)
    panel = panels_of(big, height=582, width=788 - 12)
    assert big.shape[1] == 1600
    # The overview is one of two columns of 788 pixels.
    assert panel[0].shape[0] == 582
    chip = has(big[28:, 8 : 8 + 788], LEVEL_COLOURS[0])
    rows, columns = np.nonzero(chip)
    assert columns.max() + 1 == pytest.approx(600 * 788 / 2560, abs=3)
    assert rows.max() + 1 == pytest.approx(600 * 788 / 2560, abs=3)


def test_grey_images_and_factors_as_levels_are_shown():
    pyramid = Pyramid([1.5, 0.5], [(-1, 60), (-1, -1)])
    picture = draw_chips(np.zeros((100, 120)), CHIPS[:1], [1], BOXES[:1], pyramid)
    assert picture.ndim == 3


def test_bad_input_is_refused():
    with pytest.raises(InputError, match='level from 0 to 2'):
        draw_chips(image(), CHIPS, [0, 1, 3], BOXES, PYRAMID)
    with pytest.raises(InputError, match='for each of the 3 chips'):
        draw_chips(image(), CHIPS, [0], BOXES, PYRAMID)
    with pytest.raises(InputError, match='max_width=100'):
        draw_chips(image(), CHIPS, LEVELS, BOXES, PYRAMID, max_width=100)
    with pytest.raises(InputError, match='cannot be shown'):
        draw_chips(np.zeros(5), CHIPS, LEVELS, BOXES, PYRAMID)


def test_negative_chips_and_the_proposals_behind_them(headings):
    chips = np.concatenate([CHIPS, [[400, 300, 575, 475]]])
    levels, negative = np.array([0, 1, 2, 0]), np.array([False, False, False, True])
    proposals = np.array(
        [
            [420, 320, 440, 340],  # in the negative chip
            [460, 330, 480, 350],  # in it as well
            [20, 20, 40, 40],  # in the positive one of the level
            [600, 20, 620, 40],  # in neither
            [410, 310, 570, 470],  # too large for the level
        ]
    )
    picture = draw_chips(
        image(), chips, levels, BOXES, PYRAMID, negative=negative, proposals=proposals
    )
    assert headings[0][-1] == 'negative: 1'
    assert headings[0][3] == 'level 0: 1', 'positive ones'
    assert headings[1][0] == 'level 0: 1 chip'
    assert headings[1][-2:] == ['1 negative chip', '2 proposals behind them']
    assert 'negative' not in ' '.join(headings[2] + headings[3])
    overview, fine, middle, _ = panels_of(picture)
    for panel in (overview, fine):
        rows, columns = np.nonzero(has(panel, NEGATIVE_COLOUR))
        assert (columns.min(), rows.min()) == pytest.approx((400, 300), abs=2)
        assert (columns.max(), rows.max()) == pytest.approx((575, 475), abs=2)
    assert not has(middle, NEGATIVE_COLOUR).any()
    rows, columns = np.nonzero(has(fine, PROPOSAL_COLOUR))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (420, 320, 479, 349)
    # The chip is shown, what is around it is dimmed.
    assert fine[400, 500].tolist() == [250] * 3 and fine[290, 500].max() < 120
