"""Which checkpoints of a training are whole, and which one it goes on from."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import torch

from ..errors import InputError

RECORD = 'last_checkpoint'  # mmengine writes it once a checkpoint is whole


def checkpoint_fault(path: Path) -> str | None:
    """What is wrong with a checkpoint of mmengine, or None if it loads.

    Its structure is loaded on the CPU, which leaves the weights in the file; these are compared
    with their check sums.

    Args:
        path (Path): The file.

    Returns:
        str or None: The end of a sentence that begins with the path.
    """
    if not path.is_file():
        return 'does not exist'
    if path.stat().st_size == 0:
        return 'is empty'
    is_zip = zipfile.is_zipfile(
        path
    )  # the other format, of PyTorch 1.5 and before, cannot be mapped
    try:
        content = torch.load(path, map_location='cpu', mmap=is_zip)
    except Exception as error:  # what is no checkpoint can raise anything
        if not is_zip:
            return f'is cut short or no checkpoint ({type(error).__name__})'
        return f'cannot be loaded ({" ".join(str(error).split())[:200]})'
    if not isinstance(content, dict) or 'state_dict' not in content:
        return 'holds no state_dict'
    try:
        if is_zip:
            with zipfile.ZipFile(path) as archive:
                if (damaged := archive.testzip()) is not None:
                    return f'is damaged (in {damaged})'
    except Exception as error:  # nor has zipfile one kind of error
        return f'is damaged ({error})'
    return None


def checkpoint_to_resume(final: Path) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint of a training.

    Args:
        final (Path): Where its last one is to be, ``epoch_N.pth`` or ``iter_N.pth``. Earlier ones
            lie beside it; one of another name counts if ``last_checkpoint`` names it.

    Returns:
        tuple[Path or None, list[str]]: The checkpoint, ``final`` itself if it is whole, or None if
        the training has not saved any yet; and what is wrong with newer ones.

    Raises:
        InputError: There were whole checkpoints, as ``last_checkpoint`` tells, and none is left.
    """
    faults = []
    for path in _newest_first(final):
        fault = checkpoint_fault(path)
        if fault is None:
            return path, faults
        faults.append(f'{path} {fault}')
    folder = final.parent
    if (folder / RECORD).is_file():
        fault = faults[0] if faults else f'{folder / RECORD} names no file'
        raise InputError(
            f'{fault}, and {folder} has no whole checkpoint to go on from: delete {folder} to '
            'train anew'
        )
    return None, faults


def _newest_first(final: Path) -> list[Path]:
    kind, last = final.stem.rsplit('_', 1)
    numbered = {}
    for path in final.parent.glob(f'{kind}_*.pth'):
        number = re.fullmatch(rf'{kind}_(\d+)', path.stem)
        if number and int(number[1]) <= int(last):
            numbered[int(number[1])] = path
    paths = [numbered[number] for number in sorted(numbered, reverse=True)]
    record = final.parent / RECORD
    if record.is_file():
        # Written relative to where the training was called, or before the folder was moved.
        named = final.parent / Path(record.read_text(errors='replace').strip()).name
        if named != final.parent and named not in paths:
            paths.insert(0, named)
    return paths


def content_hash(path: Path) -> str:
    """What tells a checkpoint from every other one, wherever it lies."""
    found = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
