"""Whether the entries of a COCO annotation file are whole and fit together.

Written for files of a million entries: all of them are looked at in whole columns, and one by one
only to name the first that is at fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError

SECTIONS = ('images', 'annotations', 'categories')


def check_coco_content(
    path: str, content: Any, image_keys: Sequence[str] = ('id', 'file_name')
) -> None:
    """Check that what a COCO annotation file holds is whole and fits together.

    Args:
        path (str): The file, for the message.
        content: What the file holds.
        image_keys (Sequence[str]): What an image needs beside its size.

    Raises:
        InputError: As those of the functions below.
    """
    check_sections(path, content)
    check_images(path, content['images'], image_keys)
    check_annotations(path, content['annotations'])
    check_categories(path, content['categories'])


def check_sections(path: str, content: Any, sections: Sequence[str] = SECTIONS) -> None:
    """Check that a file has the lists of a COCO annotation file.

    Args:
        path (str): The file, for the message.
        content: What the file holds.
        sections (Sequence[str]): The lists that it needs.

    Raises:
        InputError: It is no dictionary, or a list is missing or holds something else than entries.
    """
    if not isinstance(content, dict):
        raise InputError(
            f'annotation file {path} holds a {type(content).__name__} and no dictionary of '
            f'{", ".join(sections)}, so it is not in COCO format'
        )
    for section in sections:
        if section not in content:
            raise InputError(
                f"annotation file {path} has no '{section}', so it is not in COCO format"
            )
        entries = content[section]
        if not isinstance(entries, list) or any(not isinstance(entry, dict) for entry in entries):
            raise InputError(
                f"'{section}' of annotation file {path} is no list of dictionaries, so it is not "
                'in COCO format'
            )


def check_images(path: str, images: list[dict], keys: Sequence[str] = ('id', 'file_name')) -> None:
    """Check that every image has its keys, a size and an id of its own.

    Args:
        path (str): The file, for the message.
        images (list[dict]): The entries.
        keys (Sequence[str]): What an entry needs beside its size.

    Raises:
        InputError: An entry lacks something, or two have one id.
    """
    _check_keys(path, 'images', images, keys)
    sizes = [(image.get('height'), image.get('width')) for image in images]
    missing = [i for i, (height, width) in enumerate(sizes) if not (height and width)]
    if missing:
        raise InputError(
            f'{entry_name("images", images, missing[0])} in annotation file {path} has no '
            f"'height' and 'width', as {len(missing)} of its {len(images)} images; give a positive "
            'height and width in pixels'
        )
    wrong = _first_wrong(sizes, _is_size)
    if wrong is not None:
        height, width = sizes[wrong]
        raise InputError(
            f'{entry_name("images", images, wrong)} in annotation file {path} has the height '
            f'{height!r} and the width {width!r}; give a positive height and width in pixels'
        )
    _check_ids(path, 'images', images)


def check_annotations(
    path: str,
    annotations: list[dict],
    keys: Sequence[str] = ('id', 'image_id', 'category_id', 'bbox'),
) -> None:
    """Check that every annotation has its keys, a box of four numbers and an id of its own.

    Boxes that are NaN, infinite, empty or outside of their image are left to who uses them. Of
    annotations with a true ``ignore``, which MMDetection leaves out, no box is asked for.

    Args:
        path (str): The file, for the message.
        annotations (list[dict]): The entries.
        keys (Sequence[str]): What an entry needs.

    Raises:
        InputError: An entry lacks something or has no proper value, or two have one id.
    """
    _check_keys(path, 'annotations', annotations, [key for key in keys if key != 'bbox'])
    boxes = [entry.get('bbox') for entry in annotations]
    table = _as_numbers(boxes)
    if annotations and (table is None or table.shape[1:] != (4,)):
        for index, (entry, box) in enumerate(zip(annotations, boxes)):
            if entry.get('ignore') or _is_box(box):
                continue
            name = f'{entry_name("annotations", annotations, index)} in annotation file {path}'
            if box is None:
                raise InputError(f"{name} has no 'bbox'; add it or remove the entry")
            raise InputError(
                f'{name} has the bbox {box!r}; give x, y, width and height as four numbers'
            )
    crowds = [entry.get('iscrowd') for entry in annotations]
    wrong = _first_wrong(crowds, lambda value: value is None or value in (0, 1))
    if wrong is not None:
        raise InputError(
            f'{entry_name("annotations", annotations, wrong)} in annotation file {path} has the '
            f"'iscrowd' {crowds[wrong]!r}; give 0 or 1"
        )
    if 'id' in keys:
        _check_ids(path, 'annotations', annotations)


def check_categories(path: str, categories: list[dict]) -> None:
    """Check that every category has a name and an id of its own.

    Args:
        path (str): The file, for the message.
        categories (list[dict]): The entries.

    Raises:
        InputError: An entry lacks something, or two have one id.
    """
    _check_keys(path, 'categories', categories, ('id', 'name'))
    _check_ids(path, 'categories', categories)


def complete_annotations(annotations: list[dict]) -> dict[str, int]:
    """Fill in what annotations lack and what there is only one right value for, in place.

    The area of an object is taken to be that of its box where there is no positive one, and what is
    not said to be a crowd is none.

    Args:
        annotations (list[dict]): Entries that ``check_annotations`` has passed.

    Returns:
        dict[str, int]: For each key, ``'area'`` and ``'iscrowd'``, in how many entries.
    """
    areas = [entry.get('area') for entry in annotations]
    filled = dict(area=0, iscrowd=0)
    table = _as_numbers(areas)
    if table is None or not (table > 0).all():
        for entry, area in zip(annotations, areas):
            box = entry.get('bbox')
            if box is not None and not (isinstance(area, (int, float)) and area > 0):
                entry['area'] = max(box[2], 0) * max(box[3], 0)
                # A box without an area is another fault, and is counted as such.
                filled['area'] += bool(entry['area'] > 0)
    for entry in annotations:
        if entry.get('iscrowd') is None:
            entry['iscrowd'] = 0
            filled['iscrowd'] += 1
    return filled


def find_loose_ends(content: dict) -> dict[str, list[int]]:
    """Find the entries that point nowhere, and the files that are listed more than once.

    Args:
        content (dict): Images, annotations and categories that the checks have passed.

    Returns:
        dict[str, list[int]]: ``'image_id'`` and ``'category_id'``: the indices of the annotations
        that name one that the file does not list; ``'file_name'``: those of the images that are the
        same file as one before them.
    """
    loose = {}
    for key, section in (('image_id', 'images'), ('category_id', 'categories')):
        listed = {entry['id'] for entry in content[section]}
        loose[key] = [i for i, a in enumerate(content['annotations']) if a[key] not in listed]
    names = [image.get('file_name') for image in content['images']]
    seen = set()
    loose['file_name'] = (
        []
        if len(set(names)) == len(names)
        else [i for i, name in enumerate(names) if name in seen or seen.add(name)]
    )
    return loose


def entry_name(section: str, entries: Sequence[dict], index: int) -> str:
    """An entry in words, such as ``annotations[3] (id 4)``."""
    entry = entries[index]
    label = entry.get('file_name') or entry.get('name')
    if label is None and entry.get('id') is not None:
        label = f'id {entry["id"]}'
    return f'{section}[{index}]' + (f' ({label})' if label is not None else '')


def _check_keys(path: str, section: str, entries: Sequence[dict], keys: Iterable[str]) -> None:
    for key in keys:
        values = [entry.get(key) for entry in entries]
        allowed = (str,) if key == 'file_name' else (str, int, float)
        if set(map(type, values)) <= set(allowed):
            continue
        wrong = next(i for i, value in enumerate(values) if type(value) not in allowed)
        name = f'{entry_name(section, entries, wrong)} in annotation file {path}'
        if values[wrong] is None:
            raise InputError(f"{name} has no '{key}'; add it or remove the entry")
        kind = 'a text' if allowed == (str,) else 'a number or a text'
        raise InputError(f"{name} has the '{key}' {values[wrong]!r}; give {kind}")


def _check_ids(path: str, section: str, entries: Sequence[dict]) -> None:
    ids = [entry['id'] for entry in entries]
    if len(set(ids)) == len(ids):
        return
    value = next(value for value, count in Counter(ids).items() if count > 1)
    first = ids.index(value)
    second = ids.index(value, first + 1)
    raise InputError(
        f'{entry_name(section, entries, first)} and {entry_name(section, entries, second)} in '
        f'annotation file {path} have the same id {value!r}, so that one would be lost; give each '
        'its own'
    )


def _as_numbers(values: Any) -> np.ndarray | None:
    """Values, or lists of equal length, as an array, or None if they are not all numbers."""
    try:
        array = np.array(values)
    except ValueError:  # lists of different lengths
        return None
    return array if array.dtype.kind in 'iuf' else None


def _is_box(value: Any) -> bool:
    box = _as_numbers(value)
    return box is not None and box.shape == (4,)


def _is_size(value: Any) -> bool:
    sides = _as_numbers(value)
    return sides is not None and bool((sides > 0).all() and np.isfinite(sides).all())


def _first_wrong(values: Sequence[Any], is_right: Callable[[Any], bool]) -> int | None:
    """The index of the first value that is not right, looking at equal ones once."""
    try:
        distinct = set(values)
    except TypeError:  # a value that is a list or the like
        distinct = values
    if all(is_right(value) for value in distinct):
        return None
    return next(index for index, value in enumerate(values) if not is_right(value))
