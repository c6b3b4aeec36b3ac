"""What a config says of testing, as it is for the views of any picture."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmcv import transforms as mmcv_transforms
from mmdet.datasets.transforms import ResizeShortestEdge
from mmdet.registry import HOOKS, TRANSFORMS
from mmengine.config import Config
from mmengine.logging import print_log

from mmsniper.conversion.changes import Changes
from mmsniper.conversion.components import is_component
from mmsniper.conversion.dataloaders import take_apart
from mmsniper.conversion.detector import merging_settings
from mmsniper.conversion.pipelines import PipelineSettings, convert_test_pipeline
from mmsniper.conversion.steps import LOADING_ANNOTATIONS, RESIZING, all_steps
from mmsniper.datasets.chip_dataset import TEST_LEVELS, TEST_VALID_RANGES
from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.engine import ChipMergeHook
from mmsniper.errors import InputError

from .view_plan import ViewPlan

# What the tiles of a detector are multiples of, which is not trained on chips.
_TILE_GRID = 32
_PAD_DIVISOR = 64
_PADS = mmcv_transforms.Pad


@dataclass(frozen=True, eq=False)
class ViewSettings:
    """How a detector is shown pictures.

    Attributes:
        plan: Which views of a picture it looks at.
        pipeline: Configs of the transforms of a view, without annotations.
        merging: What of :class:`mmsniper.engine.ChipMergeHook` is set.
        divisor: Of the sides of its input.
        square: Whether its input is padded to a square.
        size: Width and height that all its inputs are padded to, if they are.
    """

    plan: ViewPlan
    pipeline: Sequence[dict]
    merging: Mapping[str, Any]
    divisor: int = 1
    square: bool = False
    size: tuple[int, int] | None = None

    def padded(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the detector's input for those of a view at its level."""
        if self.size is not None:
            return self.size
        if self.square:
            width = height = max(width, height)
        width, height = (-(-side // self.divisor) * self.divisor for side in (width, height))
        return width, height


def view_settings(config: Config, **chosen: object) -> ViewSettings:
    """What a config says of testing.

    Args:
        config: Of a detector that was trained on chips or not.
        **chosen: What of :class:`ViewPlan` is to be another than the config has; None is not.

    Raises:
        InputError: The config does not say how it is tested, or a setting is impossible.
    """
    loaders = ('test_dataloader', 'val_dataloader')
    loader = next((name for name in loaders if (config.get(name) or {}).get('dataset')), None)
    if loader is None:
        raise InputError(
            'the config has neither a test_dataloader nor a val_dataloader, whose pipeline says '
            'what the detector is to be shown'
        )
    chips = find_chip_dataset(config, loader)
    if chips is not None:
        own = {key: chips[key] for key in ('tile_size', 'tile_overlap') if chips.get(key)}
        pipeline, merging = [dict(step) for step in chips['pipeline']], _hook_settings(config)
        own['focus'] = merging.get('focus')
        plan = ViewPlan(
            chips.get('levels') or TEST_LEVELS,
            chips.get('valid_ranges') or TEST_VALID_RANGES,
            **own,
        ).with_settings(**chosen)
    else:
        given = take_apart(config[loader].dataset.to_dict(), loader).inner
        plan, pipeline = _as_tested_whole(given, loader, chosen)
        merging = merging_settings(config.model)
    pipeline = [s for s in pipeline if not is_component(TRANSFORMS, s, *LOADING_ANNOTATIONS)]
    pads = [step for step in pipeline if is_component(TRANSFORMS, step, _PADS)]
    preprocessor = config.model.get('data_preprocessor') or config.get('data_preprocessor') or {}
    divisors = [step.get('size_divisor') or 1 for step in pads]
    divisors.append(preprocessor.get('pad_size_divisor') or 1)
    return ViewSettings(
        plan,
        pipeline,
        merging,
        divisor=math.lcm(*divisors),
        square=any(step.get('pad_to_square') for step in pads),
        size=next((tuple(step['size']) for step in pads if step.get('size')), None),
    )


def _as_tested_whole(
    given: Sequence[dict], loader: str, chosen: Mapping
) -> tuple[ViewPlan, list[dict]]:
    """The plan and the pipeline of views of a config that tests whole images.

    Images are padded as there, unless other levels or tiles were chosen, which may not fit.
    """
    whole = _whole_level(given)
    pad = next((step for step in given if is_component(TRANSFORMS, step, _PADS)), {})
    fixed = pad.get('size')
    if fixed:
        tile = min(fixed)
    else:
        sides = [side for side in whole if side > 0] if isinstance(whole, tuple) else [1024]
        tile = max(1, round(math.sqrt(sides[0] * sides[-1]) / _TILE_GRID)) * _TILE_GRID
    plan = ViewPlan(whole_level=whole, tile_size=tile).with_settings(**chosen)
    fits = plan.levels is None and (plan.tile_size <= tile or not fixed)
    settings = PipelineSettings(pad_divisor=None if fits else _PAD_DIVISOR)
    return plan, convert_test_pipeline(given, settings, Changes(), loader, True)


def _whole_level(steps: Sequence[dict]) -> tuple[int, int] | float:
    """The level at which a pipeline shows whole images."""
    for step in all_steps(steps):
        if is_component(TRANSFORMS, step, mmcv_transforms.Resize):
            if not step.get('keep_ratio', False) and step.get('scale') is not None:
                print_log(
                    'the config tests on images whose aspect ratio is changed; views keep it',
                    'current',
                    logging.WARNING,
                )
            scale = step.get('scale', step.get('scale_factor'))
            if isinstance(scale, (int, float)) and step.get('scale') is None:
                return float(scale)
            sides = (scale, scale) if isinstance(scale, (int, float)) else tuple(scale)
            return min(sides), max(sides)
        if is_component(TRANSFORMS, step, ResizeShortestEdge):
            short = step['scale']
            short = short if isinstance(short, int) else min(short)
            return short, step.get('max_size') or -1
        if is_component(TRANSFORMS, step, *RESIZING):
            raise InputError(
                f'{step["type"]} of the test pipeline resizes to no certain size: give levels'
            )
    return 1.0


def _hook_settings(config: Config) -> dict[str, Any]:
    """What the config sets of ``ChipMergeHook``."""
    for hook in config.get('custom_hooks') or ():
        if is_component(HOOKS, hook, ChipMergeHook):
            return {key: value for key, value in hook.items() if key not in ('type', 'priority')}
    return {}
