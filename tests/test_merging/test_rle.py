"""Runs against pycocotools and slow obvious references."""

import numpy as np
import pycocotools.mask as mask_util
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmsniper.merging.rle import (
    bitmap_to_runs,
    crop_runs,
    flip_runs,
    resize_runs,
    rle_to_runs,
    runs_to_rle,
)

FLIPS = {'horizontal': 1, 'vertical': 0, 'diagonal': (0, 1)}
bitmaps = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda s: arrays(bool, s))


def blob(shape, seed, density):
    """A mask of large connected parts: its counts need several characters each."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((shape[0] // 16 + 1, shape[1] // 16 + 1)) < density
    return np.kron(coarse, np.ones((16, 16), bool))[: shape[0], : shape[1]]


def encode(bitmap):
    return mask_util.encode(np.asfortranarray(bitmap, dtype=np.uint8))


def slow_runs(bitmap):
    runs = []
    for column in range(bitmap.shape[1]):
        start = None
        for row in range(bitmap.shape[0] + 1):
            inside = row < bitmap.shape[0] and bitmap[row, column]
            if inside and start is None:
                start = row
            if not inside and start is not None:
                runs.append([column, start, row])
                start = None
    return runs


@settings(max_examples=150, deadline=None)
@given(bitmaps)
def test_runs_of_bitmaps_and_rle(bitmap):
    runs = bitmap_to_runs(bitmap)
    assert runs.dtype == np.int64 and runs.shape[1] == 3
    assert runs.tolist() == slow_runs(bitmap)
    assert rle_to_runs(encode(bitmap)).tolist() == runs.tolist()
    assert runs_to_rle(runs, bitmap.shape) == encode(bitmap)


@pytest.mark.parametrize('density', [0, 0.02, 0.5, 0.98, 1])
def test_large_masks(density):
    for seed in range(5):
        bitmap = blob((1203, 917), seed, density)
        rle = encode(bitmap)
        runs = rle_to_runs(rle)
        assert np.array_equal(runs, bitmap_to_runs(bitmap))
        assert runs_to_rle(runs, bitmap.shape) == rle


def test_counts_as_text_and_numbers():
    bitmap = blob((70, 50), 0, 0.4)
    rle = encode(bitmap)
    numbers = np.diff(np.flatnonzero(np.diff(bitmap.T.reshape(-1), prepend=0, append=2)), prepend=0)
    for counts in (rle['counts'].decode(), numbers.tolist(), numbers):
        runs = rle_to_runs(dict(size=[70, 50], counts=counts))
        assert np.array_equal(runs, bitmap_to_runs(bitmap))


@settings(max_examples=60, deadline=None)
@given(bitmaps, st.sampled_from(sorted(FLIPS)))
def test_flips(bitmap, direction):
    flipped = flip_runs(bitmap_to_runs(bitmap), bitmap.shape, direction)
    assert np.array_equal(flipped, bitmap_to_runs(np.flip(bitmap, FLIPS[direction])))


def test_cut_and_resized_like_arrays():
    rng = np.random.default_rng(0)
    for _ in range(60):
        height, width = (int(side) for side in rng.integers(1, 30, 2))
        bitmap = rng.random((height, width)) < rng.random()
        runs = bitmap_to_runs(bitmap)
        left, right = np.sort(rng.choice(width + 1, 2, replace=False))
        top, bottom = np.sort(rng.choice(height + 1, 2, replace=False))
        cropped = crop_runs(runs, (left, top, right, bottom))
        assert (cropped == bitmap_to_runs(bitmap[top:bottom, left:right])).all()
        rows, columns = (int(side) for side in rng.integers(1, 60, 2))
        resized = runs_to_rle(resize_runs(runs, bitmap.shape, (rows, columns)), (rows, columns))
        # The pixel that a new pixel's centre lies in.
        y = ((np.arange(rows) + 0.5) * height / rows).astype(int)
        x = ((np.arange(columns) + 0.5) * width / columns).astype(int)
        assert (mask_util.decode(resized) == bitmap[y][:, x]).all()
