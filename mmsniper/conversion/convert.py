"""A config that trains on whole images turned into one that trains on chips."""

from __future__ import annotations

import copy
import os

from mmdet import evaluation
from mmdet.engine import hooks
from mmdet.registry import HOOKS, METRICS
from mmengine.config import Config

from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.errors import InputError

from .batch_norm import convert_batch_norm
from .changes import Changes, listed
from .components import component_class, component_name, is_component
from .cost import estimate_cost
from .dataloaders import convert_test_loader, convert_train_loader, take_apart
from .detector import (
    allow_few_objects,
    allow_missing_gradients,
    any_proposal_size,
    fit_batch_augments,
    hand_over_masks_as_rle,
    mean_of_input,
    merging_settings,
    pads_itself,
)
from .focus import add_focus_head
from .ignoring import apply_ignoring, plan_ignoring
from .least_size import fit_least_size
from .negatives import add_online_negatives
from .own_data import OwnData, proposed_recipe, put_in
from .pipelines import PipelineSettings
from .recipe import Recipe
from .schedule import convert_batch_size, convert_schedule, trains_by_epoch
from .source import check_supported, load_source
from .training import Training, fit_training
from .training_scale import has_fixed_size

# What the runner and MMDetection's tools read. All else are variables that wrote these.
RUNNER_KEYS = (
    'default_scope',
    'custom_imports',
    'model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'param_scheduler',
    'optim_wrapper',
    'auto_scale_lr',
    'default_hooks',
    'custom_hooks',
    'env_cfg',
    'visualizer',
    'log_processor',
    'log_level',
    'load_from',
    'resume',
    'randomness',
    'launcher',
    'work_dir',
    'experiment_name',
    'sync_bn',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'activation_checkpointing',
    'efficient_conv_bn_eval',
    'compile',
    'runner_type',
    'strategy',
    'rpn_config',
)
# Those that nearly every config of MMDetection has.
_USUAL_VARIABLES = (
    'backend_args',
    'data_root',
    'dataset_type',
    'test_pipeline',
    'train_pipeline',
    'vis_backends',
)
# Hooks that change the mixing of images in the middle of a training.
_MIXING_HOOKS = (hooks.YOLOXModeSwitchHook, hooks.PipelineSwitchHook)
# All detectors are fit for sides that are multiples of this: it is the largest stride that matters.
_LARGEST_STRIDE = 64


def convert(
    source: str | Config,
    recipe: Recipe | None = None,
    train_batch_norm: bool = False,
    data: OwnData | None = None,
    training: Training | None = None,
    focus: bool = False,
    online_negatives: bool = False,
) -> tuple[Config, Changes]:
    """Turn a config into one that trains on chips and tests on the pyramid.

    Args:
        source (str | Config): See :func:`mmsniper.conversion.source.load_source`; it stays as it
            is.
        recipe (Recipe, optional): Levels, valid ranges and chips. Defaults to the paper's.
        train_batch_norm (bool): Whether to train batch normalisation that the source leaves in
            evaluation mode (``norm_eval=True``). Defaults to False: it stays, with a note.
        data (OwnData, optional): Data to put in the place of the source's, with levels that
            ``analyze_scales`` proposes for it if there is no recipe. Defaults to the source's.
        training (Training, optional): What is wanted of the training. Defaults to the source's,
            converted by pixels; for own data the learning rate then follows the batch, and a
            warm-up takes a tenth of a short training at most.
        focus (bool): Whether to give the detector a focus head, see
            :class:`mmsniper.models.FocusHead`. Defaults to False.
        online_negatives (bool): Whether its own confident mistakes become negative chips, see
            :class:`mmsniper.engine.OnlineNegativesHook`. Defaults to False.

    Returns:
        tuple: The explicit config, and the list of what was changed and what was not.

    Raises:
        InputError: The config is of a kind that is not supported.
    """
    config, changes = load_source(source), Changes()
    check_supported(config)
    on_chips = find_chip_dataset(config, 'train_dataloader') is not None
    if on_chips and (data is not None or training is not None):
        raise InputError(
            'the config trains on chips already: inherit from it and set your data, batch size and '
            'schedule there, or start from a config of MMDetection that trains on whole images'
        )
    if data is not None:
        config = put_in(config, data, changes)
        recipe = recipe or proposed_recipe(data, changes)
        training = training or Training()
    if on_chips:
        if recipe is not None and recipe != Recipe.from_config(config):
            changes.note(
                'the levels, valid ranges and chips of the config stay; start from a config that '
                'trains on whole images to use others'
            )
        if train_batch_norm:
            convert_batch_norm(config.model, True, changes)
    else:
        config = _convert(config, recipe or Recipe(), train_batch_norm, changes, training)
    if focus:
        add_focus_head(config, changes)
    if online_negatives:
        add_online_negatives(config, changes)
    return config, changes


def _convert(
    config: Config,
    recipe: Recipe,
    train_batch_norm: bool,
    changes: Changes,
    training: Training | None,
) -> Config:
    given = config.to_dict()
    data = take_apart(config.train_dataloader.to_dict()['dataset'], 'train_dataloader')
    new = _runner_settings(given, changes)
    model = new['model']
    augments = (model.get('data_preprocessor') or {}).get('batch_augments') or ()
    cost = estimate_cost(data.images, data.steps, augments, recipe, changes)

    plan = plan_ignoring(model)
    new['model'] = model = Config(dict(model=apply_ignoring(model))).to_dict()['model']
    if plan.mode == 'ignore':
        what = f'; wrapped: {listed(plan.wrapped)}' if plan.wrapped else ''
        changes.change(f'model: ignores objects out of range natively ({plan.reason}){what}')
    else:
        changes.change(f'model: objects out of range are erased from the image ({plan.reason})')
    side = -(-recipe.chip_size // _LARGEST_STRIDE) * _LARGEST_STRIDE
    hand_over_masks_as_rle(model, changes)
    allow_few_objects(model, changes)
    allow_missing_gradients(new, given['model'], changes)
    convert_batch_norm(model, train_batch_norm, changes)
    fit_batch_augments(model, side, changes)
    fit_least_size(model, changes)

    settings = PipelineSettings(
        mode=plan.mode,
        fill_value=mean_of_input(model),
        pad_side=side,
        pad_divisor=_LARGEST_STRIDE,
        needs_fixed_size=has_fixed_size(data.steps) and not pads_itself(model),
    )
    new['train_dataloader'] = convert_train_loader(
        new['train_dataloader'], data, recipe, settings, trains_by_epoch(config), changes
    )
    if new['train_dataloader']['dataset']['type'] != 'ChipDataset':
        any_proposal_size(model, changes)
    _convert_test_loaders(new, recipe, settings, changes)
    _convert_hooks(new, merging_settings(model), changes)
    convert_batch_size(new, cost, recipe.chip_size, changes)
    convert_schedule(new, cost, data.times, changes)
    if training is not None:
        fit_training(new, training, cost, changes)
    _import_mmsniper(new)
    filename = config.filename
    return Config(new, filename=filename if filename and os.path.isfile(filename) else None)


def _runner_settings(given: dict, changes: Changes) -> dict:
    """A copy of what a runner reads."""
    new = {key: copy.deepcopy(given[key]) for key in RUNNER_KEYS if key in given}
    if given.get('data_preprocessor') is not None:
        new['model'].setdefault('data_preprocessor', copy.deepcopy(given['data_preprocessor']))
    if new.get('default_scope') is None:
        # Configs that name classes instead of strings have none; ours are named by strings.
        new['default_scope'] = 'mmdet'
    if {'type', 'by_epoch'} <= set(new.get('train_cfg') or ()):
        del new['train_cfg']['by_epoch']
        changes.change('train_cfg: by_epoch taken out, which MMEngine refuses beside a type')
    tta = sorted(key for key in given if key.startswith('tta_'))
    if tta:
        changes.change(f'{", ".join(tta)} taken out: the pyramid has several scales already')
    others = set(given) - set(new) - set(tta) - {'data_preprocessor', *_USUAL_VARIABLES}
    if others:
        changes.note(f'variables that nothing reads are left out: {listed(sorted(others))}')
    return new


def _convert_test_loaders(
    config: dict, recipe: Recipe, settings: PipelineSettings, changes: Changes
) -> None:
    """Let validation and testing look at views, in place; the two are often the same."""
    parts = [
        part
        for part in ('val', 'test')
        if isinstance(config.get(f'{part}_dataloader'), dict)
        and config[f'{part}_dataloader'].get('dataset')
    ]
    sources = {part: copy.deepcopy(config[f'{part}_dataloader']) for part in parts}
    for part in parts:
        twins = [other for other in parts if sources[other] == sources[part]]
        evaluators = config.get(f'{part}_evaluator')
        config[f'{part}_dataloader'] = convert_test_loader(
            sources[part],
            recipe,
            settings,
            changes,
            ' and '.join(f'{other}_dataloader' for other in twins),
            drop_masks=_read_masks_from_files(evaluators),
        )
        _fit_evaluator(evaluators, changes)


def _read_masks_from_files(evaluators) -> bool:
    """Whether all metrics are MMDetection's, which read masks from files and not from the data."""
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    return all(
        (found := component_class(METRICS, evaluator)) is not None
        and found.__module__.startswith('mmdet.')
        for evaluator in evaluators
    )


def _fit_evaluator(evaluators, changes: Changes) -> None:
    for evaluator in evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]:
        if is_component(METRICS, evaluator, evaluation.CocoMetric):
            if evaluator.get('metric') == 'proposal_fast':
                evaluator['metric'] = 'proposal'
                changes.change(
                    "evaluators: metric 'proposal_fast' to 'proposal', the former fails with "
                    'NumPy 1.24 and later'
                )


def _convert_hooks(config: dict, merging: dict, changes: Changes) -> None:
    kept, removed = [], []
    for hook in config.get('custom_hooks') or ():
        mixing = is_component(HOOKS, hook, *_MIXING_HOOKS)
        (removed if mixing else kept).append(hook)
    for hook in removed:
        what = 'there is nothing left for it to switch'
        if is_component(HOOKS, hook, hooks.YOLOXModeSwitchHook):
            what += '; the L1 loss that it adds at the end is not added'
        changes.change(f'hooks: {component_name(hook)} taken out, {what}')
    settings = ', '.join(f'{key}={value}' for key, value in merging.items())
    changes.change(f'hooks: ChipEpochHook and ChipMergeHook({settings}) added')
    config['custom_hooks'] = [
        dict(type='ChipEpochHook'),
        dict(type='ChipMergeHook', **merging),
        *kept,
    ]


def _import_mmsniper(config: dict) -> None:
    imports = (config.get('custom_imports') or {}).get('imports') or []
    imports = [imports] if isinstance(imports, str) else list(imports)
    config['custom_imports'] = dict(
        imports=list(dict.fromkeys([*imports, 'mmsniper'])), allow_failed_imports=False
    )
