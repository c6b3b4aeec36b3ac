"""Views at test time: whole images or tiles that cover them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsniper import InputError
from mmsniper.chips import Pyramid, pyramid_views

OPEN = (-1, -1)


def test_whole_images():
    pyramid = Pyramid([(1400, 2000), (480, 512)], [OPEN, OPEN])
    views = pyramid_views([480, 600], [640, 300], pyramid)
    assert views.image.tolist() == [0, 0, 1, 1]
    assert views.level.tolist() == [0, 1, 0, 1]
    assert views.boxes.tolist() == [[0, 0, 640, 480]] * 2 + [[0, 0, 300, 600]] * 2


def test_tiles_of_a_hand_made_case():
    # 100 px wide at factor 1: tiles of 40 that advance by at most 30, so at 0, 30 and 60.
    views = pyramid_views([40], [100], Pyramid([1.0], [OPEN]), tile_size=40, tile_overlap=0.25)
    assert views.boxes[:, [0, 2]].tolist() == [[0, 40], [30, 70], [60, 100]]
    assert (views.boxes[:, [1, 3]] == [0, 40]).all()


def test_tiles_are_no_larger_than_it_takes():
    # 2440 px need two tiles of 2048 that share 512, of which 1476 px each are enough.
    views = pyramid_views([1830], [2440], Pyramid([1.0], [OPEN]), tile_size=2048, tile_overlap=0.25)
    assert views.boxes[:, [0, 2]].tolist() == [[0, 1477], [963, 2440]]
    assert (views.boxes[:, [1, 3]] == [0, 1830]).all()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=3),
    st.sampled_from([[1.0], [2.3, 0.7], [(150, 300), (-1, 64)], [0.5, 0.25, 0.125]]),
    st.integers(8, 200),
    st.floats(0, 0.9),
)
def test_tiles_cover_the_image_and_overlap_enough(sizes, levels, tile_size, overlap):
    heights, widths = np.array(sizes).T
    pyramid = Pyramid(levels, [OPEN] * len(levels))
    views = pyramid_views(heights, widths, pyramid, tile_size, overlap)
    keys = list(zip(views.image.tolist(), views.level.tolist()))
    assert keys == sorted(keys)
    scales = pyramid.scale_factors(heights, widths)
    for image, (height, width) in enumerate(sizes):
        for level in range(len(levels)):
            tiles = views.boxes[(views.image == image) & (views.level == level)]
            assert len(np.unique(tiles, axis=0)) == len(tiles)
            for axis, length in ((0, width), (1, height)):
                spans = np.unique(tiles[:, [axis, axis + 2]], axis=0)
                side = max(1, int(tile_size / scales[image, level] + 1e-6))
                (own_side,) = np.unique(spans[:, 1] - spans[:, 0])
                assert own_side <= min(side, length)
                assert spans[0, 0] == 0 and spans[-1, 1] == length
                shared = spans[:-1, 1] - spans[1:, 0]
                # Positions are whole pixels, so the overlap can be one short of its share.
                grid = {0.5: 2, 0.25: 4, 0.125: 8}.get(scales[image, level], 1)
                assert (shared >= np.floor(overlap * min(side, length)) - grid).all()
                assert (spans[:-1, 0] % grid == 0).all()
                # As few as there may be, and no pixel more than what they share asks for.
                step = max(grid, side - np.ceil(overlap * side) - grid)
                assert len(spans) <= 1 or len(spans) <= np.ceil((length - side) / step) + 1
                least = np.ceil(overlap * min(side, length))
                assert own_side * len(spans) <= length + (len(spans) - 1) * (least + 2 * grid) + (
                    len(spans) * grid
                )
            rows, columns = len(np.unique(tiles[:, 1])), len(np.unique(tiles[:, 0]))
            assert len(tiles) == rows * columns


@pytest.mark.parametrize('overlap', [-0.1, 1, 2])
def test_bad_overlap(overlap):
    with pytest.raises(InputError, match='tile_overlap must be at least 0 and below 1'):
        pyramid_views([10], [10], Pyramid([1.0], [OPEN]), 5, overlap)


def test_bad_tile_size():
    with pytest.raises(InputError, match='tile_size must be positive or None, but is 0'):
        pyramid_views([10], [10], Pyramid([1.0], [OPEN]), 0)
