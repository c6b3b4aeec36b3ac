"""How a converted config is trained, where that is not to be as in its source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from mmsniper.errors import InputError

from .changes import Changes
from .cost import Cost
from .schedule import set_epochs

# A warm-up by iterations is for long trainings; of a short one it may take this share.
WARM_UP = 0.1


@dataclass(frozen=True)
class Training:
    """What is wanted of a training; None leaves it as the conversion makes it.

    Attributes:
        batch_size (int, optional): Chips of a GPU.
        epochs (int, optional): How many there are to be.
        load_from (str, optional): A checkpoint whose weights it begins with, a path or an address.
    """

    batch_size: int | None = None
    epochs: int | None = None
    load_from: str | None = None


def fit_training(config: dict, training: Training, cost: Cost, changes: Changes) -> None:
    """Set what is wanted of a training, and what depends on it, in place.

    Args:
        config (dict): A converted config.
        training (Training): What is wanted.
        cost (Cost): What an image costs.
        changes (Changes): Takes what was changed.

    Raises:
        InputError: A checkpoint is not there, or a training by iterations is to have epochs.
    """
    loader = config['train_dataloader']
    if training.batch_size is not None and training.batch_size != loader['batch_size']:
        changes.change(
            f'batch size per GPU: {loader["batch_size"]} to {training.batch_size} chips, as given'
        )
        loader['batch_size'] = training.batch_size
    if training.epochs is not None:
        if config['train_cfg'].get('max_epochs') is None:
            raise InputError(
                f'{training.epochs} epochs cannot be set: the config trains by iterations; set its '
                'train_cfg.max_iters instead'
            )
        before = config['train_cfg']['max_epochs']
        set_epochs(config, training.epochs)
        changes.change(f'schedule: {before} epochs to {training.epochs}, as given')
    _load(config, training.load_from, changes)
    scaling = config.get('auto_scale_lr') or {}
    if scaling.get('base_batch_size') and not scaling.get('enable'):
        config['auto_scale_lr'] = dict(scaling, enable=True)
        changes.change(
            'auto_scale_lr: enabled, the learning rate is for '
            f'{scaling["base_batch_size"]} chips and follows the batch'
        )
    if cost.num_images and config['train_cfg'].get('max_epochs'):
        steps = math.ceil(cost.num_images * cost.chips_per_image / loader['batch_size'])
        _shorten_warm_up(config, steps * config['train_cfg']['max_epochs'], changes)


def _load(config: dict, checkpoint: str | None, changes: Changes) -> None:
    if checkpoint is None:
        return
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise InputError(f'checkpoint {checkpoint} does not exist')
    config['load_from'] = checkpoint
    backbone = config['model'].get('backbone')
    if isinstance(backbone, dict) and backbone.get('init_cfg'):
        backbone['init_cfg'] = None
    changes.change(f'load_from: {checkpoint}, and no other weights of the backbone')


def _shorten_warm_up(config: dict, num_steps: int, changes: Changes) -> None:
    """Let warm-ups that count iterations end while there is still something to train."""
    longest = max(1, int(WARM_UP * num_steps))
    schedulers = config.get('param_scheduler')
    for scheduler in schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]:
        if not isinstance(scheduler, dict) or scheduler.get('by_epoch', True):
            continue
        end = scheduler.get('end')
        if scheduler.get('begin', 0) == 0 and end is not None and end > longest:
            scheduler['end'] = longest
            changes.change(f'warm-up: {end} iterations to {longest} of {num_steps}')
