"""The figures of results: their names, in percent, and their spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from .false_positives import FALSE_POSITIVES
from .suite import Suite

#: What CocoMetric says where there is no object to find.
ABSENT = -1
COLUMNS = {
    'bbox': ('bbox_mAP', 'bbox_mAP_50', 'bbox_mAP_75', 'bbox_mAP_s', 'bbox_mAP_m', 'bbox_mAP_l'),
    'proposal': ('AR@100', 'AR@300', 'AR@1000', 'AR_s@1000', 'AR_m@1000', 'AR_l@1000'),
}
WORDS = {
    'bbox_mAP': 'AP',
    'bbox_mAP_50': 'AP50',
    'bbox_mAP_75': 'AP75',
    'bbox_mAP_s': 'AP small',
    'bbox_mAP_m': 'AP medium',
    'bbox_mAP_l': 'AP large',
    FALSE_POSITIVES: 'false positives per image',
    'AR_s@1000': 'AR@1000 small',
    'AR_m@1000': 'AR@1000 medium',
    'AR_l@1000': 'AR@1000 large',
}


def columns(suite: Suite) -> tuple[str, ...]:
    """The figures that tables show."""
    found = tuple(suite.columns) or COLUMNS[suite.metric]
    return found if suite.false_positives is None else (*found, FALSE_POSITIVES)


def figure(metrics: dict[str, float], name: str) -> float | None:
    """A figure in percent, a number per image as it is, or None where there is none.

    CocoMetric has no figures at all if nothing was detected, which is 0 percent.
    """
    if not metrics:
        return 0.0
    value = metrics.get(f'coco/{name}')
    if value is None or value == ABSENT:
        return None
    return value if name == FALSE_POSITIVES else 100 * value


def word(name: str) -> str:
    """A figure's name for people."""
    return WORDS.get(name, name)


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean, sample standard deviation and number of the values that there are.

    Returns:
        dict[str, Any]: ``mean`` (None without values), ``deviation`` (None for fewer than two),
        ``n`` and ``values``.
    """
    present = [value for value in values if value is not None]
    return dict(
        mean=statistics.fmean(present) if present else None,
        deviation=statistics.stdev(present) if len(present) > 1 else None,
        n=len(present),
        values=list(values),
    )


def in_words(value: dict[str, Any], digits: int = 1) -> str:
    """A spread as ``'41.3 ± 0.8'``."""
    if value['mean'] is None:
        return '-'
    if value['deviation'] is None:
        return f'{value["mean"]:.{digits}f}'
    return f'{value["mean"]:.{digits}f} ± {value["deviation"]:.{digits}f}'
