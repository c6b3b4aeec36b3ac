"""JSON files, written whole or not at all."""

import json
import sys
from pathlib import Path
from typing import Any, Union

import numpy as np

from ..errors import InputError
from .whole_file import write_whole


def read_json(path: Union[str, Path], kind: str) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.
        kind: What it is called in errors, such as ``'annotation file'``.

    Raises:
        InputError: It does not exist, cannot be read or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise InputError(f'{kind} {path} does not exist') from error
    except OSError as error:
        raise InputError(f'{kind} {path} cannot be read: {error.strerror}') from error
    except ValueError as error:  # no JSON, or no text at all
        raise InputError(f'{kind} {path} is not valid JSON: {error}') from error


def write_json(path: Union[str, Path], data: Any) -> None:
    """Write ``data`` to a file, or to standard output where ``path`` is ``'-'``.

    An interrupted or failed run leaves the old file, or none, but never half a file.

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
    write_whole(target, text.encode())


def _numpy_to_python(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f'{type(value).__name__} has no form in JSON')
