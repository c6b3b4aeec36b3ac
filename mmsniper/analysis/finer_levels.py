"""What seeing small objects larger would bring, and which settings would do it.

Shapes: n boxes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from mmsniper.chips import Pyramid
from mmsniper.chips.pyramid import Level

from .budget import Budget, at_least
from .coco_boxes import Annotations
from .object_scales import MAX_ENLARGEMENT, SMALLEST_SEEN
from .scale_proposal import (
    MIN_SHARE,
    MIN_STEP,
    OVERLAP,
    Proposal,
    choose,
    plain_range,
    round_size,
)
from .scale_statistics import ScaleCost, hardly_seen, measure_cost

# The factor of a level that is added above the finest.
STEP = 2.0


@dataclass(frozen=True)
class FinerSettings:
    """Settings that show small objects larger.

    Attributes:
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Pixels of the level.
        cost (ScaleCost): Measured.
        options (str): The options of ``analyze_scales.py`` that give them.
    """

    pyramid: Pyramid
    chip_size: int
    cost: ScaleCost
    options: str


def finer_settings(
    annotations: Annotations,
    pyramid: Pyramid,
    chip_size: int,
    single_scale: Pyramid,
    proposal: Proposal | None = None,
    sample: Annotations | None = None,
    seed: int = 0,
) -> list[FinerSettings]:
    """What larger budgets give, and what one more level would cost if they give no more levels.

    Args:
        annotations (Annotations): The data set.
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Pixels of the level.
        single_scale (Pyramid): One level, to compare the cost with.
        proposal (Proposal, optional): Where the settings are of one. Defaults to None.
        sample (Annotations, optional): Images of ``annotations`` to measure the cost with.
            Defaults to None, all of them.
        seed (int): Of the chips. Defaults to 0.

    Returns:
        list[FinerSettings]: Possibly none.
    """
    found = finer_proposals(proposal) if proposal else []
    if any(settings.pyramid.num_levels > pyramid.num_levels for settings in found):
        return found
    finer = with_finer_level(pyramid, annotations)
    if finer is None or hardly_seen(annotations, pyramid).mean() < MIN_SHARE:
        return found
    sample = annotations if sample is None else sample
    cost = measure_cost(sample, finer, chip_size, single_scale, seed=seed)
    ranges = [plain_range(bounds) for bounds in finer.valid_ranges]
    options = f'--levels "{list(finer.levels)}" --valid-ranges "{ranges}" --chip-size {chip_size}'
    return [*found, FinerSettings(finer, chip_size, cost, options)]


def finer_proposals(proposal: Proposal) -> list[FinerSettings]:
    """The least budgets that give more levels than a proposal, and all that its objects ask for.

    Args:
        proposal (Proposal): With the candidates that were measured for it.

    Returns:
        list[FinerSettings]: By rising budget; each has more levels than the one before or a finer
        one that is as fine as wanted. None if the proposal has all that is wanted.
    """
    own = proposal.budget
    costs = [candidate.cost for row in proposal.candidates for candidate in row]
    # Only at these does the choice change.
    training = {at_least(own.training, cost.relative) for cost in costs}
    testing = {at_least(own.testing, cost.relative_testing) for cost in costs}
    found: list[FinerSettings] = []
    levels, finest = proposal.pyramid.num_levels, proposal.finest
    for limits in itertools.product(sorted(training), sorted(testing)):
        budget = Budget(*limits)
        candidate = choose(proposal.candidates, budget)
        if not budget.allows(candidate.cost):
            continue
        more_levels = candidate.pyramid.num_levels > levels
        complete = candidate.finest >= proposal.wanted_finest > finest
        if more_levels or complete:
            options = f'--budget {budget.training:g}'
            if math.isfinite(budget.testing):
                options += f' --test-budget {budget.testing:g}'
            found.append(
                FinerSettings(candidate.pyramid, candidate.chip_size, candidate.cost, options)
            )
            levels = max(levels, candidate.pyramid.num_levels)
            finest = max(finest, candidate.finest)
    return found


def with_finer_level(pyramid: Pyramid, annotations: Annotations) -> Pyramid | None:
    """A pyramid with one more level, for the objects that its finest one shows too small.

    The level is twice as fine, or less where that enlarges images beyond ``MAX_ENLARGEMENT``. It is
    for objects that the next one shows below ``SMALLEST_SEEN`` pixels.

    Args:
        pyramid (Pyramid): Levels and valid ranges.
        annotations (Annotations): The data set.

    Returns:
        Pyramid | None: None if images are enlarged as far as helps already.
    """
    factors = pyramid.scale_factors(annotations.heights, annotations.widths)[:, 0]
    typical = float(np.median(factors))
    step = min(STEP, MAX_ENLARGEMENT / typical)
    if step < MIN_STEP:
        return None
    (low, high), *others = pyramid.valid_ranges
    end = round_size(SMALLEST_SEEN / typical)
    if high >= 0:
        end = min(end, high)
    # Given ranges may leave small objects out.
    lowest, end = (low, end) if low < end else (-1.0, low)
    start = max(round_size(end / OVERLAP), low)
    levels = [_finer(pyramid.levels[0], step), *pyramid.levels]
    return Pyramid(levels, [(lowest, end), (start, high), *others])


def _finer(level: Level, step: float) -> Level:
    if isinstance(level, tuple):
        unit = 10 if max(level) >= 200 else 1
        short, long = (side if side == -1 else round(side * step / unit) * unit for side in level)
        return short, long
    return round(level * step, 9)
