"""Batch size and schedule such that the training sees as many pixels as before."""

from __future__ import annotations

import copy

from mmengine.config import Config

from .changes import Changes
from .cost import Cost

# Arguments of schedulers that are epochs, if they go by epochs.
_EPOCH_KEYS = ('begin', 'end', 'T_max', 'step_size', 'total_steps')
_EPOCH_LISTS = ('milestones', 'periods')


def trains_by_epoch(config: Config) -> bool:
    """Whether the training is one by epochs."""
    return config.train_cfg.get('max_iters') is None


def convert_batch_size(config: dict, cost: Cost, chip_size: int, changes: Changes) -> None:
    """Give a GPU as many chips as have the pixels of its images, in place.

    The number of pixels that a step averages over stays, and with it the learning rate.

    Args:
        config (dict): With ``train_dataloader`` and maybe ``auto_scale_lr``.
        cost (Cost): What an image costs.
        chip_size (int): Largest side of a chip.
        changes (Changes): Takes what was changed.
    """
    loader = config['train_dataloader']
    images = loader['batch_size']
    chips = max(1, int(images * cost.image_pixels / chip_size**2 + 0.5))
    loader['batch_size'] = chips
    changes.change(
        f'batch size per GPU: {images} image{"s" * (images > 1)} of '
        f'{cost.image_pixels / 1e6:.2f} Mpx to {chips} chips; the learning rate stays'
    )
    scaling = config.get('auto_scale_lr') or {}
    if scaling.get('base_batch_size'):
        base = max(1, int(scaling['base_batch_size'] * chips / images + 0.5))
        if base != scaling['base_batch_size']:
            changes.change(f'auto_scale_lr: base_batch_size {scaling["base_batch_size"]} to {base}')
        config['auto_scale_lr'] = dict(scaling, base_batch_size=base)


def convert_schedule(config: dict, cost: Cost, times: int, changes: Changes) -> None:
    """Train as many pixels as before, in place.

    Training by iterations keeps their number, since a step has as many pixels as before.

    Args:
        config (dict): With ``train_cfg``, ``param_scheduler``, ``default_hooks``.
        cost (Cost): What an image costs.
        times (int): How often ``RepeatDataset``, which is taken away, repeated the images.
        changes (Changes): Takes what was changed.
    """
    loop = config['train_cfg']
    if loop.get('max_epochs') is None:
        changes.note(
            f'{loop.get("max_iters")} iterations stay, since a step has as many pixels as before'
        )
        if times > 1:
            changes.change('train_dataloader: RepeatDataset taken away, iterations need none')
        return
    old = loop['max_epochs']
    ratio = cost.image_pixels / cost.chip_pixels
    new = max(1, round(old * times * ratio))
    set_epochs(config, new)
    repeated = f' x {times} of RepeatDataset, which is taken away,' if times > 1 else ''
    changes.change(
        f'schedule: {old} epochs{repeated} of {cost.image_pixels / 1e6:.2f} Mpx per image to {new} '
        f'epochs of {cost.chip_pixels / 1e6:.2f} Mpx ({cost.chips_per_image:.1f} chips per image, '
        f'{cost.basis}); milestones and intervals in proportion'
    )


def set_epochs(config: dict, number: int) -> None:
    """Let a training by epochs last for another number of them, all else in proportion, in place.

    Args:
        config (dict): With ``train_cfg``, ``param_scheduler``, hooks.
        number (int): Of epochs.
    """
    factor = number / config['train_cfg']['max_epochs']
    config['train_cfg'] = _scaled_loop(config['train_cfg'], number)
    if config.get('param_scheduler'):
        config['param_scheduler'] = _scaled_schedulers(config['param_scheduler'], factor, number)
    _scale_hooks(config, factor)


def scale_epoch(epoch: float, factor: float) -> int:
    """An epoch of the old schedule in the new one; only 0 becomes 0."""
    return 0 if epoch <= 0 else max(1, int(epoch * factor + 0.5))


def _scaled_loop(loop: dict, new: int) -> dict:
    old = loop['max_epochs']
    scaled = dict(loop, max_epochs=new)
    for key in ('val_interval', 'val_begin'):
        if loop.get(key) is not None:
            scaled[key] = min(scale_epoch(loop[key], new / old), new)
    if loop.get('dynamic_intervals'):
        scaled['dynamic_intervals'] = [
            (min(scale_epoch(begin, new / old), new), scale_epoch(interval, new / old))
            for begin, interval in loop['dynamic_intervals']
        ]
    return scaled


def _scaled_schedulers(schedulers, factor: float, max_epochs: int):
    if isinstance(schedulers, (list, tuple)):
        return [_scaled_schedulers(scheduler, factor, max_epochs) for scheduler in schedulers]
    if not isinstance(schedulers, dict):
        return schedulers
    if 'type' not in schedulers:  # one for each of several optimisers
        return {
            name: _scaled_schedulers(scheduler, factor, max_epochs)
            for name, scheduler in schedulers.items()
        }
    if not schedulers.get('by_epoch', True):
        return schedulers
    scaled = copy.deepcopy(schedulers)
    for key in _EPOCH_KEYS:
        if scaled.get(key) is not None:
            scaled[key] = scale_epoch(scaled[key], factor)
    for key in _EPOCH_LISTS:
        if scaled.get(key) is not None:
            scaled[key] = [scale_epoch(epoch, factor) for epoch in scaled[key]]
    begin, end = scaled.get('begin', 0), scaled.get('end')
    if end is not None and end <= begin:
        scaled['end'] = end = begin + 1
    if schedulers.get('T_max') and schedulers.get('end') is not None:
        # A period that filled the time still fills it, whatever was rounded.
        if schedulers['T_max'] == schedulers['end'] - schedulers.get('begin', 0):
            scaled['T_max'] = end - begin
    if 'milestones' in scaled:
        # One at the very end would never be reached.
        reached = [epoch < max_epochs / factor for epoch in schedulers['milestones']]
        scaled['milestones'] = [
            min(epoch, max(max_epochs - 1, 1)) if was_reached else epoch
            for epoch, was_reached in zip(scaled['milestones'], reached)
        ]
    return scaled


def _scale_hooks(config: dict, factor: float) -> None:
    """Scale the intervals of checkpoints and what else hooks count in epochs."""
    checkpoint = (config.get('default_hooks') or {}).get('checkpoint')
    if isinstance(checkpoint, dict) and checkpoint.get('by_epoch', True):
        for key in ('interval', 'save_begin'):
            if checkpoint.get(key, 0) > 0:
                checkpoint[key] = scale_epoch(checkpoint[key], factor)
    for hook in config.get('custom_hooks') or ():
        for key in ('begin_epoch', 'switch_epoch', 'start_epoch', 'end_epoch'):
            if isinstance(hook.get(key), (int, float)) and hook[key] > 0:
                hook[key] = scale_epoch(hook[key], factor)
