"""Figures as JSON, written whole or not at all."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Union

import numpy as np

from ..errors import InputError


def write_json(path: Union[str, Path], data: Any) -> None:
    """Write ``data`` to a file, or to standard output where ``path`` is ``'-'``.

    The text is made first and the file replaced in one step, so that an interrupted or failed run
    leaves the old file, or none, but never half a file.

    Args:
        path: The file to write, its folder made where missing, or ``'-'``.
        data: What ``json`` can hold; NumPy scalars and arrays become numbers and lists.

    Raises:
        InputError: The file cannot be written.
        TypeError: ``data`` holds something that JSON cannot.
        ValueError: ``data`` holds a NaN or infinity, for which JSON has no word.
    """
    text = json.dumps(data, indent=2, allow_nan=False, default=_numpy_to_python) + '\n'
    if str(path) == '-':
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    target = Path(path)
    if target.is_dir():
        raise InputError(f'cannot write JSON to {target}: it is a folder, name a file in it')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f'.{target.name}.')
    except OSError as error:
        raise InputError(f'cannot write JSON to {target}: {error.strerror}') from error
    try:
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(temporary, target)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise InputError(f'cannot write JSON to {target}: {error.strerror}') from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _numpy_to_python(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f'{type(value).__name__} has no form in JSON')
