"""Types of command-line arguments."""

from __future__ import annotations

import argparse
import math


def positive_int(text: str) -> int:
    """A whole number of 1 or more, for ``add_argument(type=...)``.

    Raises:
        argparse.ArgumentTypeError: The number is lower.
        ValueError: It is no whole number.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} must be 1 or more')
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
