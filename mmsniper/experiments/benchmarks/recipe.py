"""Ways of training and of testing, as suites name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmsniper.datasets.transforms.scale_normalize import MODES
from mmsniper.errors import InputError
from mmsniper.focus import read_focus
from mmsniper.utils.settings import check_number

METHODS = ('single-scale', 'multi-scale', 'tiles', 'snip', 'sniper')
NEGATIVES = ('none', 'rpn', 'online')
RANGES = ('valid', 'open')
PARTS = ('detector', 'backbone')


@dataclass(frozen=True)
class Recipe:
    """A way of training.

    Attributes:
        title (str): Its name in tables and plots.
        method (str): 'single-scale' and 'multi-scale' train on whole images with all objects, the
            second at all levels in turn; 'snip' likewise with valid ranges; 'tiles' on all tiles of
            the finest level, as large as chips, with all objects; 'sniper' on chips.
        model (str): The name of the model in the suite.
        factors (tuple[float], optional): Of 'multi-scale': train at the single level times these,
            fine to coarse, instead of at the levels of the pyramid.
        levels (tuple[int], optional): Which levels of the data set's pyramid are trained on.
            Defaults to all. Valid ranges of the first and last one open towards the missing levels.
        negatives (str): Where negative chips come from: 'none', 'rpn' or 'online'.
        extra_negatives (bool): Whether negative chips come on top of the budget, which then counts
            the pixels of positive ones alone, as the paper compares them.
        out_of_range (str): The ``mode`` of ``ScaleNormalize``.
        focus_head (bool): Whether the detector gets a focus head, trained with it.
        weights (dict[str, str]): For each size of the suite that does not begin from scratch, the
            file of weights to begin with, in the folder that ``compare.py --weights`` names, or
            their address, ``https://...``.
        weights_of (str): What they are of, the 'detector' or its 'backbone'. The backbone may also
            begin with its part of a detector's weights.
        rate (float): The learning rate that suits it, as a factor of the suite's.
        step_factor (float): How many times the suite's pixels a step has, for larger batches. As
            many are trained, in fewer steps.
        overrides (dict): Merged into the config in the end.
    """

    title: str
    method: str
    model: str = 'detector'
    factors: tuple[float, ...] | None = None
    levels: tuple[int, ...] | None = None
    negatives: str = 'none'
    extra_negatives: bool = False
    out_of_range: str = 'ignore'
    focus_head: bool = False
    weights: Mapping[str, str] = field(default_factory=dict)
    weights_of: str = 'detector'
    rate: float = 1.0
    step_factor: float = 1.0
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, allowed in (
            ('method', METHODS),
            ('negatives', NEGATIVES),
            ('out_of_range', MODES),
            ('weights_of', PARTS),
        ):
            if getattr(self, key) not in allowed:
                raise InputError(
                    f'recipe "{self.title}": {key} must be one of {", ".join(allowed)}, but is '
                    f'{getattr(self, key)!r}'
                )
        for key in ('rate', 'step_factor'):
            check_number(f'recipe "{self.title}"', key, getattr(self, key), 0)
            if getattr(self, key) == 0:
                raise InputError(f'recipe "{self.title}": with a {key} of 0 it would learn nothing')
        if self.negatives != 'none' and self.method != 'sniper':
            raise InputError(
                f'recipe "{self.title}": negatives are chips, so its method must be sniper'
            )
        if self.extra_negatives and self.negatives == 'none':
            raise InputError(
                f'recipe "{self.title}": extra_negatives are negative chips on top of the budget, '
                'so it needs negatives'
            )
        if self.factors and (self.method != 'multi-scale' or self.levels):
            raise InputError(
                f'recipe "{self.title}": factors are scales of whole images, so its method must be '
                'multi-scale, and levels cannot be given too'
            )
        if self.focus_head and (self.method != 'sniper' or self.out_of_range != 'ignore'):
            raise InputError(
                f'recipe "{self.title}": a focus head learns from objects out of range on chips, '
                'so its method must be sniper, and out_of_range ignore'
            )


@dataclass(frozen=True)
class TestWay:
    """A way of testing.

    Attributes:
        title (str): Its name in tables and plots.
        levels (str | tuple[int]): 'single' for the data set's single level, 'all', or which of its
            test levels.
        ranges (str): 'valid' for the test ranges, 'open' if detections of all sizes count at every
            level. A single level is open anyway.
        tiles (bool): Whether images larger than a chip are seen in tiles of a chip's size.
        focus (dict, optional): Of ``ChipMergeHook``, to test from coarse to fine. With the source
            'head' only recipes that have a focus head are tested so. Defaults to None, the whole
            pyramid.
    """

    __test__ = False  # for pytest, which would take it for a test by its name

    title: str
    levels: str | tuple[int, ...] = 'all'
    ranges: str = 'valid'
    tiles: bool = False
    focus: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.ranges not in RANGES:
            raise InputError(
                f'test "{self.title}": ranges must be valid or open, but is {self.ranges!r}'
            )
        read_focus(self.focus)

    def is_for(self, recipe: Recipe) -> bool:
        """Whether a recipe is tested so."""
        return recipe.focus_head or (self.focus or {}).get('source') != 'head'
