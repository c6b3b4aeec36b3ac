"""Files of proposals: what a detector holds to be objects in the images of a training set.

Shapes: n proposals, m images.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.fileio import get, get_local_path, load

from mmsniper.errors import InputError

_COLUMNS = dict(
    names=str,
    heights=np.int64,
    widths=np.int64,
    image_starts=np.int64,
    boxes=np.float32,
    scores=np.float32,
)
_ORIGIN = 'origin'


@dataclass(frozen=True, eq=False)
class ProposalTable:
    """Proposals of many images in flat arrays.

    Attributes:
        names (np.ndarray): (m,) str, file name of each image, with as many of its folders as it
            takes to tell it from the others, joined by ``/``.
        heights (np.ndarray): (m,) int64, height of each image in pixels, 0 where it is not known.
        widths (np.ndarray): (m,) int64, likewise.
        image_starts (np.ndarray): (m + 1,) int64; the proposals of image i are those from
            ``image_starts[i]`` up to ``image_starts[i + 1]``.
        boxes (np.ndarray): (n, 4) float32 xyxy in pixels of the original image.
        scores (np.ndarray): (n,) float32.
    """

    names: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    image_starts: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        """Number of images."""
        return len(self.names)


def write_proposals(
    path: str | Path, proposals: ProposalTable, origin: Mapping | None = None
) -> None:
    """Write proposals to an ``.npz`` file, which holds plain arrays and no pickle.

    The file is replaced in one step, so that it is whole at any time.

    Args:
        path: The file; its folder is made where missing.
        proposals (ProposalTable): What to write.
        origin (Mapping, optional): What they were made with, in terms of JSON. Defaults to None.

    Raises:
        InputError: The name does not end in ``.npz``, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix != '.npz':
        raise InputError(f'proposals are written to a file that ends in .npz, not to {target}')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f'.{target.stem}.') as folder:
            temporary = os.path.join(folder, 'proposals.npz')
            # Cast, because NumPy would put an array of objects into a pickle.
            arrays = {
                column: np.asarray(getattr(proposals, column)).astype(kind)
                for column, kind in _COLUMNS.items()
            }
            if origin is not None:
                arrays[_ORIGIN] = np.array(json.dumps(dict(origin)))
            np.savez_compressed(temporary, **arrays)
            os.replace(temporary, target)
    except OSError as error:
        raise InputError(f'proposal file {target} cannot be written: {_reason(error)}') from error


def read_origin(path: str | Path) -> dict | None:
    """What the proposals of a whole ``.npz`` file were made with, or None if it does not say."""
    with np.load(path, allow_pickle=False) as file:
        return json.loads(str(file[_ORIGIN])) if _ORIGIN in file else None


def read_proposals(path: str | Path, backend_args: dict | None = None) -> ProposalTable:
    """Read a file of proposals: an ``.npz`` of ours or a pickle of MMDetection's ``DumpProposals``.

    A pickle can run any code when it is loaded. It is only ever read from the very path that is
    named here; name none that you would not run as a program.

    Args:
        path: Ends in ``.npz``, ``.pkl`` or ``.pickle``.
        backend_args (dict, optional): Where the file lies, as for images. Defaults to None.

    Returns:
        ProposalTable: The proposals, all of them finite.

    Raises:
        InputError: The file is missing, cut short, of another format, or holds a box or score that
            is not finite.
    """
    path = os.fspath(path)
    if not path.endswith(('.npz', '.pkl', '.pickle')):
        raise InputError(
            f'proposal file {path} must be an .npz of tools/extract_proposals.py or a .pkl of '
            "MMDetection's DumpProposals"
        )
    try:
        table = (
            _read_npz(path, backend_args)
            if path.endswith('.npz')
            else _read_pickle(path, backend_args)
        )
    except FileNotFoundError as error:
        raise InputError(f'proposal file {path} does not exist') from error
    except OSError as error:
        raise InputError(f'proposal file {path} cannot be read: {_reason(error)}') from error
    wrong = np.flatnonzero(~(np.isfinite(table.boxes).all(axis=1) & np.isfinite(table.scores)))
    if len(wrong):
        image = table.names[np.searchsorted(table.image_starts, wrong[0], side='right') - 1]
        raise InputError(
            f'proposal file {path} has {len(wrong)} proposals that are not finite, the first of '
            f'image {image}: check the detector that made them and extract them anew'
        )
    return table


def _read_npz(path: str, backend_args: dict | None) -> ProposalTable:
    try:
        with get_local_path(path, backend_args=backend_args) as local:
            with np.load(local, allow_pickle=False) as file:
                missing = [column for column in _COLUMNS if column not in file]
                arrays = {} if missing else {column: file[column] for column in _COLUMNS}
    except OSError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise InputError(
            f'proposal file {path} is cut short or no .npz file ({error}): extract it anew'
        ) from error
    if missing:
        raise InputError(
            f'proposal file {path} has no array {missing[0]!r}: write it with '
            'tools/extract_proposals.py'
        )
    try:
        table = ProposalTable(
            **{
                column: arrays[column].astype(kind, casting='same_kind')
                for column, kind in _COLUMNS.items()
            }
        )
        shapes = [getattr(table, column).shape for column in _COLUMNS]
        m, n = len(table.names), len(table.boxes)
        fits = shapes == [(m,), (m,), (m,), (m + 1,), (n, 4), (n,)]
        starts = table.image_starts
        fits = fits and starts[0] == 0 and starts[-1] == n and (np.diff(starts) >= 0).all()
    except (AttributeError, TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(
            f'the arrays of proposal file {path} do not fit together: write it with '
            'tools/extract_proposals.py'
        )
    return table


def _read_pickle(path: str, backend_args: dict | None) -> ProposalTable:
    file = get(path, backend_args=backend_args)
    try:
        content = load(io.BytesIO(file), file_format='pkl')
    except Exception as error:  # a broken pickle can raise anything
        raise InputError(
            f'proposal file {path} ({len(file)} bytes) is cut short or no pickle: '
            f'{type(error).__name__}'
        ) from error
    try:
        if not isinstance(content, Mapping):
            raise TypeError(f'it holds a {type(content).__name__}')
        names = np.array([str(name) for name in content], dtype=str)
        boxes = [np.asarray(part['bboxes'], np.float32) for part in content.values()]
        scores = [np.asarray(part['scores'], np.float32) for part in content.values()]
        counts = [part.size // 4 for part in boxes]
        for name, count, *arrays in zip(names, counts, boxes, scores):
            shapes = [part.shape for part in arrays]
            if shapes != [(count, 4), (count,)] and any(part.size for part in arrays):
                raise ValueError(f'{name} has arrays of shape {shapes[0]} and {shapes[1]}')
    except Exception as error:  # and so can whatever else it holds
        raise InputError(
            f"proposal file {path} is not what MMDetection's DumpProposals writes, boxes and "
            f'scores for each file name ({type(error).__name__}: {error})'
        ) from error
    return ProposalTable(
        names=names,
        heights=np.zeros(len(names), np.int64),
        widths=np.zeros(len(names), np.int64),
        image_starts=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *(p.reshape(-1, 4) for p in boxes)]),
        scores=np.concatenate([np.zeros(0, np.float32), *(p.reshape(-1) for p in scores)]),
    )


def shortest_names(paths: Sequence[str]) -> np.ndarray:
    """Names by which images are told apart: their paths without the folder they share.

    Args:
        paths (Sequence[str]): Path of each image; the same path may occur several times.

    Returns:
        np.ndarray: (m,) str.
    """
    split = [split_path(path) for path in paths]
    shared = len(os.path.commonprefix([parts[:-1] for parts in split]))
    return np.array(['/'.join(parts[shared:]) for parts in split], dtype=str)


def split_path(path: str) -> list[str]:
    """Folders and file name of a path of any system, without those that do not matter."""
    return [part for part in path.replace('\\', '/').split('/') if part not in ('', '.')]


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
