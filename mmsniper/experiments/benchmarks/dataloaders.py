"""What runs are trained and tested on: pyramids, and dataloaders of MMDetection configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .budget import Budget
from .recipe import Recipe, TestWay
from .suite import Suite, sub_pyramid


def train_dataloader(
    suite: Suite, recipe: Recipe, seed: int, data_root: Path, budget: Budget
) -> dict[str, Any]:
    """The dataloader of a recipe's training, whose steps are those of a budget."""
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


def test_dataloader(suite: Suite, way: TestWay, data_root: Path) -> dict[str, Any]:
    """The dataloader of a test."""
    levels, ranges = testing_pyramid(suite, way)
    return dict(
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
