"""labelme: a JSON file for each picture, at times with the picture in it.

A shape is a rectangle of two opposite corners, a polygon, a circle (its middle and a point on it),
a mask in a rectangle, or a point or line, which has no box. Shapes of one label and one
``group_id`` are parts of one object. A shape whose flag says that it is a crowd or to be ignored is
ignored, and so is, whatever the class, one with the label ``__ignore__``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from math import hypot
from pathlib import Path, PureWindowsPath
from typing import Any

from mmsniper.errors import InputError
from mmsniper.utils.json_file import read_json

from .files import PICTURES, check_folder, find_files
from .source import Contents, Item, Object, Source
from .tally import Tally

IGNORE_FLAGS = 'ignore', 'iscrowd', 'crowd', 'difficult'
_IGNORED_LABEL = '__ignore__'
_WITHOUT_BOX = 'point', 'points', 'line', 'linestrip'


def labelme_source(
    folder: Path,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    ignore_flags: Sequence[str] = IGNORE_FLAGS,
    tell: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> Source:
    """Pictures that were annotated with labelme.

    Args:
        folder: Of the JSON files; those in folders below count as well.
        images: What the names of the pictures are to be relative to. Defaults to ``folder``.
        classes: Defaults to those that are found.
        ignore_flags: Flags of shapes that say that these are to be ignored.
        tell: Is given the JSON files and gives them on, to show how far reading them is. All are
            read once, at the beginning, since they name their pictures.

    Raises:
        InputError: There is nothing in the folder, or a file is malformed.
    """
    check_folder(folder, 'the folder of labelme')
    images = folder if images is None else images
    check_folder(images, 'the folder of pictures')
    left_out, items, contents = Tally(), {}, {}
    for path in tell(list(find_files(folder, ['.json']))):
        content = read_json(path, 'annotation file')
        if not isinstance(content, dict) or not isinstance(content.get('shapes'), list):
            left_out.add('JSON files that are not of labelme', str(path))
            continue
        picture = _find_picture(path, content.get('imagePath'), folder, images)
        if picture is None:
            inside = ', but in the file itself' if content.get('imageData') else ''
            left_out.add(f'annotation files whose picture is missing{inside}', str(path))
            continue
        name = picture.relative_to(images).as_posix()
        if name in items:
            raise InputError(
                f'{items[name].annotation} and {path} are both of picture {picture}: leave one'
            )
        items[name] = Item(name, picture, path)
        contents[name] = _contents(content, path, ignore_flags)
    if not items:
        reasons = '; '.join(line.strip() for line in left_out.lines())
        raise InputError(f'no annotation file of labelme in {folder} can be used: {reasons or 0}')
    used = {item.picture for item in items.values()}
    for picture in find_files(images, PICTURES):
        if picture not in used:
            left_out.add('pictures without an annotation file', str(picture))
    return Source(
        format='labelme',
        settings=dict(ignore_flags=list(ignore_flags)),
        folder=images,
        classes=classes,
        items=[items[name] for name in sorted(items)],
        read=lambda item: contents[item.name],
        left_out=left_out,
    )


def _find_picture(path: Path, stated: Any, folder: Path, images: Path) -> Path | None:
    """The picture of a file: the one it names, or one of its own name."""
    place = images / path.parent.relative_to(folder)
    tried = []
    if isinstance(stated, str) and stated:
        name = PureWindowsPath(stated)  # which takes both kinds of slashes
        if not (name.is_absolute() or name.drive or stated.startswith('/')):
            tried += [path.parent / name.as_posix(), place / name.as_posix()]
        tried += [path.parent / name.name, place / name.name]
    for parent in dict.fromkeys((path.parent, place)):
        tried += [parent / f'{path.stem}{suffix}' for suffix in PICTURES]
    picture = next((candidate for candidate in tried if candidate.is_file()), None)
    if picture is None:
        return None
    below = os.path.relpath(os.path.abspath(picture), os.path.abspath(images))
    if below.startswith('..'):
        raise InputError(
            f'{picture}, the picture of {path}, is not inside of {images}: name the folder of the '
            'pictures as --images'
        )
    return images / below


def _contents(content: dict, path: Path, ignore_flags: Sequence[str]) -> Contents:
    sides = content.get('imageWidth'), content.get('imageHeight')
    contents = Contents(
        stated_size=tuple(side if isinstance(side, (int, float)) else 0 for side in sides)
    )
    groups: dict[Any, Object] = {}
    for index, shape in enumerate(content['shapes']):
        where = f'{path}, shapes[{index}]'
        label = shape.get('label') if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label:
            raise InputError(f'{where} has the label {label!r}: give the name of a class')
        box = _box(shape, where)
        if box is None:
            kind = shape.get('shape_type')
            contents.left_out.add(f'shapes of the type {kind!r}, which has no box', where)
            continue
        flags = shape.get('flags') or {}
        if not isinstance(flags, dict):
            raise InputError(f'{where} has the flags {flags!r}: give a dictionary')
        everywhere = label == _IGNORED_LABEL
        ignored = everywhere or any(flags.get(flag) for flag in ignore_flags)
        thing = Object(None if everywhere else label, box, ignored)
        group = shape.get('group_id')
        key = index if group is None else (label, repr(group))
        groups[key] = _united(groups[key], thing) if key in groups else thing
    contents.objects = list(groups.values())
    return contents


def _united(one: Object, other: Object) -> Object:
    left, top, right, bottom = zip(one.box, other.box)
    box = min(left), min(top), max(right), max(bottom)
    return Object(one.name, box, one.ignored or other.ignored)


def _box(shape: dict, where: str) -> tuple[float, float, float, float] | None:
    """The box around a shape; None if it has none."""
    kind = shape.get('shape_type') or 'polygon'
    points = shape.get('points')
    try:
        (xs, ys) = zip(*((float(x), float(y)) for x, y in points))
    except (TypeError, ValueError):
        raise InputError(f'{where} has the points {points!r}: give pairs of numbers') from None
    if kind in _WITHOUT_BOX:
        return None
    if kind == 'circle':
        if len(xs) != 2:
            raise InputError(f'{where} is a circle of {len(xs)} points: give its middle and one')
        radius = hypot(xs[1] - xs[0], ys[1] - ys[0])
        return xs[0] - radius, ys[0] - radius, xs[0] + radius, ys[0] + radius
    last = 1 if kind == 'mask' else 0  # the corners of a mask are its first and its last pixel
    return min(xs), min(ys), max(xs) + last, max(ys) + last
