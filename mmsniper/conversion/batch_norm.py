"""Whether batch normalisation is trained, for which batches of chips are large enough."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from mmdet.registry import MODELS

from .changes import Changes
from .components import component_class, component_name


def convert_batch_norm(model: dict, train: bool, changes: Changes) -> None:
    """Train batch normalisation that is in evaluation mode, in place, or say that it stays there.

    Where ``norm_cfg`` has ``requires_grad=False`` it stays in any case: the published weights of
    such a backbone are made for statistics that are fixed.

    Args:
        model (dict): Config of the detector.
        train (bool): Whether to train it.
        changes (Changes): Takes what was changed, or what stays.
    """
    for path, part in _evaluated_parts('model', model):
        name = f'{path}: batch normalisation of {component_name(part)}'
        if _argument(part, 'norm_cfg').get('requires_grad', True) is False:
            changes.note(
                f'{name} stays frozen, since norm_cfg says requires_grad=False, as for weights '
                'that were published with fixed statistics'
            )
        elif train:
            part['norm_eval'] = False
            changes.change(f'{name} is trained (norm_eval=False)')
        else:
            changes.note(
                f'{name} stays in evaluation mode (norm_eval=True); chips make batches that are '
                'large enough to train it, as SNIPER does: convert with --train-batch-norm '
                '(train_batch_norm=True), or set norm_eval=False'
            )


def _evaluated_parts(path: str, config: object) -> Iterator[tuple[str, dict]]:
    """The parts of a model, and where they are, whose batch normalisation is not trained."""
    if isinstance(config, dict):
        if 'type' in config and _argument(config, 'norm_eval'):
            norm = _argument(config, 'norm_cfg') or {}
            kind = component_name(norm) if norm else ''
            if 'BN' in kind or 'BatchNorm' in kind:
                yield path, config
        items = config.items()
    elif isinstance(config, (list, tuple)):
        items = enumerate(config)
    else:
        return
    for key, value in items:
        if not str(key).startswith('teacher'):
            yield from _evaluated_parts(f'{path}.{key}', value)


def _argument(config: dict, name: str) -> object:
    """What a component gets for an argument: what its config says, else its class's default."""
    if name in config:
        return config[name]
    for base in getattr(component_class(MODELS, config), '__mro__', ()):
        # Classes that pass on what they do not name have the default of their base.
        if '__init__' in vars(base):
            parameter = inspect.signature(base.__init__).parameters.get(name)
            if parameter is not None and parameter.default is not parameter.empty:
                return parameter.default
    return None
