"""How testing goes from coarse to fine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from mmsniper.errors import InputError
from mmsniper.utils.settings import check_number, check_whole, is_number

SOURCES = ('auto', 'head', 'detections')


@dataclass(frozen=True)
class Step:
    """How a level says where the next finer one is looked at.

    Attributes:
        threshold: Cells with this probability or more are looked at; 0 for all of them.
        dilation: The side of the square of cells that each of these grows to, odd.
        min_cells: The least side of a focus chip, in cells.
    """

    threshold: float
    dilation: int
    min_cells: int


@dataclass(frozen=True)
class FocusSettings:
    """How testing goes from coarse to fine.

    A number counts for every step from a level to the next finer one; a list has one number for
    each, coarse to fine. The authors' values for chips of 512 pixels are thresholds of 0.02 and
    0.2, a dilation of 3 and least sides of 16 and 20 cells (arXiv:1812.01600, section 4.2), for
    a head. The defaults here are those that lost least where detections say where to look.

    Args:
        threshold: The least probability of a cell that is looked at; 0 looks at everything.
        dilation: The side of the square of cells that each of these grows to, an odd number.
        min_cells: The least side of a focus chip, in cells of the coarser level.
        source: What says where to look: ``'head'`` is what :class:`mmsniper.models.FocusDetector`
            predicts, ``'detections'`` those of the coarser level, ``'auto'`` the head if there is
            one.
        sizes: The detections that say so, from the first to below the second number, on sqrt(w*h)
            in pixels of the coarser level. Defaults to None, by the levels' valid ranges: see
            :func:`mmsniper.focus.maps.calling_sizes`.
        stride: The side of a cell in pixels of the coarser level, where detections say so. A head
            has its own.

    Raises:
        InputError: A setting is impossible.
    """

    threshold: float | Sequence[float] = 0.01
    dilation: int | Sequence[int] = 5
    min_cells: int | Sequence[int] = 24
    source: str = 'auto'
    sizes: tuple[float, float] | None = None
    stride: int = 8

    def __post_init__(self) -> None:
        for value in _values(self.threshold):
            check_number('focus', 'threshold', value, 0, 1)
        for name in ('dilation', 'min_cells'):
            for value in _values(getattr(self, name)):
                check_whole('focus', name, value, 1, 'cells')
        for value in _values(self.dilation):
            if value % 2 == 0:
                raise InputError(
                    f'dilation of focus is {value}: set an odd number, so that a cell is in the '
                    'middle of what it grows to'
                )
        check_whole('focus', 'stride', self.stride, 1, 'pixels')
        if self.source not in SOURCES:
            raise InputError(f'source of focus is {self.source!r}: set {" or ".join(SOURCES)}')
        if self.sizes is not None and not _are_sizes(_values(self.sizes)):
            raise InputError(
                f'sizes of focus are {self.sizes!r}: set the smallest and the largest size in '
                'pixels, such as (0, 64)'
            )

    def step(self, number: int, num_steps: int) -> Step:
        """The step of a number, from 0 at the coarsest level.

        Raises:
            InputError: A list has another number of entries than there are steps.
        """
        chosen = {}
        for name in ('threshold', 'dilation', 'min_cells'):
            value = getattr(self, name)
            if isinstance(value, Sequence):
                if len(value) != num_steps:
                    raise InputError(
                        f'{name} of focus has {len(value)} entries, but there are {num_steps} '
                        f'steps from a level to the next of {num_steps + 1} levels: give one for '
                        'each, coarse to fine, or one number for all'
                    )
                value = value[number]
            chosen[name] = value
        return Step(**chosen)

    def check_steps(self, num_levels: int) -> None:
        """Raise an InputError unless lists have an entry for each step of so many levels."""
        if num_levels > 1:
            self.step(0, num_levels - 1)


def read_focus(settings: Mapping[str, Any] | FocusSettings | bool | None) -> FocusSettings | None:
    """The settings that a config or a user gives.

    Args:
        settings: A dict of arguments of :class:`FocusSettings`; True for all by default, None or
            False for none.

    Raises:
        InputError: One is unknown or impossible.
    """
    if settings is None or settings is False:
        return None
    if isinstance(settings, FocusSettings):
        return settings
    if settings is True:
        return FocusSettings()
    if not isinstance(settings, Mapping):
        raise InputError(
            f'focus is {settings!r}: set dict(threshold=...), or True for the settings by default'
        )
    known = [field.name for field in fields(FocusSettings)]
    if unknown := sorted(set(settings).difference(known)):
        raise InputError(f'focus has no setting {", ".join(unknown)}: it has {", ".join(known)}')
    given = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    return FocusSettings(**given)


def focus_of(focus: Mapping | bool | None, threshold: float | None) -> Mapping | bool | None:
    """What a user asks for by a switch and a threshold, which implies it.

    Args:
        focus: The switch, or all settings.
        threshold: In place of that of the settings; None leaves it.

    Raises:
        InputError: The switch says no, and there is a threshold.
    """
    if threshold is None:
        return focus
    if focus is False:
        raise InputError('there is a threshold for a focus that is switched off: leave one out')
    return dict(focus if isinstance(focus, Mapping) else {}, threshold=threshold)


def _are_sizes(values: Sequence) -> bool:
    return len(values) == 2 and all(map(is_number, values)) and 0 <= values[0] < values[1]


def _values(value: Any) -> Sequence:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
