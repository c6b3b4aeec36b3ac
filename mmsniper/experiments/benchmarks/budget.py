"""How many pixels items have, and how many steps a budget of them is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmsniper.errors import InputError

#: How far the measured pixels of a run may be from the budget.
TOLERANCE = 0.02


def item_pixels(
    dataset, indices: Iterable[int] | None = None, negatives: bool = True
) -> np.ndarray:
    """The pixels of items as the network gets them, without padding.

    Args:
        dataset (ChipDataset): In training (chips) or in test mode (whole images at a level).
        indices (Iterable[int], optional): Which items. Defaults to None, all.
        negatives (bool): Whether negative chips have pixels. Defaults to True.

    Returns:
        np.ndarray: (n,) int64.
    """
    areas = []
    for index in range(len(dataset)) if indices is None else indices:
        info = dataset.get_data_info(int(index))
        x1, y1, x2, y2 = info['chip'].tolist()
        # Rounded like ScaleNormalize rounds.
        sides = [max(1, int(side * info['chip_scale'] + 0.5)) for side in (x2 - x1, y2 - y1)]
        counted = negatives or not info.get('is_negative', False)
        areas.append(sides[0] * sides[1] * counted)
    return np.array(areas, np.int64)


@dataclass(frozen=True)
class Budget:
    """A number of trained pixels, cut into steps and rounds, the same for all recipes.

    Attributes:
        step_mpx (float): 10**6 pixels of a step, in the mean.
        steps_per_round (int): Steps of a round.
        rounds (int): Into how many parts of equal length the training is cut. At the end of each
            there is a checkpoint to go on from.
        curve_points (int): How often it is tested, the last time at the end.
    """

    step_mpx: float
    steps_per_round: int
    rounds: int
    curve_points: int

    @classmethod
    def nearest(cls, mpx: float, step_mpx: float, rounds: int, curve_points: int) -> Budget:
        """The budget of whole rounds that comes nearest to a number of pixels.

        Args:
            mpx (float): 10**6 pixels to train.
            step_mpx (float): See the class, like the others.
            rounds (int): See there.
            curve_points (int): See there.

        Raises:
            InputError: A number is impossible.
        """
        if not (mpx > 0 and step_mpx > 0):
            raise InputError(
                f'a budget of {mpx} Mpx in steps of {step_mpx} Mpx is none: give positive numbers'
            )
        if rounds < 1 or curve_points < 1 or rounds % curve_points:
            raise InputError(
                f'{rounds} rounds cannot be tested {curve_points} times at equal distances: give '
                'rounds that are a multiple of curve_points'
            )
        return cls(step_mpx, max(1, round(mpx / step_mpx / rounds)), rounds, curve_points)

    def in_larger_steps(self, factor: float) -> Budget:
        """As many pixels in fewer steps.

        Args:
            factor (float): How many times the pixels of a step of this one each has.

        Raises:
            InputError: No number of whole steps has as many pixels.
        """
        found = Budget.nearest(self.mpx, self.step_mpx * factor, self.rounds, self.curve_points)
        if abs(found.mpx / self.mpx - 1) > TOLERANCE:
            raise InputError(
                f'{self.rounds} rounds of {self.steps_per_round} steps cannot be cut into steps of '
                f'{factor:g} times their pixels: give a larger budget'
            )
        return found

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.steps_per_round * self.rounds

    @property
    def mpx(self) -> float:
        """10**6 pixels of the whole training."""
        return self.steps * self.step_mpx
