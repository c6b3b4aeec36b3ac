"""Pyramid levels, valid ranges and a chip size that fit a data set and a budget.

SNIPER (arXiv:1805.09300) shows small objects enlarged and large ones reduced, so that a detector
meets all of them at the sizes it is good at. Its levels for COCO were set by hand; the rules here
give nearly the same for COCO, and something sensible for data of other sizes.

Factors are those of a typical image, one of the median long side; "seen" means in pixels of a
level. Shapes: n boxes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmsniper.chips import Pyramid
from mmsniper.chips.pyramid import Level

from .budget import Budget
from .coco_boxes import Annotations
from .object_scales import SMALLEST_SEEN, ObjectScales
from .scale_statistics import ScaleCost, measure_cost

# The share of the objects that a level's range must leave room for in a chip.
MOSTLY = 0.9
# Where the valid range of a level ends and the next level's begins, before the overlap. The
# paper's ranges end at 233 and 250 pixels.
RANGE_END_SEEN = 240
# What large objects may at most be seen at, at the coarsest level.
LARGEST_SEEN = 384
# Share of a chip's side that an object may take, so that it shows some surroundings.
CHIP_SHARE = 0.9
# Factor between neighbouring levels. The paper's are 1.8 and 2.1.
MIN_STEP, MAX_STEP = 1.25, 2.5
MAX_LEVELS = 5
# How much ranges overlap, as a factor of sizes: objects there are trained on at both levels.
OVERLAP = 1.75
# Below this factor between the two, whole images instead of the largest objects fit into a chip.
WHOLE_IMAGE = 1.5
# A level between others is not worth its while for fewer objects.
MIN_SHARE = 0.005
# Test ranges are wider than those of training, since predicted sizes are not exact.
TEST_WIDENING = 1.15
CHIP_SIZES = (512, 640, 768, 1024)
# The paper's chip size stays unless another one saves at least that much.
WORTH_CHANGING = 0.85
# By how much the finest level is reduced at a time until the cost fits the budget.
REDUCTION = 0.92


# What the chips of an image may cost unless told otherwise, the single scale that this is counted
# in, and how many images it is measured on.
BUDGET = 1.3
SINGLE_SCALE = (800, 1333)
MAX_IMAGES = 2000


@dataclass(frozen=True)
class Candidate:
    """Settings to train a data set with.

    Attributes:
        pyramid (Pyramid): Levels and valid ranges.
        chip_size (int): Pixels of the level.
        cost (ScaleCost): Measured.
        finest (float): Factor of the finest level.
    """

    pyramid: Pyramid
    chip_size: int
    cost: ScaleCost
    finest: float


@dataclass(frozen=True)
class Proposal(Candidate):
    """The settings that were chosen; their ``finest`` is what the budget allows.

    Attributes:
        wanted_finest (float): Factor of the finest level that the sizes of the objects ask for.
        budget (Budget): What they were chosen for.
        candidates (tuple[tuple[Candidate, ...], ...]): For each chip size those that were measured,
            fine to coarse: all that a larger budget could give.
    """

    wanted_finest: float
    budget: Budget
    candidates: tuple[tuple[Candidate, ...], ...]

    @property
    def meets_budget(self) -> bool:
        """Whether it does; if not, this is the cheapest that does not shrink small objects."""
        return self.budget.allows(self.cost)


def build_pyramid(scales: ObjectScales, chip_size: int, finest: float) -> Pyramid:
    """Levels and ranges with a given finest level.

    Down from it, levels are added until the largest objects wholly fit into a chip. Each level is
    for the objects that end up below ``RANGE_END_SEEN`` pixels and fit into a chip there; the rest
    is left to the coarser ones. The outermost ranges are open, so every object has a level.

    Args:
        scales (ObjectScales): The objects.
        chip_size (int): Longest side of a chip in pixels of its level.
        finest (float): Factor of the finest level.

    Returns:
        Pyramid: 1 to ``MAX_LEVELS`` levels.
    """
    # Elongated objects fill a chip at a smaller size.
    elongation = np.quantile(scales.long_sides / scales.sizes, MOSTLY)
    range_end = min(RANGE_END_SEEN, chip_size / elongation)
    levels = [scales.level(finest)]
    beyond = scales.sizes * finest >= range_end
    if not beyond.any():
        return Pyramid(levels, [(-1, -1)])
    fitting = CHIP_SHARE * chip_size / scales.long_sides[beyond].max()
    coarsest = min(fitting, LARGEST_SEEN / scales.high)
    if coarsest >= finest:
        return Pyramid(levels, [(-1, -1)])
    whole_image = chip_size / scales.longest_image
    if coarsest < WHOLE_IMAGE * whole_image:
        coarsest = whole_image
    if coarsest * MIN_STEP >= finest and coarsest * scales.low >= SMALLEST_SEEN:
        return Pyramid([scales.level(min(coarsest, finest), round_down=True)], [(-1, -1)])
    coarsest = min(coarsest, finest / MIN_STEP)
    steps = int(np.ceil(np.log(finest / coarsest) / np.log(MAX_STEP) - 1e-6))
    factors = np.geomspace(finest, coarsest, min(max(steps, 1) + 1, MAX_LEVELS))
    levels += [scales.level(factor) for factor in factors[1:-1]]
    levels.append(scales.level(coarsest, round_down=True))
    if coarsest == whole_image and scales.typical:
        # Without a bound on the short side, like the paper's, if square images then are still
        # seen smaller than at the level before.
        levels[-1] = (-1 if chip_size <= levels[-2][0] else levels[-1][0], chip_size)
    ends = [round_size(range_end / factor) for factor in factors[:-1]] + [np.inf]
    return _without_empty_levels(scales.sizes, levels, ends)


def propose(
    annotations: Annotations,
    budget: float,
    single_scale: Pyramid,
    chip_sizes: Sequence[int] = CHIP_SIZES,
    sample: Annotations | None = None,
    seed: int = 0,
    on_measured: Callable[[], None] = lambda: None,
    test_budget: float = math.inf,
) -> Proposal:
    """Choose levels, valid ranges and chip size.

    For each chip size the finest level is reduced until the measured cost fits the budget, in
    training and in testing. Of these, see ``choose``.

    Args:
        annotations (Annotations): With at least one box, all boxes usable.
        budget (float): Area of the chips of an image relative to the single scale.
        single_scale (Pyramid): One level, to compare the cost with.
        chip_sizes (Sequence[int]): Which to choose from, ascending. Defaults to ``CHIP_SIZES``.
        sample (Annotations, optional): Images of ``annotations`` to measure the cost with.
            Defaults to None, all of them.
        seed (int): Of the chips. Defaults to 0.
        on_measured (Callable): Called after each measurement, for progress bars.
        test_budget (float): Area of the views of an image in testing, likewise. Defaults to
            infinity.

    Returns:
        Proposal: No object is without a valid level.

    Raises:
        InputError: If ``budget`` or ``test_budget`` is not positive.
    """
    limits = Budget(budget, test_budget)
    scales = ObjectScales(annotations)
    sample = annotations if sample is None else sample
    candidates = []
    for chip_size in chip_sizes:
        row = []
        for finest in _finest_factors(scales.wanted_finest, scales.least_finest):
            pyramid = build_pyramid(scales, chip_size, finest)
            cost = measure_cost(sample, pyramid, chip_size, single_scale, seed=seed)
            on_measured()
            row.append(Candidate(pyramid, chip_size, cost, finest))
            if limits.allows(cost):
                break
        candidates.append(tuple(row))
    chosen = choose(candidates, limits)
    return Proposal(
        **vars(chosen),
        wanted_finest=scales.wanted_finest,
        budget=limits,
        candidates=tuple(candidates),
    )


def choose(candidates: Sequence[Sequence[Candidate]], budget: Budget) -> Candidate:
    """The chip size that allows the finest level; of such the smallest unless another saves much.

    Args:
        candidates (Sequence[Sequence[Candidate]]): For each chip size, ascending, those from the
            finest to the first within the budget, or to the coarsest if none is. More may follow.
        budget (Budget): What they may cost.

    Returns:
        Candidate: One within the budget if there is any, else the cheapest of the coarsest.
    """
    found = [next((c for c in row if budget.allows(c.cost)), row[-1]) for row in candidates]
    allowed = [candidate for candidate in found if budget.allows(candidate.cost)]
    if allowed:
        most = max(candidate.finest for candidate in allowed)
        found = [candidate for candidate in allowed if candidate.finest >= REDUCTION * most - 1e-9]
    least = min(candidate.cost.mpx_per_image for candidate in found)
    return next(c for c in found if WORTH_CHANGING * c.cost.mpx_per_image <= least)


def widen_ranges(
    valid_ranges: Sequence[tuple[float, float]],
) -> list[tuple[float, float]]:
    """Valid ranges for testing.

    Args:
        valid_ranges (Sequence[tuple[float, float]]): Those of training in original pixels.

    Returns:
        list[tuple[float, float]]: Each contains its range of training and is wider by a factor of
        about ``TEST_WIDENING`` at either end; open ends stay open.
    """
    return [
        (
            low if low <= 0 else float(np.floor(low / TEST_WIDENING)),
            high if high < 0 else float(np.ceil(high * TEST_WIDENING)),
        )
        for low, high in valid_ranges
    ]


def plain_range(bounds: tuple[float, float]) -> tuple:
    """A valid range without decimals where it has none."""
    return tuple(int(bound) if float(bound).is_integer() else bound for bound in bounds)


def round_size(size: float) -> float:
    """A size in pixels to two digits, or whole pixels below 10, but never zero."""
    unit = 10.0 ** max(np.floor(np.log10(size)) - 1, 0) if size >= 1 else 0.1
    return float(max(np.rint(size / unit) * unit, unit))


def _finest_factors(wanted: float, least: float) -> list[float]:
    """Factors to try, from the wanted one down to the least."""
    count = int(np.ceil(np.log(wanted / least) / -np.log(REDUCTION) - 1e-6))
    return [*(wanted * REDUCTION ** np.arange(count)).tolist(), least]


def _without_empty_levels(sizes: np.ndarray, levels: list[Level], ends: list[float]) -> Pyramid:
    """The pyramid of the levels that have objects of their own.

    Args:
        sizes (np.ndarray): (n,) in original pixels.
        levels (list[Level]): Fine to coarse.
        ends (list[float]): For each level the size where its valid range ends, ascending.
    """
    shares = np.histogram(sizes, [0, *ends])[0] / len(sizes)
    last = np.flatnonzero(shares)[-1]
    kept = [level for level in range(last) if shares[level] >= MIN_SHARE] + [last]
    ranges, start = [], -1.0
    for level in kept:
        ranges.append((start, -1.0 if level == last else ends[level]))
        start = round_size(ends[level] / OVERLAP) if level != last else -1.0
    return Pyramid([levels[level] for level in kept], ranges)
