"""Finding out what is wrong with an annotation file that a dataset failed to load."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from mmsniper.errors import InputError


def annotation_files(config: dict) -> Iterator[str]:
    """The annotation files that a dataset config names, those of wrapped datasets included."""
    if config.get('ann_file'):
        path = config['ann_file']
        root = config.get('data_root') or ''
        yield path if os.path.isabs(path) else os.path.join(root, path)
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
    for path in annotation_files(config):
        if '://' in path or os.path.isdir(path):
            continue
        if not os.path.exists(path):
            raise InputError(
                f"annotation file {path} does not exist; set the dataset's ann_file and data_root"
            )
        if os.path.getsize(path) == 0:
            raise InputError(f'annotation file {path} is empty')
        if path.endswith('.json'):
            _check_json(path)


def _check_json(path: str) -> None:
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
