"""YOLO as Ultralytics has it: ``data.yaml``, pictures, and a text file for each that has objects.

A line is ``class x y width height``, at times with a confidence behind, or the class and the
corners of a polygon, ``class x1 y1 x2 y2 x3 y3 ...``. All numbers but the class are shares of the
picture's width or height; x and y are the middle of a box. The label file of
``a/images/b/c.jpg`` is ``a/labels/b/c.txt``; without a folder ``images`` it is beside the picture.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmsniper.errors import InputError
from mmsniper.images import BrokenImageError, stated_image_size

from .files import PICTURES, find_files, read_lines, to_numbers, to_whole_number
from .source import Contents, Item, Object, Source
from .tally import Tally
from .yolo_data import read_data_file

_SUFFIX = '.txt'
# A share of more than this is not a box that crosses the border but a number of pixels.
_LARGEST_SHARE = 2


def yolo_source(file: Path, split: str = 'train', root: Path | None = None) -> Source:
    """A part of a data set of YOLO.

    Pictures without a label file have no objects, as in Ultralytics.

    Args:
        file: ``data.yaml``.
        split: ``'train'``, ``'val'`` or ``'test'``.
        root: What its paths are relative to. Defaults to its ``path``.

    Raises:
        InputError: The file is malformed, or its pictures are not there.
    """
    data = read_data_file(file, split, root)
    left_out, noted = Tally(), Tally()
    pictures: dict[str, Path] = {}
    for place in data.places:
        found = _listed(place, data.root, left_out) if place.is_file() else _in_folder(place, noted)
        for picture in found:
            name = _name(picture, data.root)
            if name in pictures:
                noted.add('pictures that are listed twice', name)
            pictures[name] = picture
    items = []
    for name, picture in sorted(pictures.items()):
        label = label_file(picture)
        if not label.is_file():
            noted.add('pictures without a label file, which have no object', str(picture))
        items.append(Item(name, picture, label if label.is_file() else None))
    _check_labels(items, data.places, left_out)
    return Source(
        format='YOLO',
        settings=dict(num_classes=len(data.names), indices=sorted(data.names)),
        folder=data.root,
        classes=list(data.names.values()),
        items=items,
        read=lambda item: _read(item, data.names, file),
        left_out=left_out,
        noted=noted,
    )


def label_file(picture: Path) -> Path:
    """Where the label file of a picture is, by Ultralytics' rule."""
    parts = picture.parts
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == 'images':
            return Path(*parts[:index], 'labels', *parts[index + 1 :]).with_suffix(_SUFFIX)
    return picture.with_suffix(_SUFFIX)


def _name(picture: Path, root: Path) -> str:
    """The name below the root, or the whole path if it is elsewhere."""
    try:
        return picture.relative_to(root).as_posix()
    except ValueError:
        return picture.as_posix()


def _in_folder(folder: Path, noted: Tally) -> list[Path]:
    pictures = list(find_files(folder, PICTURES))
    if not pictures:
        noted.add('folders without a picture', str(folder))
    return pictures


def _listed(file: Path, root: Path, left_out: Tally) -> list[Path]:
    """The pictures that a text file lists, those in its own folder before those in the root."""
    pictures = []
    for line, text in read_lines(file):
        tried = [file.parent / text, root / text]
        picture = next((path for path in tried if path.is_file()), None)
        if picture is None:
            left_out.add('listed pictures that are missing', f'{text}, {file}, line {line}')
        else:
            pictures.append(Path(os.path.normpath(picture)))
    return pictures


def _check_labels(items: list[Item], places: list[Path], left_out: Tally) -> None:
    """Count label files without a picture; raise an InputError if all pictures have none."""
    if not items:
        raise InputError(f'there is no picture in {", ".join(map(str, places))}')
    used = {item.annotation for item in items if item.annotation is not None}
    if not used:
        first = items[0].picture
        raise InputError(
            f'none of {len(items)} pictures has a label file; that of {first} would be '
            f'{label_file(first)}'
        )
    for folder in places:
        labels = label_file(folder / 'x').parent
        if folder.is_dir() and labels != folder and labels.is_dir():
            for path in find_files(labels, [_SUFFIX]):
                if path not in used and path.name != 'classes.txt':
                    left_out.add('label files whose picture is missing', str(path))


def _read(item: Item, names: dict[int, str], file: Path) -> Contents:
    contents = Contents()
    if item.annotation is None:
        return contents
    path = item.annotation
    try:
        width, height = stated_image_size(item.picture)
    except BrokenImageError:  # it is counted when its size is asked for again
        return contents
    for line, text in read_lines(path):
        words = text.split()
        index = to_whole_number(words[0], 'class', path, line)
        numbers = to_numbers(words[1:], path, line)
        shares = _box(numbers, path, line)
        if len(numbers) == 5:
            contents.noted.add('boxes with a confidence, which is not used', str(path))
        if index not in names:
            reason = f'objects of the class {index}, which {file.name} does not name'
            contents.left_out.add(reason, f'{path}, line {line}')
            continue
        left, top, right, bottom = shares
        box = left * width, top * height, right * width, bottom * height
        contents.objects.append(Object(names[index], box))
    return contents


def _box(numbers: list[float], path: Path, line: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom as shares, of a box or around a polygon."""
    if max(map(abs, numbers[:4]), default=0) > _LARGEST_SHARE:
        raise InputError(
            f'{path}, line {line}: {max(numbers, key=abs):g} is no share of the width or height, '
            'which is at most 1: divide what is in pixels by them'
        )
    if len(numbers) in (4, 5):
        x, y, width, height = numbers[:4]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs, ys = numbers[::2], numbers[1::2]
        return min(xs), min(ys), max(xs), max(ys)
    raise InputError(
        f'{path}, line {line}: {len(numbers) + 1} values are neither a box (5, or 6 with a '
        'confidence) nor a polygon (7 or more, an odd number)'
    )
