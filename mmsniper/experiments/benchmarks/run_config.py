"""The configs of a run: MMDetection configs of training, tests and the proposal stage."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmsniper.chips import Pyramid
from mmsniper.conversion import Changes
from mmsniper.conversion.focus import focus_detector, focus_sizes
from mmsniper.conversion.own_data import set_num_classes
from mmsniper.errors import InputError
from mmsniper.utils.configs import config_path

from .budget import Budget
from .recipe import Recipe, TestWay
from .suite import Suite, sub_pyramid

PACKAGE_PREFIX = 'mmsniper::'

RUNTIME = dict(
    default_scope='mmdet',
    custom_imports=dict(
        imports=['mmsniper', 'mmsniper.experiments.benchmarks'], allow_failed_imports=False
    ),
    default_hooks=dict(
        timer=dict(type='IterTimerHook'),
        logger=dict(type='LoggerHook', interval=20),
        param_scheduler=dict(type='ParamSchedulerHook'),
        # One checkpoint to go on from, and to test.
        checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1),
        sampler_seed=dict(type='DistSamplerSeedHook'),
    ),
    env_cfg=dict(
        cudnn_benchmark=False,
        mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
        dist_cfg=dict(backend='nccl'),
    ),
    vis_backends=[dict(type='LocalVisBackend')],
    visualizer=dict(
        type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'
    ),
    log_processor=dict(type='LogProcessor', window_size=20, by_epoch=True),
    log_level='INFO',
    load_from=None,
    resume=False,
    val_cfg=dict(type='ValLoop'),
    test_cfg=dict(type='TestLoop'),
)


def train_config(
    suite: Suite,
    recipe: Recipe,
    seed: int,
    data_root: Path,
    record: Path,
    proposals: Path | None = None,
) -> Config:
    """The config of a recipe's training, with its tests during the training.

    Args:
        suite (Suite): Of the recipe.
        recipe (Recipe): What is trained.
        seed (int): Seed of weights, order, chips and augmentation.
        data_root (Path): Folder of the data set.
        record (Path): Where ``PixelCounterHook`` writes to.
        proposals (Path, optional): For negative chips of an RPN.

    Returns:
        Config: For ``tools/train.py``.
    """
    budget = training_budget(suite, recipe)
    config = _plain_config(suite, recipe.model, budget, seed, record)
    if recipe.focus_head:
        pyramid = Pyramid(suite.data.test_levels, suite.data.test_ranges)
        config.model = focus_detector(config.model, focus_sizes(pyramid))
    config.train_dataloader = _train_dataloader(suite, recipe, seed, data_root, budget)
    dataset = config.train_dataloader.dataset
    if proposals is not None:
        dataset.proposal_file = str(proposals)
    if recipe.negatives == 'online':
        config.custom_hooks.append(dict(type='OnlineNegativesHook', num_workers=suite.num_workers))
    config.train_cfg.val_interval = budget.rounds // budget.curve_points
    _set_test(config, suite, suite.tests[suite.curve_test], data_root)
    config.optim_wrapper.optimizer.lr = learning_rate(suite, recipe)
    _merge(config, suite.overrides)
    _merge(config, recipe.overrides)
    return config


def test_config(
    config: Config, suite: Suite, way: TestWay, data_root: Path, record: Path
) -> Config:
    """The config of a test of a trained recipe.

    Args:
        config (Config): Of its training.
        suite (Suite): Of the recipe.
        way (TestWay): How it is tested.
        data_root (Path): Folder of the data set.
        record (Path): Where ``PixelCounterHook`` writes to.

    Returns:
        Config: For ``tools/test.py``.
    """
    config = copy.deepcopy(config)
    _set_test(config, suite, way, data_root)
    for hook in config.custom_hooks:
        if hook['type'] == 'PixelCounterHook':
            hook['out_file'] = str(record)
    return config


def proposal_config(
    suite: Suite, recipe: Recipe, seed: int, data_root: Path, record: Path
) -> Config:
    """The config of the RPN stage: positive chips of the recipe's levels, and no tests.

    It is trained with another seed than the detector.
    """
    seed += 1000
    budget = suite.proposal_budget
    config = _plain_config(suite, 'rpn', budget, seed, record)
    config.train_dataloader = _train_dataloader(suite, recipe, seed, data_root, budget)
    # extract_proposals.py looks at images as val_dataloader does, so it stays while the loop goes.
    way = TestWay('the levels of the recipe', levels=recipe.levels or 'all')
    _set_test(config, suite, way, data_root)
    without_validation(config)
    config.val_evaluator.metric = 'proposal'
    config.test_evaluator = copy.deepcopy(config.val_evaluator)
    merging = dict(nms=dict(type='nms', iou_threshold=0.7), max_per_image=300)
    config.custom_hooks[0] = dict(type='ChipMergeHook', **merging)
    return config


def without_validation(config: Config) -> None:
    """Leave out all validations of a training, in place; how they would be done stays known."""
    never = config.train_cfg.max_epochs + 1
    config.train_cfg.update(val_interval=never, val_begin=never)


def _plain_config(suite: Suite, model: str, budget: Budget, seed: int, record: Path) -> Config:
    """All but the data."""
    config = Config(copy.deepcopy(RUNTIME))
    config.model = _model(suite, model)
    config.optim_wrapper = copy.deepcopy(suite.optim_wrapper)
    warmup = max(1, min(suite.warmup_steps, budget.steps // 5))
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=warmup),
        dict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.02,
            by_epoch=False,
            begin=0,
            T_max=budget.steps,
            end=budget.steps,
        ),
    ]
    config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=budget.rounds)
    # The merging hook comes first, which proposal_config and _set_test rely on.
    config.custom_hooks = [
        dict(type='ChipMergeHook', **suite.merging),
        dict(type='PixelCounterHook', out_file=str(record)),
        dict(type='RepeatableEpochsHook', seed=seed),
    ]
    config.randomness = dict(seed=seed)
    return config


def _model(suite: Suite, name: str) -> dict[str, Any]:
    path = suite.models[name]
    if path.startswith(PACKAGE_PREFIX):
        path = config_path(path[len(PACKAGE_PREFIX) :])
    else:
        path = suite.folder / path
    if not Path(path).is_file():
        raise InputError(f'the model {name} of suite {suite.name}, {path}, does not exist')
    model = Config.fromfile(path).model.to_dict()
    set_num_classes(model, len(suite.data.classes), Changes())
    return model


def _train_dataloader(
    suite: Suite, recipe: Recipe, seed: int, data_root: Path, budget: Budget
) -> dict[str, Any]:
    data = suite.data
    levels, ranges = training_pyramid(suite, recipe)
    dataset = dict(
        type='ChipDataset',
        levels=levels,
        valid_ranges=ranges,
        seed=seed,
        dataset=_images(suite, data_root, 'train'),
        pipeline=[
            dict(type='LoadChip'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='ChipSample'),
            dict(type='ScaleNormalize', mode=recipe.out_of_range),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackChipInputs'),
        ],
    )
    if recipe.method == 'sniper':
        dataset.update(chip_size=data.chip_size, stride=data.stride)
        if data.min_proposals:
            dataset['min_proposals'] = data.min_proposals
    else:
        # Whole images at each level, or tiles: what test mode gives are the items to train on.
        dataset['test_mode'] = True
        if recipe.method == 'tiles':
            dataset['tile_size'] = data.chip_size
    return dict(
        num_workers=suite.num_workers,
        # Workers that end with an epoch draw the same numbers after a resume.
        persistent_workers=False,
        batch_size=1,
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_sampler=dict(
            type='EqualPixelBatchSampler',
            step_pixels=budget.step_mpx * 1e6,
            steps_per_epoch=budget.steps_per_round,
            seed=seed,
            **(dict(count_negatives=False) if recipe.extra_negatives else {}),
        ),
        dataset=dataset,
    )


def learning_rate(suite: Suite, recipe: Recipe) -> float:
    """The learning rate of a recipe, at its highest."""
    # Factors of ten would leave traces of their binary form.
    return float(f'{suite.optim_wrapper["optimizer"]["lr"] * recipe.rate:.6g}')


def training_budget(suite: Suite, recipe: Recipe) -> Budget:
    """The steps that a recipe is trained for."""
    return suite.budget.in_larger_steps(recipe.step_factor)


def training_pyramid(suite: Suite, recipe: Recipe) -> tuple[list, list]:
    """Levels and valid ranges that a recipe trains on."""
    data = suite.data
    if recipe.method == 'single-scale':
        return [data.single_level], [(-1, -1)]
    if recipe.method == 'tiles':
        return data.levels[:1], [(-1, -1)]
    if recipe.factors:
        levels = [_times(data.single_level, factor) for factor in recipe.factors]
        return levels, [(-1, -1)] * len(levels)
    chosen = list(recipe.levels or range(len(data.levels)))
    levels, ranges = sub_pyramid(data.levels, data.train_ranges, chosen)
    if recipe.method == 'multi-scale':
        ranges = [(-1, -1)] * len(levels)
    return levels, ranges


def _times(level: Any, factor: float) -> Any:
    if isinstance(level, (tuple, list)):
        return tuple(bound if bound < 0 else max(1, round(bound * factor)) for bound in level)
    return level * factor


def testing_pyramid(suite: Suite, way: TestWay) -> tuple[list, list]:
    """Levels and valid ranges of a test."""
    data = suite.data
    if way.levels == 'single':
        return [data.single_level], [(-1, -1)]
    chosen = list(range(len(data.test_levels)) if way.levels == 'all' else way.levels)
    levels, ranges = sub_pyramid(data.test_levels, data.test_ranges, chosen)
    return levels, ([(-1, -1)] * len(levels) if way.ranges == 'open' else ranges)


def _set_test(config: Config, suite: Suite, way: TestWay, data_root: Path) -> None:
    merging = config.custom_hooks[0]
    merging.pop('focus', None)
    if way.focus is not None:
        merging['focus'] = dict(way.focus)
    levels, ranges = testing_pyramid(suite, way)
    config.val_dataloader = dict(
        batch_size=1,
        num_workers=suite.num_workers,
        persistent_workers=False,
        drop_last=False,
        sampler=dict(type='ViewSampler', shuffle=False),
        dataset=dict(
            type='ChipDataset',
            test_mode=True,
            levels=levels,
            valid_ranges=ranges,
            tile_size=suite.data.chip_size if way.tiles else None,
            dataset=dict(**_images(suite, data_root, 'val'), test_mode=True),
            pipeline=[
                dict(type='LoadChip'),
                dict(type='ChipSample'),
                dict(type='ScaleNormalize'),
                dict(type='LoadAnnotations', with_bbox=True),
                dict(type='PackChipInputs'),
            ],
        ),
    )
    config.val_evaluator = dict(
        type='CocoMetric',
        ann_file=str(data_root / suite.data.val['ann_file']),
        metric=suite.metric,
        format_only=False,
    )
    if suite.false_positives is not None:
        config.val_evaluator.update(type='FalsePositiveCocoMetric', score_thr=suite.false_positives)
    config.test_dataloader = copy.deepcopy(config.val_dataloader)
    config.test_evaluator = copy.deepcopy(config.val_evaluator)


def _images(suite: Suite, data_root: Path, split: str) -> dict[str, Any]:
    files = getattr(suite.data, split)
    return dict(
        type='CocoDataset',
        data_root=str(data_root),
        ann_file=files['ann_file'],
        data_prefix=dict(img=files['images']),
        metainfo=dict(classes=tuple(suite.data.classes)),
        # All recipes see the same images; those without objects give no chips.
        **(dict(filter_cfg=dict(filter_empty_gt=True, min_size=32)) if split == 'train' else {}),
    )


def _merge(config: Config, overrides: Any) -> None:
    if overrides:
        config.merge_from_dict(dict(overrides))
