"""What a run on chips needs whatever hooks its config has."""

from __future__ import annotations

from mmengine.hooks import RuntimeInfoHook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ..datasets.samplers import check_training_sampler
from ..datasets.transforms import LoadChip
from ..datasets.transforms.moving import all_transforms
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
    metrics would be of single views. So is a model that would drop bands that are loaded for it.
    Runs on other datasets are left alone.
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
        for loop in filter(None, (train, *tests)):
            _check_channels(runner, loop)
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


def _check_channels(runner: Runner, loop: BaseLoop) -> None:
    """Refuses bands for a preprocessor of three channels, which may drop the others unheard."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    preprocessor = getattr(model, 'data_preprocessor', None)
    mean = getattr(preprocessor, 'mean', ())
    if not getattr(preprocessor, '_channel_conversion', False) and len(mean) != 3:
        return
    for dataset in chip_datasets(loop):
        for step in all_transforms(dataset.pipeline):
            bands = step.rules.bands if isinstance(step, LoadChip) else None
            if bands is not None and len(bands) not in (1, 3):
                raise InputError(
                    f'LoadChip(bands={bands}) gives {len(bands)} channels, but '
                    'model.data_preprocessor is for three: set its mean=None, std=None and '
                    "bgr_to_rgb=False, put dict(type='Normalize', mean=[...], std=[...], "
                    'to_rgb=False) behind ScaleNormalize in all pipelines, and give the backbone '
                    f'in_channels={len(bands)}'
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
