"""Files of proposals: what a detector holds to be objects in the images of a training set.

Shapes: n proposals, m images.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.fileio import get, get_local_path, load

from mmsniper.errors import InputError

_COLUMNS = ('names', 'heights', 'widths', 'image_starts', 'boxes', 'scores')


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


def write_proposals(path: str | Path, proposals: ProposalTable) -> None:
    """Write proposals to an ``.npz`` file, which holds plain arrays and no pickle.

    The file is replaced in one step, so that it is whole at any time.

    Args:
        path: The file; its folder is made where missing.
        proposals (ProposalTable): What to write.

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
            arrays = {column: getattr(proposals, column) for column in _COLUMNS}
            np.savez_compressed(temporary, **arrays)
            os.replace(temporary, target)
    except OSError as error:
        raise InputError(f'proposal file {target} cannot be written: {error.strerror}') from error


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
    path = str(path)
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
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.error) as error:
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
            names=arrays['names'].astype(str),
            boxes=arrays['boxes'].astype(np.float32),
            scores=arrays['scores'].astype(np.float32),
            **{
                column: arrays[column].astype(np.int64)
                for column in ('heights', 'widths', 'image_starts')
            },
        )
        shapes = [getattr(table, column).shape for column in _COLUMNS]
        m, n = len(table.names), len(table.boxes)
        fits = shapes == [(m,), (m,), (m,), (m + 1,), (n, 4), (n,)]
        starts = table.image_starts
        fits = fits and starts[0] == 0 and starts[-1] == n and (np.diff(starts) >= 0).all()
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(
            f'the arrays of proposal file {path} do not fit together: write it with '
            'tools/extract_proposals.py'
        )
    return table


def _read_pickle(path: str, backend_args: dict | None) -> ProposalTable:
    try:
        content = load(path, backend_args=backend_args)
    except FileNotFoundError:
        raise
    except Exception as error:  # a broken pickle can raise anything
        size = len(get(path, backend_args=backend_args))
        raise InputError(
            f'proposal file {path} ({size} bytes) is cut short or no pickle: {type(error).__name__}'
        ) from error
    try:
        boxes = [np.asarray(part['bboxes'], np.float32).reshape(-1, 4) for part in content.values()]
        scores = [np.asarray(part['scores'], np.float32).reshape(-1) for part in content.values()]
        names = np.array([str(name).replace(os.sep, '/') for name in content], dtype=str)
        counts = [len(part) for part in boxes]
        if counts != [len(part) for part in scores]:
            raise ValueError('boxes and scores differ in number')
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"proposal file {path} is not what MMDetection's DumpProposals writes, boxes and "
            f'scores for each file name ({type(error).__name__}: {error})'
        ) from error
    return ProposalTable(
        names=names,
        heights=np.zeros(len(names), np.int64),
        widths=np.zeros(len(names), np.int64),
        image_starts=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
        scores=np.concatenate([np.zeros(0, np.float32), *scores]),
    )


def shortest_names(paths: Sequence[str]) -> np.ndarray:
    """Names by which images are told apart: their paths without the folder they share.

    Args:
        paths (Sequence[str]): Path of each image; the same path may occur several times.

    Returns:
        np.ndarray: (m,) str.
    """
    paths = [os.path.normpath(path).replace(os.sep, '/') for path in paths]
    shared = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ''
    return np.array([path[len(shared) :].lstrip('/') for path in paths], dtype=str)
