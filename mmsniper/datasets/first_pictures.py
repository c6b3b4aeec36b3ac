"""A look for pictures before a run, which a wrong folder would stop after its first epoch only."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.transforms import LoadImageFromFile
from mmengine.fileio import get_file_backend

from mmsniper.errors import InputError

from .annotation_file import describe
from .misplaced_file import find_misplaced
from .nesting import innermost_datasets, nested_datasets
from .transforms import LoadIntactImage

# A wrong folder has none of them; more would cost time where each is asked for over a network.
NUM_PICTURES = 10


def check_first_pictures(dataset) -> None:
    """Look whether the first pictures of a dataset, and of each that it wraps, are there.

    Pictures are looked for where ``LoadImageFromFile``, ``LoadIntactImage`` and ``LoadChip`` read
    them, with their ``backend_args``. Other loaders may read anything, and some storages (LMDB,
    HTTP) cannot tell: nothing is looked for there.

    Args:
        dataset: A dataset with a pipeline, or a wrapper.

    Raises:
        InputError: One of the first pictures does not exist, or, where a ``ChipDataset`` skips
            broken images, none of them.
    """
    for owner in nested_datasets(dataset):
        loader = _loader(owner)
        if loader is not None:
            for inner in innermost_datasets(owner):
                _check(inner, loader, bool(getattr(owner, 'skip_broken_images', False)))


def _check(dataset, loader: LoadImageFromFile, may_lack_some: bool) -> None:
    infos = (dataset.get_data_info(i) for i in range(min(len(dataset), NUM_PICTURES)))
    paths = [info.get('img_path') for info in infos]
    paths = list(dict.fromkeys(path for path in paths if isinstance(path, str)))
    missing = _missing(paths, loader.backend_args)
    if not missing or (may_lack_some and len(missing) < len(paths)):
        return
    raise InputError(
        f'image {missing[0]} of {describe(dataset)} does not exist{find_misplaced(missing[0])} '
        f'({len(missing)} of the first {len(paths)} are missing); '
        "check the dataset's data_root and data_prefix"
    )


def _loader(dataset) -> LoadImageFromFile | None:
    """The transform that reads a dataset's pictures, if it is one that just reads the file."""
    for transform in getattr(getattr(dataset, 'pipeline', None), 'transforms', ()):
        reads_file = type(transform) is LoadImageFromFile or isinstance(transform, LoadIntactImage)
        if reads_file and not transform.file_client_args:
            return transform
    return None


def _missing(paths: Sequence[str], backend_args: dict | None) -> list[str]:
    """The files that do not exist, none if their storage cannot tell."""
    try:
        # Not the one that the workers will use: connections do not survive a fork.
        backends = [get_file_backend(path, backend_args=backend_args) for path in paths]
        return [path for path, backend in zip(paths, backends) if not backend.exists(path)]
    except (AttributeError, NotImplementedError):
        return []
