"""What a run on chips needs whatever hooks its config has."""

from __future__ import annotations

from mmengine.hooks import RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ..datasets.samplers import check_training_sampler
from ..errors import InputError
from .chip_epoch_hook import ChipEpochHook
from .chip_merge_hook import ChipMergeHook
from .loop_data import chip_datasets


# A config's list of custom hooks replaces the one it inherits, so hooks get lost there. Of those
# that every runner has, whatever its scope, this is the one that configs do not name.
@HOOKS.register_module(name='RuntimeInfoHook', force=True)
class HookGuard(RuntimeInfoHook):
    """MMEngine's ``RuntimeInfoHook``, which also sees to it that no hook of chips is forgotten.

    A training on chips without :class:`ChipEpochHook` gets one, unless its sampler chooses the
    epochs. A validation or test on views without :class:`ChipMergeHook` is refused, because its
    metrics would be of single views. Runs on other datasets are left alone.
    """

    def before_run(self, runner: Runner) -> None:
        """Looks at the loops of the run, which are built now."""
        super().before_run(runner)
        # Not runner.train_loop and its like, which would build the loops of other runs.
        train, *tests = (
            loop if isinstance(loop, BaseLoop) else None
            for loop in (runner._train_loop, runner._val_loop, runner._test_loop)
        )
        for loop in filter(None, tests):
            _check_merging(runner, loop)
        if train is not None:
            _provide_epochs(runner, train)


def _check_merging(runner: Runner, loop: BaseLoop) -> None:
    dataset = loop.dataloader.dataset
    views = getattr(dataset, 'view_starts', None) is not None or chip_datasets(loop)
    merged = _has_hook(runner, ChipMergeHook) or getattr(dataset, 'views_are_merged', False)
    if views and not merged:
        raise InputError(
            f'nothing merges the views that {type(loop).__name__} gets of an image, so its metrics '
            "would be of single views: add dict(type='ChipMergeHook') to custom_hooks (a list in a "
            'config replaces the one it inherits)'
        )


def _provide_epochs(runner: Runner, loop: BaseLoop) -> None:
    chips = [dataset for dataset in chip_datasets(loop) if not dataset.test_mode]
    if not chips or _has_hook(runner, ChipEpochHook):
        return
    check_training_sampler(loop)
    if not all(dataset.sampler_chooses_epochs for dataset in chips):
        runner.logger.info(
            'ChipEpochHook is added to the hooks, for new chips in every epoch; custom_hooks of '
            'the config has none (a list in a config replaces the one it inherits)'
        )
        runner.register_hook(ChipEpochHook())


def _has_hook(runner: Runner, kind: type) -> bool:
    return any(isinstance(hook, kind) for hook in runner.hooks)
