"""Tiles that share less than the objects of their level need: an object that none shows whole."""

import numpy as np
import pytest
from coco_files import PIPELINE, write_coco
from log_capture import log_of

from mmsniper.datasets import ChipDataset

RANGES = dict(levels=[1.0, 0.5], valid_ranges=[(-1, 50), (36, -1)])


def views(folder, caplog, **settings):
    inner = write_coco(folder, [(90, 300)], [[(10, 10, 20, 20)]])
    return log_of(
        caplog, lambda: ChipDataset(inner, PIPELINE, test_mode=True, **{**RANGES, **settings})
    )


def test_the_log_says_what_to_set(tmp_path, caplog):
    _, log = views(tmp_path, caplog, tile_size=100, tile_overlap=0.25)
    assert 'tiles share 25 px with the next one' in log
    assert 'level 0 alone have up to 36 px there' in log
    assert 'Set tile_overlap=0.36 or a larger tile_size' in log


@pytest.mark.parametrize(
    'settings',
    [
        dict(tile_size=100, tile_overlap=0.36),
        dict(tile_size=320, tile_overlap=0.1),  # the image is one tile
        dict(tile_size=None),
        dict(tile_size=100, valid_ranges=[(-1, -1), (-1, -1)]),  # the coarser level has all sizes
    ],
)
def test_no_word_where_all_is_well(tmp_path, caplog, settings):
    _, log = views(tmp_path, caplog, **settings)
    assert 'tiles share' not in log


def test_no_overlap_is_enough_for_objects_beyond_a_tile(tmp_path, caplog):
    _, log = views(tmp_path, caplog, tile_size=30, tile_overlap=0.5)
    assert 'Set a larger tile_size' in log


@pytest.mark.parametrize(('overlap', 'is_found'), [(0.25, False), (0.36, True)])
def test_what_is_warned_of_happens(tmp_path, caplog, overlap, is_found):
    dataset, _ = views(tmp_path, caplog, tile_size=100, tile_overlap=overlap)
    tiles = dataset.table.boxes[dataset.table.level == 0]
    lefts = np.arange(0, 300 - 35)
    whole = (tiles[:, 0] <= lefts[:, None]) & (tiles[:, 2] >= lefts[:, None] + 35)
    assert whole.any(axis=1).all() == is_found
