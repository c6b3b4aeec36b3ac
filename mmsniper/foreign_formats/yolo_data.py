"""The file ``data.yaml`` of a data set of YOLO: classes, and where the pictures are."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmsniper.errors import InputError


@dataclass(frozen=True)
class DataFile:
    """What the file says of one part of the data.

    Attributes:
        names: The classes by their numbers, in the order of these.
        root: The folder that paths are relative to.
        places: Folders of pictures and text files that list some.
    """

    names: dict[int, str]
    root: Path
    places: list[Path]


def read_data_file(path: Path, split: str, root: Path | None = None) -> DataFile:
    """Read ``data.yaml``.

    Args:
        path: The file.
        split: Which part, ``'train'``, ``'val'`` or ``'test'``.
        root: What its paths are relative to. Defaults to what its ``path`` names, seen from its own
            folder or from the working folder, or to its own folder if it names nothing.

    Raises:
        InputError: It is missing or malformed, or what it names is not there.
    """
    data = _load(path)
    names = _names(data.get('names'), data.get('nc'), path)
    root = _plain(_root(path, data.get('path')) if root is None else root)
    if split not in data or not data[split]:
        there = ', '.join(key for key in ('train', 'val', 'test') if data.get(key)) or 'none'
        raise InputError(f'{path} has no {split!r}; of train, val and test it has {there}')
    listed = data[split] if isinstance(data[split], list) else [data[split]]
    return DataFile(names, root, [_place(entry, root, path, split) for entry in listed])


def _load(path: Path) -> dict:
    try:
        data = yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f'{path} does not exist') from error
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, 'problem_mark', None)
        line = f', line {mark.line + 1}' if mark else ''
        reason = getattr(error, 'problem', None) or error
        raise InputError(f'{path}{line}: it is no YAML, {reason}') from error
    if not isinstance(data, dict):
        raise InputError(f'{path} has no keys such as names and train, so it is no data.yaml')
    return data


def _names(names: Any, count: Any, path: Path) -> dict[int, str]:
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise InputError(
            f'{path} has the names {names!r}: give the classes, as a list or by number'
        )
    for index, name in names.items():
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise InputError(f'{path} names the class {index!r}, which is no number from 0')
        if isinstance(name, bool) or not isinstance(name, (str, int, float)):
            raise InputError(f'{path} has the name {name!r} for class {index}: write it in quotes')
    names = {index: str(names[index]) for index in sorted(names)}
    twice = [name for name, number in Counter(names.values()).items() if number > 1]
    if twice:
        raise InputError(f'{path} names the class {twice[0]!r} twice: name each once')
    if count is not None and count != len(names):
        raise InputError(f'{path} has nc: {count}, but names {len(names)} classes')
    return names


def _root(path: Path, named: Any) -> Path:
    if named in (None, ''):
        return path.parent
    tried = [path.parent / str(named), Path(str(named))]
    for root in tried:
        if root.is_dir():
            return root
    raise InputError(
        f'the path {named!r} of {path} is neither below its folder nor below this one: give the '
        'folder as --root'
    )


def _place(entry: Any, root: Path, path: Path, split: str) -> Path:
    if not isinstance(entry, str):
        raise InputError(f'{path} has {entry!r} in {split!r}: give a folder or a text file')
    tried = [root / entry]
    if entry.startswith('../'):  # as in exports of Roboflow, which means the folder itself
        tried.append(root / entry[3:])
    for place in tried:
        if place.exists():
            return _plain(place)
    raise InputError(
        f'{tried[0]}, which {path} names in {split!r}, does not exist: give the folder that its '
        'paths are relative to as --root'
    )


def _plain(path: Path) -> Path:
    """A path without '..' wherever that can be, so that one is seen to be below another."""
    return Path(os.path.normpath(path))
