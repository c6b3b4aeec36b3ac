import numpy as np
import pytest

from mmsniper.errors import InputError
from mmsniper.visualization.canvas import (
    as_picture,
    caption,
    grid,
    outline_boxes,
    resize_picture,
    stack,
)

RED = (0, 0, 255)


def drawn_rect(picture, colour):
    """xyxy, half-open, of the pixels with this colour."""
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_box_is_drawn_on_its_own_first_and_last_pixels():
    picture = np.zeros((60, 80, 3), np.uint8)
    outline_boxes(picture, np.array([[10, 20, 50, 41]]), RED, thickness=1)
    assert drawn_rect(picture, RED) == (10, 20, 50, 41)
    assert not picture[21:40, 11:49].any()


def test_boxes_beyond_the_picture_are_drawn_at_its_border():
    picture = np.zeros((60, 80, 3), np.uint8)
    outline_boxes(picture, np.array([[-5, -5, 200, 300]]), RED, thickness=1)
    assert drawn_rect(picture, RED) == (0, 0, 80, 60)


def test_no_boxes_change_nothing():
    picture = np.full((10, 10, 3), 7, np.uint8)
    outline_boxes(picture, np.zeros((0, 4)), RED)
    assert (picture == 7).all()


def test_thick_lines_have_a_dark_rim():
    picture = np.full((60, 80, 3), 200, np.uint8)
    outline_boxes(picture, np.array([[20, 20, 60, 40]]), RED, thickness=4)
    column = picture[30]
    coloured = np.flatnonzero((column == RED).all(axis=1))
    assert (column[coloured[0] - 1] == 0).all()
    assert (column[coloured[-1] + 1] == 0).all()


@pytest.mark.parametrize('shape', [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 8)])
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_images_of_all_kinds_become_bgr(shape, dtype):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    picture = as_picture(image)
    assert picture.shape == (6, 5, 3)
    assert picture.dtype == np.uint8
    expected = image if image.ndim == 3 else image[..., None]
    expected = expected[..., :3] if expected.shape[2] >= 3 else np.repeat(expected, 3, axis=2)
    assert (picture == expected).all()
    assert not np.shares_memory(picture, image)


def test_values_beyond_eight_bits_are_scaled_and_negative_ones_cut():
    image = np.array([[0, 32768, 65535]], np.uint16)
    assert as_picture(image)[0, :, 0].tolist() == [0, 128, 255]
    assert as_picture(np.array([[-9.0, np.nan, 12.0]]))[0, :, 0].tolist() == [0, 0, 12]


@pytest.mark.parametrize('shape', [(5,), (0, 4, 3), (2, 2, 2, 3)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(InputError, match='cannot be shown'):
        as_picture(np.zeros(shape))


def test_resizing_keeps_at_least_one_pixel():
    picture = np.zeros((2, 1000, 3), np.uint8)
    assert resize_picture(picture, 0.1).shape == (1, 100, 3)
    assert resize_picture(picture, 2).shape == (4, 2000, 3)


def test_captions_grow_by_lines_and_never_in_width():
    parts = [('level 0: 3 chips', RED), 'valid: below 80 px', '4 ignored']
    wide, narrow = caption(parts, 1200), caption(parts, 170)
    assert wide.shape[1] == 1200
    assert narrow.shape[1] == 170
    assert wide.shape[0] < narrow.shape[0]
    assert (wide == RED).all(axis=2).any()
    broken = caption(['several words that no single short line can hold'], 120)
    assert broken.shape[0] > caption(['several'], 120).shape[0]


def test_a_grid_shows_every_cell_whole():
    cells = [np.full((10 + i, 20 + 2 * i, 3), 100 + i, np.uint8) for i in range(5)]
    page = grid(cells, columns=2)
    for index, cell in enumerate(cells):
        assert (page == 100 + index).all(axis=2).sum() == cell.shape[0] * cell.shape[1]
    assert page.shape[1] == 28 + 26 + 3 * 8
    assert grid(cells[:1], columns=4).shape == (10 + 16, 20 + 16, 3)


def test_narrow_pictures_are_stacked_in_the_middle():
    page = stack([np.full((4, 20, 3), 1, np.uint8), np.full((6, 10, 3), 2, np.uint8)])
    assert page.shape == (10, 20, 3)
    assert (page[:4] == 1).all()
    assert (page[4:, 5:15] == 2).all()
    assert not (page[4:, :5] == 2).any()
