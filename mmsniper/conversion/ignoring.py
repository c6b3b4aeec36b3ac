"""How a model leaves out-of-range objects out of its loss: by assigners, by heads, or erased."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

from mmdet.models.task_modules.assigners import RegionAssigner
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import ConfigDict

from .components import component_class, component_name, is_component
from .heads import HeadRule, head_rule

WRAPPERS = ('IgnoreAwareAssigner', 'ValidRangeAssigner')
AWARE_HEAD = 'IgnoreAwareHead'


@dataclass(frozen=True)
class Ignoring:
    """How a model is to ignore.

    Attributes:
        mode (str): ``'ignore'``, natively by its assigners and heads, or ``'erase'``. It is the
            ``mode`` that the model needs of
            :class:`mmsniper.datasets.transforms.ScaleNormalize`.
        reason (str): Why, naming the head that decides.
        wrapped (list[str]): Where in the model's config assigners and heads are still to be
            wrapped.
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
        Ignoring: The plan. What is wrapped already is not in it.
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
        if rule.assigners and not assigners:
            return Ignoring(
                'erase', f'{_name(model[key])}: no assigner is found for it in train_cfg'
            )
        wrapped += [path for path, parent in assigners.items() if not _is_wrapped(parent, path)]
        if rule.becomes_aware and _kind(model[key]) != AWARE_HEAD:
            wrapped.append(key)
    reasons = dict.fromkeys(f'{_name(model[key])}: {rule.reason}' for key, rule in rules.items())
    return Ignoring('ignore', '; '.join(reasons), wrapped)


def apply_ignoring(model: dict) -> ConfigDict:
    """Wrap the assigners and heads of a model that can ignore natively.

    The assigner of a second stage becomes a ``ValidRangeAssigner``, all others become
    ``IgnoreAwareAssigner``; heads become ``IgnoreAwareHead``. Applying it twice changes nothing
    more.

    Args:
        model (dict): The config of a detector, which stays as it is.

    Returns:
        ConfigDict: A copy with them wrapped, or just a copy if the model cannot ignore
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
                if rule.centres:
                    parent[name]['prior_type'] = 'centre'
        if key in todo:
            settings = {name: value for name, value in head.items() if name != 'type'}
            model[key] = dict(type=AWARE_HEAD, head=head['type'], **settings)
    return model


def _heads(model: dict) -> dict[str, dict]:
    """The configs of the heads that detect: not a teacher's, and not what merges results."""
    return {
        key: value
        for key, value in model.items()
        if key.endswith('head')
        and not key.startswith('teacher')
        and key not in ('panoptic_fusion_head', 'focus_head')
        and isinstance(value, dict)
        and 'type' in value
    }


def _rule(head: dict) -> HeadRule:
    head_class = component_class(MODELS, head)
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
            parent = stage
            *parts, last = name.split('.')
            for part_of_name in parts:
                parent = (parent or {}).get(part_of_name)
            if isinstance(parent, dict) and parent.get(last) and not _regresses(parent[last]):
                yield f'{where}.{name}', parent


def _regresses(assigner: dict) -> bool:
    """Whether an assigner is that of Cascade RPN's stage that learns boxes of positives alone."""
    return is_component(TASK_UTILS, assigner, RegionAssigner)


def _is_wrapped(parent: dict, path: str) -> bool:
    return _name(parent[path.rsplit('.', 1)[-1]]) in WRAPPERS


def _kind(head: dict) -> str:
    return component_name(head['type'])


def _name(config: dict) -> str:
    """The name of a component, or of the head that became aware."""
    kind = config.get('type', 'the model')
    return component_name(config['head'] if component_name(kind) == AWARE_HEAD else kind)
