"""Which samplers give a training all chips of every epoch."""

from __future__ import annotations

from mmdet.datasets.samplers import ClassAwareSampler, MultiDataSampler, MultiSourceSampler
from mmengine.dataset import InfiniteSampler
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop

from mmsniper.errors import InputError

from .infinite_chip_sampler import InfiniteChipSampler

# They choose by what they read of each item once, or by the parts of a dataset that was joined.
CHOOSING = (ClassAwareSampler, MultiDataSampler, MultiSourceSampler)


def check_training_sampler(loop: BaseLoop) -> None:
    """Raise an InputError where a training on chips would not get all chips of every epoch.

    Args:
        loop (BaseLoop): The train loop, whose dataset gives chips. Loops of other kinds than
            MMEngine's two are left alone.

    Raises:
        InputError: The sampler never begins another epoch of chips, or never ends one, or chooses
            among the chips of epoch 0.
    """
    by_epochs = isinstance(loop, EpochBasedTrainLoop)
    if not by_epochs and not isinstance(loop, IterBasedTrainLoop):
        return
    loader = loop.dataloader
    # Behind a batch sampler, such as AspectRatioBatchSampler, DataLoader has none of its own.
    sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
    name, loop_name = type(sampler).__name__, type(loop).__name__
    if isinstance(sampler, CHOOSING):
        raise InputError(
            f'{name} chooses items by what the dataset has in their place before the training, but '
            "ChipDataset has new chips in every epoch: use sampler=dict(type='DefaultSampler', "
            'shuffle=True), and ClassBalancedDataset inside of ChipDataset'
        )
    if not by_epochs and not isinstance(sampler, InfiniteChipSampler):
        raise InputError(
            f'with {name} in {loop_name} a ChipDataset would give the chips of its first epoch '
            "for ever: use sampler=dict(type='InfiniteChipSampler') in train_dataloader"
        )
    if by_epochs and isinstance(sampler, InfiniteSampler):
        raise InputError(
            f'with {name} an epoch of {loop_name} never ends: use '
            "sampler=dict(type='DefaultSampler', shuffle=True) in train_dataloader, or "
            "train_cfg=dict(type='IterBasedTrainLoop', ...)"
        )
