"""Outlines of masks against shapely and the pixels themselves."""

import cv2
import numpy as np
import pycocotools.mask as mask_util
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmsniper.inference.outlines import join_holes, mask_polygons

bitmaps = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda s: arrays(bool, s))


def encode(bitmap):
    rle = mask_util.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    return dict(rle, counts=rle['counts'].decode())


def doubled_area(ring):
    x, y = ring.T
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def pixels_inside(ring, shape):
    """Whether the centre of each pixel is in a ring: an odd number of edges lie left of it."""
    inside = np.zeros(shape, int)
    x, y = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0)):
        crosses = (y0 < y) != (y1 < y)
        if y0 != y1:
            inside += crosses & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x)
    return inside % 2 == 1


def check(bitmap):
    polygons = mask_polygons(encode(bitmap))
    covered = np.zeros(bitmap.shape, int)
    for rings in polygons:
        assert doubled_area(rings[0]) > 0 and all(doubled_area(hole) < 0 for hole in rings[1:])
        for ring in rings:
            assert len(np.unique(ring, axis=0)) == len(ring)  # no ring meets itself
            sides = np.diff(ring, axis=0, append=ring[:1])
            assert ((sides != 0).sum(axis=1) == 1).all()
            assert ((sides != 0) != np.roll(sides != 0, 1, axis=0)).all()  # corners only
        covered += sum(
            pixels_inside(ring, bitmap.shape) * (-1) ** (i > 0) for i, ring in enumerate(rings)
        )
    assert (covered == bitmap).all()
    area = sum(doubled_area(ring) for rings in polygons for ring in rings)
    assert area == 2 * bitmap.sum()
    num_parts = cv2.connectedComponents(bitmap.astype(np.uint8), connectivity=4)[0] - 1
    assert len(polygons) == num_parts
    return polygons


@settings(max_examples=200, deadline=None)
@given(bitmaps)
def test_rings_enclose_the_pixels(bitmap):
    check(bitmap)


@pytest.mark.parametrize('density', [0.2, 0.5, 0.8])
def test_rings_are_valid_polygons(density):
    shapely = pytest.importorskip('shapely')
    bitmap = np.random.default_rng(0).random((40, 50)) < density
    polygons = check(bitmap)
    shape = shapely.MultiPolygon([(rings[0], rings[1:]) for rings in polygons])
    assert shape.is_valid and shape.area == bitmap.sum()


def test_one_pixel_is_a_square():
    bitmap = np.zeros((4, 5), bool)
    bitmap[2, 3] = True
    ((ring,),) = mask_polygons(encode(bitmap))
    assert ring.tolist() == [[4, 2], [4, 3], [3, 3], [3, 2]]


def test_no_pixel():
    assert mask_polygons(encode(np.zeros((4, 5), bool))) == []


def test_runs_that_touch():
    rle = dict(size=[4, 2], counts=[0, 2, 0, 2, 1, 3])  # the first column in two pieces
    assert sum(doubled_area(ring) for (ring,) in mask_polygons(rle)) == 2 * 7


def test_a_hole_that_meets_the_outside_in_a_corner():
    bitmap = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    ((outer, hole),) = check(bitmap)
    assert len(outer) == 6 and len(hole) == 4


@settings(max_examples=100, deadline=None)
@given(bitmaps)
def test_one_ring_with_its_holes(bitmap):
    for rings in mask_polygons(encode(bitmap)):
        ring = join_holes(rings)
        assert doubled_area(ring) == sum(doubled_area(each) for each in rings)
        inside = [pixels_inside(each, bitmap.shape) for each in rings]
        assert (pixels_inside(ring, bitmap.shape) == np.logical_xor.reduce(inside)).all()


def test_thousands_of_holes():
    bitmap = np.random.default_rng(0).random((250, 250)) < 0.85
    rings = max(mask_polygons(encode(bitmap)), key=len)
    assert len(rings) > 3000
    assert doubled_area(join_holes(rings)) == sum(doubled_area(ring) for ring in rings)


def test_a_huge_image():
    """Its masks are not decoded: 400 MB, a thousand times."""
    side = 20000
    runs = [[side * column + 9000, 1000] for column in range(9000, 9100)]
    counts, end = [], 0
    for start, length in runs:
        counts += [start - end, length]
        end = start + length
    rle = dict(size=[side, side], counts=[*counts, side * side - end])
    for _ in range(1000):
        ((ring,),) = mask_polygons(rle)
    assert sorted(map(tuple, ring.tolist())) == [
        (x, y) for x in (9000, 9100) for y in (9000, 10000)
    ]
