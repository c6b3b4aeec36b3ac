"""The outlines of masks: polygons along the edges of pixels, which enclose just what is in a mask.

They come from the runs of an RLE (see ``mmsniper/merging/rle.py``), so that a mask in a huge image
costs what its runs do. Pixels hang together through their sides, and what meets in a corner only is
two parts. So no ring touches itself, and the polygons are valid to GEOS, GDAL and others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numba import njit

from ..merging.rle import rle_to_runs


def mask_polygons(rle: Mapping[str, Any]) -> list[list[np.ndarray]]:
    """The polygons that enclose the pixels of a mask, from left to right by where they begin.

    Args:
        rle: ``size`` and ``counts``, compressed (bytes or str) or a sequence of numbers.

    Returns:
        For each part of the mask its outer ring and those of its holes: (k, 2) int64, the corners
        x, y in pixels of the mask, without the first one again. ``x[i] * y[i + 1] - x[i + 1] *
        y[i]`` adds up to more than 0 for the outer ring, which runs clockwise where y points
        down, and to less for holes.
    """
    runs = _joined(rle_to_runs(rle))
    if len(runs) == 0:
        return []
    parts = _find_parts(runs)
    following, heads, tails = _link(runs, parts)
    order, starts = _walk(following)
    # An edge ends in a corner, as the next one begins in one, unless this goes straight on.
    corners = np.stack([heads[order], tails[following[order]]], axis=1)
    turns = corners[:, 0, 1] != corners[:, 1, 1]
    num_corners = 2 * np.add.reduceat(turns.astype(np.int64), starts)
    rings = np.split(corners[turns].reshape(-1, 2), np.cumsum(num_corners)[:-1])
    polygons: dict[int, list[np.ndarray]] = {}
    # The first edge of a part belongs to its outer ring, so this comes before its holes.
    for part, ring in zip(parts[order[starts] // 2].tolist(), rings):
        polygons.setdefault(part, []).append(ring)
    return list(polygons.values())


def join_holes(rings: Sequence[np.ndarray]) -> np.ndarray:
    """A polygon with holes as a single ring, for programs that know no holes.

    It goes to each hole and back the same way, so that it encloses the same area.

    Args:
        rings: The outer ring and those of the holes, (k, 2) each, as of :func:`mask_polygons`.

    Returns:
        (k, 2), the corners without the first one again.
    """
    corners = np.concatenate(rings)
    ends = np.cumsum([len(ring) for ring in rings])
    ways: dict[int, list[Iterator[int]]] = {}  # to holes and back, by the corner they begin at
    for start, end in zip(ends[:-1].tolist(), ends[1:].tolist()):
        nearest = int(np.abs(corners[:start] - corners[start]).sum(axis=1).argmin())
        ways.setdefault(nearest, []).append(chain(range(start, end), (start, nearest)))
    order = []
    under_way: list[Iterator[int]] = [iter(range(len(rings[0])))]
    while under_way:
        corner = next(under_way[-1], None)
        if corner is None:
            under_way.pop()
        else:
            order.append(corner)
            under_way += ways.pop(corner, [])
    return corners[order]


def _joined(runs: np.ndarray) -> np.ndarray:
    """The same pixels in runs of which none begins where another ends."""
    goes_on = (runs[1:, 0] == runs[:-1, 0]) & (runs[1:, 1] == runs[:-1, 2])
    if not goes_on.any():
        return runs
    first, last = np.append(True, ~goes_on), np.append(~goes_on, True)
    return np.concatenate([runs[first, :2], runs[last, 2:]], axis=1)


def _link(runs: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which edge follows which around the parts.

    Run ``i`` has two edges, both with the mask on the right: the upper one, ``2 * i``, runs to the
    right, the lower one, ``2 * i + 1``, back to the left. Between the columns the outline goes up
    or down from the end of one edge to the beginning of another: of all that begins and ends on a
    line between two columns, the first and second are joined, the third and fourth, and so on.

    Args:
        runs: (r, 3) int64, joined.
        parts: (r,) int64, which part each belongs to.

    Returns:
        The edge after each, (2 r,) int64, and where edges end and begin, (2 r, 2) int64 each.
    """
    column, upper, lower = runs.T
    heads = np.stack([column + 1, upper, column, lower], axis=1).reshape(-1, 2)
    tails = np.stack([column, upper, column + 1, lower], axis=1).reshape(-1, 2)
    edges = np.arange(2 * len(runs))
    points = np.concatenate([heads, tails])
    edge = np.concatenate([edges, edges])
    is_head = np.arange(len(points)) < len(edges)
    # Where parts meet in a corner, the one above is left before the one below begins.
    order = np.lexsort((edge % 2 == 0, points[:, 1], points[:, 0]))
    # Where a part meets itself in a corner, what it encloses there is a hole of its own.
    part = parts[edge[order] // 2]
    same = (points[order[1:]] == points[order[:-1]]).all(axis=1) & (part[1:] == part[:-1])
    meets = np.flatnonzero(same & (edge[order[1:]] % 2 != edge[order[:-1]] % 2))
    order[meets], order[meets + 1] = order[meets + 1], order[meets]
    pairs = order.reshape(-1, 2)
    pairs = np.where(is_head[pairs[:, :1]], pairs, pairs[:, ::-1])
    following = np.empty(len(edges), np.int64)
    following[edge[pairs[:, 0]]] = edge[pairs[:, 1]]
    return following, heads, tails


@njit(cache=True, nogil=True)
def _find_parts(runs):
    """The first of the runs that each hangs together with."""
    parts = np.arange(len(runs))
    first = 0  # of the column before, that may reach the run or one below
    for run in range(len(runs)):
        column, start, stop = runs[run]
        while runs[first, 0] < column - 1 or (
            runs[first, 0] == column - 1 and runs[first, 2] <= start
        ):
            first += 1
        other = first
        while runs[other, 0] == column - 1 and runs[other, 1] < stop:
            one, two = run, other
            while parts[one] != one:
                parts[one] = parts[parts[one]]
                one = parts[one]
            while parts[two] != two:
                parts[two] = parts[parts[two]]
                two = parts[two]
            parts[max(one, two)] = min(one, two)
            other += 1
    for run in range(len(runs)):
        parts[run] = parts[parts[run]]
    return parts


@njit(cache=True, nogil=True)
def _walk(following):
    """All edges in the order of the rings that they make, and where each ring begins in it."""
    order = np.empty(len(following), np.int64)
    starts = np.empty(len(following), np.int64)
    seen = np.zeros(len(following), np.bool_)
    num_edges = num_rings = 0
    for first in range(len(following)):
        if seen[first]:
            continue
        starts[num_rings] = num_edges
        num_rings += 1
        edge = first
        while not seen[edge]:
            seen[edge] = True
            order[num_edges] = edge
            num_edges += 1
            edge = following[edge]
    return order, starts[:num_rings]
