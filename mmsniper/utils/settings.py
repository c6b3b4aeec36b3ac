"""Checking the settings of hooks, samplers and functions where they are given.

Each function raises an :class:`mmsniper.errors.InputError` that says in one sentence whose setting
it is, what was given and what may be.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from ..chips.arguments import is_integer
from ..errors import InputError


def check_whole(owner: str, name: str, value: Any, least: int, unit: str = '') -> None:
    """A whole number of ``least`` or more may be, which True and 1.0 are not.

    Args:
        owner: Whose setting it is, such as the name of a class.
        name: What the setting is called.
        value: What was given.
        least: The least that may be.
        unit: What is counted.
    """
    if not is_integer(value) or value < least:
        raise InputError(f'{owner}: {name}={value!r} {_bound(least, unit)}, a whole number')


def check_limit(owner: str, name: str, value: Any, unit: str = '') -> None:
    """A whole number of 1 or more may be, or -1 for no limit; see :func:`check_whole`."""
    if not is_integer(value) or (value < 1 and value != -1):
        raise InputError(
            f'{owner}: {name}={value!r} {_bound(1, unit)}, a whole number, or -1 for all'
        )


def check_number(
    owner: str, name: str, value: Any, least: float = 0, most: float = math.inf, unit: str = ''
) -> None:
    """A finite number from ``least`` to ``most`` may be, which True and NaN are not."""
    if not is_number(value) or not math.isfinite(value) or not least <= value <= most:
        bound = _bound(least, unit)
        if most < math.inf:
            bound = f'must lie between {least} and {most}'
        raise InputError(f'{owner}: {name}={value!r} {bound}, a finite number')


def check_switch(owner: str, name: str, value: Any) -> None:
    """True or False may be, which 0, None and 'False' are not."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f'{owner}: {name}={value!r} must be True or False')


def is_number(value: Any) -> bool:
    """Whether a value is a real number, NaN and infinity among them, but not True or False."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _bound(least: float, unit: str) -> str:
    return f'must be {least} or more {unit}'.rstrip()
