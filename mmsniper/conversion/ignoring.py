"""How a model leaves out-of-range objects out of its loss: by its assigners, or by erasing them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from .components import component_name
from .heads import HeadRule, head_rule

WRAPPERS = ('IgnoreAwareAssigner', 'ValidRangeAssigner')


@dataclass(frozen=True)
class Ignoring:
    """How a model is to ignore.

    Attributes:
        mode (str): ``'ignore'``, natively by its assigners, or ``'erase'``. It is the ``mode`` that
            the model needs of :class:`mmsniper.datasets.transforms.ScaleNormalize`.
        reason (str): Why, naming the head that decides.
        wrapped (list[str]): Where in the model's config assigners are still to be wrapped.
    """

    mode: str
    reason: str
    wrapped: list[str] = field(default_factory=list)


def plan_ignoring(model: dict) -> Ignoring:
    """How a model is to ignore out-of-range objects.

    It ignores natively only if every one of its heads does: two stages are as good as the worse.

    Args:
        model (dict): The config of a detector, which stays as it is. Custom heads have to be
            registered already.

    Returns:
        Ignoring: The plan. Assigners that are wrapped already are not in it.
    """
    rules = {key: _rule(head) for key, head in _heads(model).items()}
    for key, rule in rules.items():
        if not rule.ignores:
            return Ignoring('erase', f'{_name(model[key])}: {rule.reason}')
    if not rules:
        return Ignoring('erase', f'{_name(model)}: nothing is known of what it learns from')
    wrapped = []
    for key, rule in rules.items():
        assigners = dict(_assigners(model, key, rule))
        if not assigners:
            return Ignoring(
                'erase', f'{_name(model[key])}: no assigner is found for it in train_cfg'
            )
        wrapped += [path for path, parent in assigners.items() if not _is_wrapped(parent, path)]
    reasons = dict.fromkeys(f'{_name(model[key])}: {rule.reason}' for key, rule in rules.items())
    return Ignoring('ignore', '; '.join(reasons), wrapped)


def apply_ignoring(model: dict) -> ConfigDict:
    """Wrap the assigners of a model that can ignore natively.

    The assigner of a second stage becomes a ``ValidRangeAssigner``, all others become
    ``IgnoreAwareAssigner``. Applying it twice changes nothing more.

    Args:
        model (dict): The config of a detector, which stays as it is.

    Returns:
        ConfigDict: A copy with the assigners wrapped, or just a copy if the model cannot ignore
        natively.
    """
    model = ConfigDict(copy.deepcopy(model))
    todo = set(plan_ignoring(model).wrapped)
    for key, head in _heads(model).items():
        rule = _rule(head)
        wrapper = 'ValidRangeAssigner' if key == 'roi_head' else 'IgnoreAwareAssigner'
        for path, parent in _assigners(model, key, rule):
            if path in todo:
                name = path.rsplit('.', 1)[-1]
                parent[name] = dict(type=wrapper, assigner=parent[name])
    return model


def _heads(model: dict) -> dict[str, dict]:
    """The configs of the heads that are trained: not a teacher's, and not what merges results."""
    return {
        key: value
        for key, value in model.items()
        if key.endswith('head')
        and not key.startswith('teacher')
        and key != 'panoptic_fusion_head'
        and isinstance(value, dict)
        and 'type' in value
    }


def _rule(head: dict) -> HeadRule:
    head_class = head['type'] if isinstance(head['type'], type) else MODELS.get(head['type'])
    if head_class is None:
        return HeadRule(False, 'it is not registered, and nothing is known of its losses')
    return head_rule(head_class)


def _assigners(model: dict, key: str, rule: HeadRule) -> Iterator[tuple[str, dict]]:
    """The path of each assigner of a head in the model's config, and the dict that it is in."""
    part = {'rpn_head': 'rpn', 'roi_head': 'rcnn'}.get(key)
    path = f'train_cfg.{part}' if part else 'train_cfg'
    settings = model.get('train_cfg') or {}
    settings = settings.get(part) if part else settings
    # A stage each in a cascade.
    stages = settings if isinstance(settings, (list, tuple)) else [settings]
    for index, stage in enumerate(stages):
        where = path if stage is settings else f'{path}.{index}'
        for name in rule.assigners:
            if isinstance(stage, dict) and stage.get(name):
                yield f'{where}.{name}', stage


def _is_wrapped(parent: dict, path: str) -> bool:
    return _name(parent[path.rsplit('.', 1)[-1]]) in WRAPPERS


def _name(config: dict) -> str:
    return component_name(config.get('type', 'the model'))
