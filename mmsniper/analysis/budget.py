"""How many pixels of an image a detector may look at, in training and in testing."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from mmsniper.errors import InputError
from mmsniper.utils.arguments import positive_float

from .scale_statistics import ScaleCost


@dataclass(frozen=True)
class Budget:
    """Area per image, relative to that of the single scale.

    Args:
        training (float): Of the positive chips.
        testing (float): Of the views. Defaults to infinity.

    Raises:
        InputError: One of them is not positive.
    """

    training: float
    testing: float = math.inf

    def __post_init__(self) -> None:
        for name, limit in (('budget', self.training), ('test_budget', self.testing)):
            if not limit > 0:
                raise InputError(
                    f'{name}={limit} must be positive; 1 costs as much as the single scale.'
                )

    def allows(self, cost: ScaleCost) -> bool:
        """Whether a cost is within the budget, in training and in testing."""
        return cost.relative <= self.training and cost.relative_testing <= self.testing


def at_least(limit: float, cost: float) -> float:
    """The limit that allows a cost: the given one, or the cost rounded up to two digits."""
    if cost <= limit:
        return limit
    unit = 10.0 ** (math.floor(math.log10(cost)) - 1)
    return round(math.ceil(cost / unit - 1e-9) * unit, 9)


@dataclass(frozen=True)
class PixelLimit:
    """A limit as users write it.

    Attributes:
        amount (float): Above 0.
        in_megapixels (bool): Whether it is in 10**6 pixels per image rather than relative to the
            single scale.
    """

    amount: float
    in_megapixels: bool

    def relative(self, mpx_single_scale: float) -> float:
        """The limit relative to the single scale, which has so many megapixels per image."""
        return self.amount / mpx_single_scale if self.in_megapixels else self.amount


def pixel_limit(text: str) -> PixelLimit:
    """``1.3`` or ``1.3x``, relative to the single scale, or ``2.5Mpx``, for ``type=``.

    Raises:
        argparse.ArgumentTypeError: It is none of these, or not above 0.
    """
    lower = text.lower()
    unit = next((unit for unit in ('mpx', 'x') if lower.endswith(unit)), '')
    try:
        amount = positive_float(lower[: len(lower) - len(unit)])
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text} is neither a multiple of the single scale, such as 1.3, nor an area, such '
            'as 2.5Mpx'
        ) from None
    return PixelLimit(amount, unit == 'mpx')
