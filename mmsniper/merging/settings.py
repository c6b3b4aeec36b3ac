"""What may be set of merging, as configs say it: ``nms=dict(type=..., iou_threshold=...)``."""

from __future__ import annotations

from collections.abc import Mapping

from ..chips.arguments import is_integer
from ..errors import InputError
from ..utils.settings import is_number
from .fusion import CONF_TYPES, METRICS
from .kernels import METHODS

# What each type of merging takes, besides its type.
SETTINGS = {
    'nms': ('iou_threshold',),
    'soft_nms': ('iou_threshold', 'sigma', 'min_score', 'method'),
    'nmm': ('iou_threshold', 'metric'),
    'wbf': ('iou_threshold', 'conf_type', 'num_views', 'min_score'),
}
# The settings that are one of some words.
_CHOICES = {'method': METHODS, 'metric': METRICS, 'conf_type': CONF_TYPES}
# What configs of MMDetection, SAHI and ensemble-boxes have there, and what says the same here.
_ELSEWHERE = {
    'iou_thr': 'nms=dict(iou_threshold=...)',
    'match_threshold': 'nms=dict(iou_threshold=...)',
    'match_metric': "nms=dict(type='nmm', metric=...)",
    'skip_box_thr': "nms=dict(type='wbf', min_score=...)",
    'max_num': 'max_per_image beside nms',
    'class_agnostic': 'class_agnostic beside nms',
}


def check_nms(settings: Mapping) -> dict:
    """Checks the settings of the merging and returns them as a plain dict.

    Args:
        settings: As in MMDetection's ``test_cfg``: ``type`` 'nms' (the default), 'soft_nms', 'nmm'
            or 'wbf', ``iou_threshold`` (needed), and what else the function of this name in
            :mod:`mmsniper.merging` takes besides ``class_agnostic``.

    Raises:
        InputError: If it is no dict, of another type, has other keys, or a value is impossible.
    """
    if not isinstance(settings, Mapping):
        raise InputError(
            f"nms={settings!r} is no dict: write e.g. nms=dict(type='nms', iou_threshold=0.5)."
        )
    kind = settings.get('type', 'nms')
    if kind not in tuple(SETTINGS):  # which may be no hashable value
        raise InputError(f'nms type {kind!r} cannot merge views: use one of {_listed(SETTINGS)}.')
    unknown = [key for key in settings if key not in (*SETTINGS[kind], 'type')]
    if unknown:
        raise InputError(
            f'nms has the key {unknown[0]!r}, which merging by {kind!r} does not know: '
            + (f'set {_ELSEWHERE[unknown[0]]}; ' if unknown[0] in _ELSEWHERE else '')
            + f'it takes {", ".join(SETTINGS[kind])}.'
        )
    threshold = settings.get('iou_threshold')
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise InputError(f'nms iou_threshold is {threshold!r}: set a number from 0 to 1.')
    for key in ('sigma', 'min_score'):
        value = settings.get(key, 1)
        if not is_number(value) or not 0 <= value < float('inf') or (key, value) == ('sigma', 0):
            raise InputError(f'nms {key} is {value!r}: set a number above 0.')
    num_views = settings.get('num_views', 1)
    if not is_integer(num_views) or num_views < 1:
        raise InputError(f'nms num_views is {num_views!r}: set a whole number of 1 or more.')
    for key, choices in _CHOICES.items():
        if settings.get(key, choices[0]) not in choices:
            raise InputError(f'nms {key} is {settings[key]!r}: use one of {_listed(choices)}.')
    return {**settings, 'type': kind}


def _listed(choices) -> str:
    return ', '.join(map(repr, choices))
