"""DOTA: a text file for each picture, a line for each object.

A line is ``x1 y1 x2 y2 x3 y3 x4 y4 category difficult``; in version 1.0 two lines on the source of
the picture come first (``imagesource:GoogleEarth``, ``gsd:0.14``).
"""

from __future__ import annotations

from pathlib import Path

from mmsniper.errors import InputError

from .files import (
    check_folder,
    find_files,
    find_pictures,
    pair_by_stem,
    read_lines,
    to_numbers,
    to_whole_number,
)
from .source import Contents, Item, Object, Source
from .tally import Tally

_CLASSES_1_0 = (
    *('plane', 'baseball-diamond', 'bridge', 'ground-track-field', 'small-vehicle'),
    *('large-vehicle', 'ship', 'tennis-court', 'basketball-court', 'storage-tank'),
    *('soccer-ball-field', 'roundabout', 'harbor', 'swimming-pool', 'helicopter'),
)
_CLASSES_1_5 = (*_CLASSES_1_0, 'container-crane')
CLASSES = {
    '1.0': _CLASSES_1_0,
    '1.5': _CLASSES_1_5,
    '2.0': (*_CLASSES_1_5, 'airport', 'helipad'),
}
_HEADERS = 'imagesource:', 'gsd:'
_NUM_CORNERS = 8


def dota_source(
    images: Path, labels: Path | None, version: str = '1.0', keep_difficult: bool = False
) -> Source:
    """A set of DOTA, with the upright boxes around its turned ones.

    Args:
        images: The folder of the pictures; those in folders below count as well.
        labels: That of the label files (``labelTxt``), likewise; None lists the pictures alone.
        version: ``'1.0'``, ``'1.5'`` or ``'2.0'``, which have 15, 16 and 18 classes.
        keep_difficult: Whether objects that are marked as difficult count; else they are ignored,
            as in the benchmark's own evaluation.

    Raises:
        InputError: There is nothing in the folders, or they do not belong together.
    """
    pictures, left_out = find_pictures(images), Tally()
    if labels is not None:
        check_folder(labels, 'the folder of labels')
        pairs = list(pair_by_stem(pictures, list(find_files(labels, ['.txt'])), left_out))
    else:
        pairs = [(picture, None) for picture in pictures]
    return Source(
        format=f'DOTA-v{version}',
        settings=dict(keep_difficult=keep_difficult, annotated=labels is not None),
        folder=images,
        classes=CLASSES[version],
        items=[
            Item(picture.relative_to(images).as_posix(), picture, label) for picture, label in pairs
        ],
        read=lambda item: _read(item.annotation, keep_difficult),
        left_out=left_out,
    )


def _read(path: Path | None, keep_difficult: bool) -> Contents:
    contents = Contents()
    for line, text in read_lines(path) if path is not None else ():
        if text.lower().startswith(_HEADERS):
            continue
        words = text.replace(',', ' ').split()
        if len(words) not in (_NUM_CORNERS + 1, _NUM_CORNERS + 2):
            raise InputError(
                f'{path}, line {line}: {len(words)} values instead of the eight numbers, the '
                'category and the difficulty of DOTA'
            )
        corners = to_numbers(words[:_NUM_CORNERS], path, line)
        xs, ys = corners[::2], corners[1::2]
        difficult = words[_NUM_CORNERS + 1 :]
        ignored = bool(difficult) and to_whole_number(difficult[0], 'difficulty', path, line) > 0
        contents.objects.append(
            Object(
                words[_NUM_CORNERS],
                (min(xs), min(ys), max(xs), max(ys)),
                ignored and not keep_difficult,
            )
        )
    return contents
