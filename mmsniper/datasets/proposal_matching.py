"""Finding the proposals of the images of a dataset in a file of proposals."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log

from mmsniper.errors import InputError

from .box_table import BoxTable
from .proposal_file import ProposalTable, split_path

NUM_NAMED = 3


def match_proposals(
    table: ProposalTable, images: BoxTable, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Put proposals in the order of a dataset's images.

    A name of the file stands for the image whose path ends in it. Images without proposals, names
    without an image and boxes without area are counted in the log.

    Args:
        table (ProposalTable): Proposals as read from a file.
        images (BoxTable): Paths and sizes of the dataset's images.
        source (str): What the proposals are called in messages, such as the path of their file.

    Returns:
        tuple[np.ndarray, np.ndarray]: Proposals (n, 4) float32 xyxy in pixels of the original
            image, clipped to it, and (m + 1,) int64, where those of each image start.

    Raises:
        InputError: The file has proposals for none of the images, was made for images of another
            size, or a name stands for several images.
    """
    rows = _find_rows(table, images.paths, source)
    found = np.flatnonzero(rows >= 0)
    if not len(found):
        raise InputError(
            f'{source} has proposals for none of the {len(rows)} images: it names '
            f'{_name_some(table.names)}, but the images are {_name_some(images.paths)}'
        )
    _check_sizes(table, images, rows, source)
    _tell_of_missing(table, images, rows, source)

    counts = np.zeros(len(rows), np.int64)
    counts[found] = np.diff(table.image_starts)[rows[found]]
    starts = np.concatenate([[0], np.cumsum(counts)])
    image = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(image)) - starts[image]
    boxes = table.boxes[table.image_starts[rows[image]] + within]
    limits = np.stack([images.widths, images.heights] * 2, axis=1)[image]
    guessed = table.heights[rows[image]] == 0  # where the size then is not known
    _check_inside(boxes[guessed], limits[guessed], images.paths[image[guessed]], source)
    boxes = boxes.clip(0, limits).astype(np.float32)
    usable = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if not usable.all():
        print_log(
            f'ChipDataset dropped {(~usable).sum()} of {len(usable)} proposals of {source}, which '
            'are empty.',
            logger='current',
            level=logging.WARNING,
        )
    kept = np.concatenate([[0], np.cumsum(usable)])
    return boxes[usable], kept[starts].astype(np.int64)


def _find_rows(table: ProposalTable, paths: Sequence[str], source: str) -> np.ndarray:
    """For each image its row in the table or -1, shape (m,), int64."""
    row_of = {tuple(split_path(name)): row for row, name in enumerate(table.names.tolist())}
    # Only as many folders as names have: usually all have the same number of them.
    depths = sorted({len(parts) for parts in row_of} - {0}, reverse=True)
    rows = np.full(len(paths), -1, np.int64)
    path_of_row: dict[int, list[str]] = {}
    for image, path in enumerate(paths):
        parts = split_path(path)
        for depth in depths:
            row = row_of.get(tuple(parts[-depth:]))
            if row is None:
                continue
            other = path_of_row.setdefault(row, parts)
            if other != parts:
                raise InputError(
                    f'the name {table.names[row]} in {source} may stand for {"/".join(other)} or '
                    f'for {"/".join(parts)}: extract the proposals with '
                    'tools/extract_proposals.py, which keeps as many folders as are needed'
                )
            rows[image] = row
            break
    return rows


def _check_sizes(table: ProposalTable, images: BoxTable, rows: np.ndarray, source: str) -> None:
    found = np.flatnonzero(rows >= 0)
    heights, widths = table.heights[rows[found]], table.widths[rows[found]]
    differs = (heights > 0) & (
        (heights != images.heights[found]) | (widths != images.widths[found])
    )
    if differs.any():
        first = int(np.argmax(differs))
        image = found[first]
        raise InputError(
            f'{source} was made for other images: {images.paths[image]} had {widths[first]}x'
            f'{heights[first]} pixels then and has {images.widths[image]}x'
            f'{images.heights[image]} now ({differs.sum()} images differ); extract it anew'
        )


def _check_inside(boxes: np.ndarray, limits: np.ndarray, paths: np.ndarray, source: str) -> None:
    # Rounding at a coarse level moves the border of an image by a pixel of that level.
    slack = 2 + 0.02 * limits
    outside = ((boxes < -slack) | (boxes > limits + slack)).any(axis=1)
    if outside.any():
        first = int(np.argmax(outside))
        raise InputError(
            f'{source} was made for images of another size: {outside.sum()} proposals reach beyond '
            f'their image, such as {boxes[first].round().tolist()} in {paths[first]} of '
            f'{limits[first, 0]}x{limits[first, 1]} pixels'
        )


def _tell_of_missing(table: ProposalTable, images: BoxTable, rows: np.ndarray, source: str) -> None:
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        print_log(
            f'ChipDataset: {source} has no proposals for {len(missing)} of {len(rows)} images, '
            f'which get no negative chips: {_name_some(images.paths[missing])}.',
            logger='current',
            level=logging.WARNING,
        )
    # By name, because a file that joins several may have an image twice.
    unused = np.flatnonzero(~np.isin(table.names, table.names[rows[rows >= 0]]))
    if len(unused):
        print_log(
            f'ChipDataset: {len(unused)} of the {len(table)} images of {source} are not in the '
            f'dataset: {_name_some(table.names[unused])}.',
            logger='current',
            level=logging.WARNING,
        )


def _name_some(names: np.ndarray) -> str:
    some = ', '.join(names[:NUM_NAMED].tolist()) or 'nothing'
    return some + (f' and {len(names) - NUM_NAMED} more' if len(names) > NUM_NAMED else '')
