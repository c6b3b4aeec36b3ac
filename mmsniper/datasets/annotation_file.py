"""What is wrong with the annotation file of a dataset, or with the classes that it has in it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from mmdet.datasets import CocoDataset, LVISV1Dataset

from mmsniper.errors import InputError
from mmsniper.utils.coco_entries import check_coco_content

from .misplaced_file import find_misplaced


def annotation_files(config: dict) -> Iterator[tuple[str, dict]]:
    """The annotation files that a dataset config and those inside it name, with their configs."""
    if config.get('ann_file'):
        path = config['ann_file']
        root = config.get('data_root') or ''
        yield path if os.path.isabs(path) else os.path.join(root, path), config
    if isinstance(config.get('dataset'), dict):
        yield from annotation_files(config['dataset'])
    for inner in config.get('datasets', ()):
        if isinstance(inner, dict):
            yield from annotation_files(inner)


def describe(dataset) -> str:
    """A dataset in the words of a message: its annotation file, or its class if it has none."""
    path = getattr(dataset, 'ann_file', None)
    return f'annotation file {path}' if path else f'the {type(dataset).__name__}'


def check_annotation_file(dataset) -> None:
    """Raise an InputError if the annotation file of a dataset cannot be used.

    Meant for after the dataset failed to read it, since it reads it once more.

    Args:
        dataset: A dataset that reads one file, no wrapper.

    Raises:
        InputError: The file is missing, empty or unreadable, or a ``CocoDataset``'s is no JSON or
            no whole COCO file (local files only).
    """
    path = getattr(dataset, 'ann_file', None)
    is_coco = isinstance(dataset, CocoDataset)
    if not path or '://' in path or (os.path.isdir(path) and not is_coco):
        return
    if not os.path.exists(path):
        raise InputError(
            f'annotation file {path} does not exist{find_misplaced(path)}; '
            "set the dataset's ann_file and data_root"
        )
    try:
        with open(path, encoding='utf-8') as file:
            if os.path.getsize(path) == 0:
                raise InputError(f'annotation file {path} is empty')
            content = json.load(file) if is_coco else None
    except OSError as error:
        raise InputError(f'annotation file {path} cannot be read: {error.strerror}') from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f'annotation file {path} is not valid JSON: {error}') from error
    if is_coco:
        # Version 1 of LVIS names files by their address.
        name = 'coco_url' if isinstance(dataset, LVISV1Dataset) else 'file_name'
        check_coco_content(path, content, ('id', name))


def check_class_names(dataset) -> None:
    """Raise an InputError if the classes in a dataset's ``metainfo`` are no names, each once.

    MMDetection looks for the letters of a text, and counts a name twice that is there twice.
    """
    classes = (getattr(dataset, '_metainfo', None) or {}).get('classes')
    if isinstance(classes, str):
        raise InputError(
            f"metainfo['classes'] of {describe(dataset)} is the text {classes!r}, but no file of "
            f'that name has a class in each line; write a tuple: ({classes!r},)'
        )
    twice = [name for name, count in Counter(classes or ()).items() if count > 1]
    if twice:
        raise InputError(
            f"metainfo['classes'] of {describe(dataset)} has {twice[0]!r} more than once; "
            'name each class once'
        )


def check_known_classes(path: str, categories: Sequence[dict], classes: Sequence[str]) -> None:
    """Raise an InputError unless each class is the name of exactly one category of a COCO file.

    MMDetection skips an unknown class, counts one twice that two categories bear, and numbers the
    others anew, so that the labels of training and test silently differ.

    Args:
        path (str): The file, for the message.
        categories (Sequence[dict]): Those of the file.
        classes (Sequence[str]): The names of the classes.

    Raises:
        InputError: A class is no category, or two of them.
    """
    names = [category['name'] for category in categories]
    counts = Counter(names)
    for name in classes:
        if name not in counts:
            raise InputError(
                f"class {name!r} of metainfo['classes'] is not among the categories of {path}: "
                f'{", ".join(map(str, names[:20]))}{", ..." if len(names) > 20 else ""}'
            )
        if counts[name] > 1:
            first, second = [entry['id'] for entry in categories if entry['name'] == name][:2]
            raise InputError(
                f'categories {first} and {second} of annotation file {path} have the same name '
                f'{name!r}; make one of them'
            )
