"""Types of command-line arguments."""

from __future__ import annotations

import argparse
import ast
import math
from typing import Any


def positive_int(text: str) -> int:
    """A whole number of 1 or more, for ``add_argument(type=...)``.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    return _whole_number(text, 1)


def non_negative_int(text: str) -> int:
    """A whole number of 0 or more, such as a seed, likewise.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text} is no whole number') from None
    if value < least:
        raise argparse.ArgumentTypeError(f'{text} must be {least} or more')
    return value


def positive_float(text: str) -> float:
    """A finite number above 0, for ``add_argument(type=...)``.

    Raises:
        argparse.ArgumentTypeError: It is not above 0, or not finite.
        ValueError: It is no number.
    """
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f'{text} must be above 0')
    return value


def python_literal(text: str) -> Any:
    """A list, a number or the like as Python writes it, likewise.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError) as error:
        raise argparse.ArgumentTypeError(f'{text} is no list in Python') from error
