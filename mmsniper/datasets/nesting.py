"""Datasets inside of datasets."""

from __future__ import annotations

from collections.abc import Iterator


def nested_datasets(dataset) -> Iterator:
    """A dataset and all that it wraps, at any depth, from the outside in.

    Args:
        dataset: A dataset or a wrapper, such as ``ConcatDataset`` or ``MultiImageMixDataset``.

    Yields:
        The datasets.
    """
    yield dataset
    for inner in (getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', ())):
        if inner is not None:
            yield from nested_datasets(inner)


def nested_configs(config: dict) -> Iterator[dict]:
    """The config of a dataset and of all that it wraps, likewise.

    Args:
        config (dict): Config of a dataset.

    Yields:
        dict: The configs, themselves and no copies.
    """
    yield config
    for inner in (config.get('dataset'), *config.get('datasets', ())):
        if isinstance(inner, dict):
            yield from nested_configs(inner)
