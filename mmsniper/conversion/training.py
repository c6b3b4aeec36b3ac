"""How a converted config is trained, where that is not to be as in its source."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmsniper.errors import InputError
from mmsniper.utils.checkpoint_address import check_is_there

from .changes import Changes
from .cost import Cost
from .schedule import set_epochs

# A warm-up is for long trainings; of a short one it may take this share.
WARM_UP = 0.1
# The zoo's schedules have 90,000 and more; in so few steps they hardly begin.
FEW_STEPS = 2000
WEIGHT_DECAY = 0.05  # what AdamW has in MMDetection's configs of convolutions, such as RTMDet's


@dataclass(frozen=True)
class Training:
    """What is wanted of a training; None leaves it as the conversion makes it.

    Attributes:
        batch_size (int, optional): Chips of a GPU.
        epochs (int, optional): How many there are to be.
        load_from (str, optional): A checkpoint whose weights it begins with, a path or an address.
        fine_tune (float, optional): The learning rate of AdamW, which then takes the optimizer's
            place, with a short warm-up and a cosine to the end of the training.
    """

    batch_size: int | None = None
    epochs: int | None = None
    load_from: str | None = None
    fine_tune: float | None = None


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
    if training.fine_tune is not None:
        _fine_tune(config, training.fine_tune, changes)
    else:
        _scale_with_batch(config, changes)
    if cost.num_images and config['train_cfg'].get('max_epochs'):
        epoch = math.ceil(cost.num_images * cost.chips_per_image / loader['batch_size'])
        steps = epoch * config['train_cfg']['max_epochs']
        _shorten_warm_up(config, steps, epoch, changes)
        if training.fine_tune is None and config.get('load_from') and steps < FEW_STEPS:
            changes.note(
                f'{steps} steps are few for the schedule of the source, which may hardly learn in '
                'them: --fine-tune 0.001 (small detectors) or 0.0002 (ResNet-50 and larger) sets '
                'one for short trainings'
            )


def _fine_tune(config: dict, rate: float, changes: Changes) -> None:
    optimizer = dict(type='AdamW', lr=rate, weight_decay=WEIGHT_DECAY)
    config['optim_wrapper'] = dict(config['optim_wrapper'], optimizer=optimizer)
    loop = config['train_cfg']
    by_epoch = loop.get('max_epochs') is not None
    length = loop['max_epochs'] if by_epoch else loop['max_iters']
    # As long as MMDetection's own; it is shortened where the training is short.
    warm_up = dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=500)
    cosine = dict(type='CosineAnnealingLR', T_max=length, begin=0, end=length, by_epoch=by_epoch)
    if by_epoch:
        cosine['convert_to_iter_based'] = True
    config['param_scheduler'] = [warm_up, cosine]
    if config.get('auto_scale_lr'):
        config['auto_scale_lr'] = dict(config['auto_scale_lr'], enable=False)
    changes.change(
        f'fine-tuning: AdamW with a learning rate of {rate:g} whatever the batch, a warm-up, and a '
        'cosine to the end'
    )


def _scale_with_batch(config: dict, changes: Changes) -> None:
    scaling = config.get('auto_scale_lr') or {}
    if scaling.get('base_batch_size') and not scaling.get('enable'):
        config['auto_scale_lr'] = dict(scaling, enable=True)
        changes.change(
            'auto_scale_lr: enabled, the learning rate is for '
            f'{scaling["base_batch_size"]} chips and follows the batch'
        )


def _load(config: dict, checkpoint: str | None, changes: Changes) -> None:
    if checkpoint is None:
        return
    check_is_there(checkpoint)
    config['load_from'] = checkpoint
    backbone = config['model'].get('backbone')
    if isinstance(backbone, dict) and backbone.get('init_cfg'):
        backbone['init_cfg'] = None
    changes.change(f'load_from: {checkpoint}, and no other weights of the backbone')


def _shorten_warm_up(config: dict, num_steps: int, epoch: int, changes: Changes) -> None:
    """Let warm-ups end while there is still something to train."""
    # MMEngine's schedulers reach the full rate in the second iteration at the earliest.
    longest = max(2, int(WARM_UP * num_steps))
    schedulers = config.get('param_scheduler')
    for scheduler in schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]:
        if not isinstance(scheduler, dict) or scheduler.get('begin', 0) != 0:
            continue
        end = scheduler.get('end')
        if scheduler.get('by_epoch', True):
            # One that takes effect with each step is counted in steps, others in whole epochs.
            if not (scheduler.get('convert_to_iter_based') and 'Warmup' in scheduler['type']):
                continue
            end *= epoch
        if end is not None and end > longest:
            scheduler.pop('convert_to_iter_based', None)
            scheduler.update(by_epoch=False, end=longest)
            changes.change(f'warm-up: {end} iterations to {longest} of {num_steps}')
