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
from .dataloaders import test_dataloader, train_dataloader
from .recipe import Recipe, TestWay
from .suite import Suite

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
    config.train_dataloader = train_dataloader(suite, recipe, seed, data_root, budget)
    dataset = config.train_dataloader.dataset
    if proposals is not None:
        dataset.proposal_file = str(proposals)
    config.train_cfg.val_interval = budget.rounds // budget.curve_points
    _set_test(config, suite, suite.tests[suite.curve_test], data_root)
    if recipe.negatives == 'online':
        # At all levels of the training, however it is validated.
        hook = dict(type='OnlineNegativesHook', num_workers=suite.num_workers)
        config.custom_hooks.append(dict(hook, dataloader='test_dataloader'))
        config.test_dataloader = test_dataloader(suite, _at_its_levels(recipe), data_root)
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
    config.train_dataloader = train_dataloader(suite, recipe, seed, data_root, budget)
    # extract_proposals.py looks at images as val_dataloader does, so it stays while the loop goes.
    _set_test(config, suite, _at_its_levels(recipe), data_root)
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


def learning_rate(suite: Suite, recipe: Recipe) -> float:
    """The learning rate of a recipe, at its highest."""
    # Factors of ten would leave traces of their binary form.
    return float(f'{suite.optim_wrapper["optimizer"]["lr"] * recipe.rate:.6g}')


def training_budget(suite: Suite, recipe: Recipe) -> Budget:
    """The steps that a recipe is trained for."""
    return suite.budget.in_larger_steps(recipe.step_factor)


def _at_its_levels(recipe: Recipe) -> TestWay:
    """How images are looked at for negative chips."""
    return TestWay('the levels of the recipe', levels=recipe.levels or 'all')


def _set_test(config: Config, suite: Suite, way: TestWay, data_root: Path) -> None:
    merging = config.custom_hooks[0]
    merging.pop('focus', None)
    if way.focus is not None:
        merging['focus'] = dict(way.focus)
    config.val_dataloader = test_dataloader(suite, way, data_root)
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


def _merge(config: Config, overrides: Any) -> None:
    if overrides:
        config.merge_from_dict(dict(overrides))
