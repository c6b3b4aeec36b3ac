import numpy as np
import pytest

from mmsniper.errors import InputError
from mmsniper.visualization import contact_sheet
from mmsniper.visualization.canvas import IGNORED_COLOUR, VALID_COLOUR

NONE = np.zeros((0, 4), np.float32)
LEGEND_HEIGHT = 28


def find(sheet, colour):
    """xyxy, half-open, of the pixels with this colour below the legend."""
    rows, columns = np.nonzero((sheet[LEGEND_HEIGHT:] == colour).all(axis=2))
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def test_boxes_keep_their_place_in_the_tile():
    tile = np.zeros((100, 100, 3), np.uint8)
    sheet = contact_sheet(
        [tile],
        ['a'],
        [np.array([[10, 20, 40, 60]])],
        [np.array([[50, 20, 90, 80]])],
        columns=1,
        max_width=416,  # the tile is enlarged to 400 pixels
    )
    assert sheet.shape[1] == 416
    assert find(sheet, VALID_COLOUR) == pytest.approx(np.array([48, 88, 168, 248]), abs=2)
    assert find(sheet, IGNORED_COLOUR) == pytest.approx(np.array([208, 88, 368, 328]), abs=2)


def test_all_tiles_are_resized_alike():
    tiles = [np.full((50, 100, 3), 201, np.uint8), np.full((25, 30, 3), 202, np.uint8)]
    sheet = contact_sheet(tiles, ['a', 'b'], [NONE] * 2, [NONE] * 2, columns=2, max_width=424)
    for value, (height, width) in ((201, (100, 200)), (202, (50, 60))):
        left, top, right, bottom = find(sheet, (value,) * 3)
        assert (bottom - top, right - left) == (height, width)


def test_large_tiles_are_scaled_down_and_rows_filled():
    tiles = [np.full((600, 700, 3), 100 + i, np.uint8) for i in range(5)]
    sheet = contact_sheet(tiles, ['some caption'] * 5, [NONE] * 5, [NONE] * 5, columns=2)
    assert sheet.shape[1] == 1600
    assert all((sheet == 100 + i).all(axis=2).any() for i in range(5))
    assert sheet.shape[0] > 3 * 600


def test_tiles_of_all_kinds_are_shown():
    tiles = [np.zeros((9, 9), np.float32), np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 6))]
    sheet = contact_sheet(tiles, ['a', 'b\nc', ''], [NONE] * 3, [NONE] * 3)
    assert sheet.dtype == np.uint8


def test_bad_input_is_refused():
    tile = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(InputError, match='0 tiles'):
        contact_sheet([], [], [], [])
    with pytest.raises(InputError, match='2 captions'):
        contact_sheet([tile], ['a', 'b'], [NONE], [NONE])
    for columns in (0, 19):
        with pytest.raises(InputError, match=f'columns={columns}'):
            contact_sheet([tile], ['a'], [NONE], [NONE], columns=columns)
