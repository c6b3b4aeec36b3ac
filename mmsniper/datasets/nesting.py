"""Datasets inside of datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


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


def innermost_datasets(dataset) -> Iterator:
    """The datasets below a dataset, or it itself, that wrap no other."""
    for inner in nested_datasets(dataset):
        if not hasattr(inner, 'dataset') and not hasattr(inner, 'datasets'):
            yield inner


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


def is_chip_dataset(config: object) -> bool:
    """Whether something is the config of a ``ChipDataset``, by any of its names or as a class."""
    if not isinstance(config, Mapping):
        return False
    kind = config.get('type')
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    return name.rsplit('.', 1)[-1] == 'ChipDataset'


def find_chip_dataset(config: Mapping, loader: str) -> dict | None:
    """The config of the ``ChipDataset`` of a data loader, itself and no copy, or None.

    Args:
        config (Mapping): A whole config.
        loader (str): Key of the data loader, such as ``'train_dataloader'``.
    """
    dataset = (config.get(loader) or {}).get('dataset')
    inner = nested_configs(dataset) if isinstance(dataset, dict) else ()
    return next(filter(is_chip_dataset, inner), None)
