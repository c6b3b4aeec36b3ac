"""Finding out what is wrong with an annotation file that a dataset failed to load."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from mmdet.datasets import CocoDataset

from mmsniper.errors import InputError

from .nesting import nested_datasets


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


def check_annotation_files(config: dict) -> None:
    """Raise an InputError for the first annotation file of a dataset config that cannot be used.

    Meant for after a failure, since it reads the files once more.

    Args:
        config (dict): Config of a dataset or of wrapped ones.

    Raises:
        InputError: A file is missing, empty, no JSON, or without images (local files only).
    """
    for path, owner in annotation_files(config):
        if '://' in path or os.path.isdir(path):
            continue
        if not os.path.exists(path):
            raise InputError(
                f"annotation file {path} does not exist; set the dataset's ann_file and data_root"
            )
        if os.path.getsize(path) == 0:
            raise InputError(f'annotation file {path} is empty')
        if path.endswith('.json'):
            _check_json(path, owner)


def check_classes(dataset) -> None:
    """Raise an InputError where a class of a CocoDataset is not in its annotation file.

    MMDetection skips such a class and numbers the others anew, so that the labels of training and
    test silently differ.

    Args:
        dataset: A dataset or wrapper, after ``full_init``.

    Raises:
        InputError: A class is not among the categories.
    """
    for inner in nested_datasets(dataset):
        if isinstance(inner, CocoDataset):
            classes = inner.metainfo['classes']
            if len(inner.cat_ids) < len(classes):
                with open(inner.ann_file, encoding='utf-8') as file:
                    _check_categories(inner.ann_file, json.load(file)['categories'], classes)


def _check_categories(path: str, categories: Sequence[dict], classes: Sequence[str]) -> None:
    names = [category['name'] for category in categories]
    unknown = [name for name in classes if name not in names]
    if unknown:
        raise InputError(
            f"class {unknown[0]!r} of metainfo['classes'] is not among the categories of {path}: "
            f'{", ".join(names[:20])}{", ..." if len(names) > 20 else ""}'
        )


def _check_json(path: str, config: dict) -> None:
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f'annotation file {path} is not valid JSON: {error}') from error
    missing = [
        key
        for key in ('images', 'annotations', 'categories')
        if not isinstance(content, dict) or key not in content
    ]
    if missing:
        raise InputError(
            f"annotation file {path} has no '{missing[0]}', so it is not in COCO format"
        )
    if not content['images']:
        raise InputError(f'annotation file {path} lists no images')
    for image in content['images']:
        if not (image.get('height') and image.get('width')):
            raise InputError(
                f"image {image.get('file_name')} in annotation file {path} has no 'height' and "
                "'width'; ChipDataset needs both"
            )
    if not content['annotations']:
        raise InputError(f'annotation file {path} lists no annotations')
    if (config.get('metainfo') or {}).get('classes'):
        _check_categories(path, content['categories'], config['metainfo']['classes'])
