"""Negative chips of the detector itself, for a config that trains on chips."""

from __future__ import annotations

from mmdet.registry import HOOKS
from mmengine.config import Config

from mmsniper.datasets.nesting import is_chip_dataset
from mmsniper.engine import OnlineNegativesHook
from mmsniper.errors import InputError

from .changes import Changes
from .components import is_component
from .schedule import trains_by_epoch

# From this length on the detector looks at the images after every second epoch, else after each.
_LONG = 5


def add_online_negatives(config: Config, changes: Changes) -> None:
    """Let a training that is on chips take its own false positives for negative ones, in place.

    Args:
        config (Config): It, tested on a pyramid.
        changes (Changes): Takes what was changed.

    Raises:
        InputError: The training does not count epochs, has but one, or is not tested on a pyramid.
    """
    hooks = list(config.get('custom_hooks') or ())
    if any(is_component(HOOKS, hook, OnlineNegativesHook) for hook in hooks):
        changes.note('there is an OnlineNegativesHook already, which stays as it is')
        return
    epochs = config.train_cfg.get('max_epochs') if trains_by_epoch(config) else None
    if epochs is None or epochs < 2:
        length = 'by iterations' if epochs is None else 'for one epoch'
        raise InputError(
            f'negative chips of the detector itself come between epochs, but the config trains '
            f'{length}: give it two epochs or more, or use those of an RPN (train_sniper)'
        )
    loader = next(
        (
            name
            for name in ('val_dataloader', 'test_dataloader')
            if is_chip_dataset((config.get(name) or {}).get('dataset'))
        ),
        None,
    )
    if loader is None:
        raise InputError(
            'negative chips of the detector itself need the pyramid of testing, but neither '
            'val_dataloader nor test_dataloader has a ChipDataset: give the config one of them'
        )
    hook = dict(type='OnlineNegativesHook', interval=2 if epochs >= _LONG else 1)
    if loader != 'val_dataloader':
        hook['dataloader'] = loader
    config.custom_hooks = [*hooks, hook]
    every = 'every second epoch' if hook['interval'] == 2 else 'every epoch'
    changes.change(
        f'hooks: OnlineNegativesHook added: after {every} the detector looks at all training '
        'images, and its confident mistakes become negative chips'
    )
