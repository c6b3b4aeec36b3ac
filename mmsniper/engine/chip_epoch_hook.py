"""New chips for every epoch."""

from __future__ import annotations

from mmdet.registry import HOOKS
from mmengine.dataset import ClassBalancedDataset
from mmengine.hooks import Hook

from mmsniper.datasets import ChipDataset
from mmsniper.datasets.chip_summary import describe_levels
from mmsniper.datasets.class_order import check_same_order
from mmsniper.datasets.nesting import nested_datasets
from mmsniper.datasets.samplers import check_training_sampler

from .look_ahead import look_ahead
from .loop_data import chip_datasets


@HOOKS.register_module()
class ChipEpochHook(Hook):
    """Tell the training's :class:`ChipDataset` which epoch it is, before its data loader starts.

    The chips are a function of the epoch alone, so after a resume they are those of an
    uninterrupted training. Iteration-based training with an endless sampler has no such moment:
    there, use :class:`mmsniper.datasets.InfiniteChipSampler`.
    """

    priority = 'NORMAL'

    def before_train(self, runner) -> None:
        """Say what would stop or spoil the training later, and warn of wrappers that stay with the
        chips of epoch 0."""
        _check_data(runner)
        if chip_datasets(runner.train_loop):
            check_training_sampler(runner.train_loop)
        for dataset in nested_datasets(runner.train_loop.dataloader.dataset):
            if isinstance(dataset, ChipDataset):
                break
            if isinstance(dataset, ClassBalancedDataset):
                runner.logger.warning(
                    'ClassBalancedDataset around ChipDataset repeats chips by what epoch 0 had in '
                    'their place: put it inside of ChipDataset'
                )

    def before_train_epoch(self, runner) -> None:
        """Set the epoch of every ChipDataset below the train loop's dataset."""
        for dataset in chip_datasets(runner.train_loop):
            dataset.set_epoch(runner.epoch)
            runner.logger.info(
                f'ChipDataset: epoch {runner.epoch + 1} has {dataset.num_generated} different '
                f'chips; training gets {len(dataset)}, fine to coarse: {describe_levels(dataset)}'
            )
            if dataset.num_negatives_left_out:
                runner.logger.warning(
                    f'ChipDataset: {dataset.num_negatives_left_out} negative chips of this epoch '
                    'are left out for want of room; raise room_for_negatives of ChipDataset to '
                    'train on them'
                )

    def after_train_epoch(self, runner) -> None:
        """Log how many chips were replaced by others so far."""
        for dataset in chip_datasets(runner.train_loop):
            if dataset.num_broken_images_skipped:
                runner.logger.warning(
                    f'ChipDataset: skipped {dataset.num_broken_images_skipped} chips of '
                    'broken images so far'
                )
            if dataset.num_chips_refused:
                runner.logger.warning(
                    f'ChipDataset: transforms refused {dataset.num_chips_refused} chips so far, '
                    'other chips took their place; RandomCrop refuses chips without objects unless '
                    'allow_negative_crop=True'
                )


def _check_data(runner) -> None:
    """Look ahead into both loops, and compare their classes."""
    loops = [runner.train_loop, getattr(runner, 'val_loop', None)]
    loops = [loop for loop in loops if loop is not None]
    for loop in loops:
        look_ahead(loop)
    labels = [inner.label_names for loop in loops for inner in chip_datasets(loop)]
    for others in labels[1:]:
        check_same_order(labels[0], others)
