"""The hook that merges the views of an image during validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import HOOKS
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ..datasets import ChipDataset
from ..datasets.nesting import nested_datasets
from ..datasets.samplers import deal_to_workers
from ..errors import InputError
from ..evaluation import MergingEvaluator
from ..evaluation.merging_evaluator import check_merging, check_meta_keys
from ..focus import read_focus
from .coarse_to_fine_loader import CoarseToFineLoader
from .look_ahead import look_ahead
from .merged_drawing import MergedDrawing


@HOOKS.register_module()
class ChipMergeHook(Hook):
    """Puts a :class:`MergingEvaluator` in front of the loop's evaluator for the time of an epoch.

    Loops whose dataset is no :class:`ChipDataset` in test mode are left alone. Hooks that look at
    the results after an iteration see boxes in pixels of the whole image whatever their priority,
    and ``DetVisualizationHook`` sees merged images only (see :class:`MergedDrawing`). With
    :class:`ViewSampler` all views of an image are loaded by one worker of the data loader.

    Args:
        nms: How detections are merged: ``dict(type=..., iou_threshold=...)`` of type 'nms',
            'soft_nms', 'nmm' or 'wbf', see :func:`mmsniper.merging.check_nms`. Defaults to hard NMS
            at 0.5.
        max_per_image: The most detections of a merged image; -1 for no limit.
        border_margin: How close to a tile's inner border a box may come, in pixels of the level.
        class_agnostic: Whether boxes of different classes meet in merging.
        focus: Whether finer levels are looked at only where coarser ones say that small objects may
            be (AutoFocus, arXiv:1812.01600): a dict of the arguments of
            :class:`mmsniper.focus.FocusSettings`, or True. Defaults to None, the whole pyramid.

    Raises:
        InputError: If a setting is impossible.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        nms: Mapping | None = None,
        max_per_image: int = 100,
        border_margin: float = 1.0,
        class_agnostic: bool = False,
        focus: Mapping | bool | None = None,
    ) -> None:
        self.focus = read_focus(focus)
        self.settings = dict(
            nms=nms,
            max_per_image=max_per_image,
            border_margin=border_margin,
            class_agnostic=class_agnostic,
        )
        check_merging('ChipMergeHook', **self.settings)  # now, not after the training
        self._told = False

    def before_train(self, runner: Runner) -> None:
        """Says before a training what would stop the first validation after it."""
        if runner.val_loop is not None:
            self._has_views(runner.val_loop)
            look_ahead(runner.val_loop)

    def before_val(self, runner: Runner) -> None:
        """Says now what an epoch would stop at later."""
        look_ahead(runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Says now what an epoch would stop at later."""
        look_ahead(runner.test_loop)

    def before_val_epoch(self, runner: Runner) -> None:
        """Puts the merging evaluator in front."""
        self._enter(runner, runner.val_loop)

    def before_test_epoch(self, runner: Runner) -> None:
        """Puts the merging evaluator in front."""
        self._enter(runner, runner.test_loop)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Takes the merging evaluator away."""
        _leave(runner, runner.val_loop)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Takes the merging evaluator away, and says how many images were drawn."""
        for hook in runner.hooks:
            if isinstance(hook, MergedDrawing):
                hook.report(runner)
        _leave(runner, runner.test_loop)

    def _enter(self, runner: Runner, loop: BaseLoop) -> None:
        _leave(runner, loop)  # an epoch that an exception ended never came to its own end
        if not self._has_views(loop):
            return
        dataset = loop.dataloader.dataset
        dataset.views_are_merged = True
        # Images of different folders may have one id, and are told apart by their paths where they
        # are under way at once.
        by_path = all('img_path' in keys for keys in _meta_keys(dataset))
        if by_path:
            deal_to_workers(loop.dataloader)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        loop.evaluator = MergingEvaluator(
            loop.evaluator,
            num_images=len(dataset.view_starts) - 1,
            unflip=not isinstance(model, BaseTTAModel),
            **self.settings,
        )
        if self.focus is not None:
            loop.dataloader = CoarseToFineLoader(
                loop.dataloader, loop.evaluator, self.focus, by_path
            )
        runner.hooks[:] = [
            MergedDrawing(hook, loop.evaluator, dataset)
            if isinstance(hook, DetVisualizationHook)
            else hook
            for hook in runner.hooks
        ]

    def _has_views(self, loop: BaseLoop) -> bool:
        """Whether the loop's dataset gives views; what would make them unusable is an error."""
        dataset = loop.dataloader.dataset
        view_starts = getattr(dataset, 'view_starts', None)
        if view_starts is not None:
            _check_sampler(loop, view_starts)
            for keys in _meta_keys(dataset):
                check_meta_keys(keys)
            return True
        if any(isinstance(inner, ChipDataset) for inner in nested_datasets(dataset)):
            raise InputError(
                f'the {type(dataset).__name__} of {type(loop).__name__} gives chips that cannot '
                'be merged: set test_mode=True, and put wrappers inside of ChipDataset'
            )
        self._tell(loop)
        return False

    def _tell(self, loop: BaseLoop) -> None:
        if not self._told:
            self._told = True
            print_log(
                f'ChipMergeHook leaves {type(loop).__name__} alone: its dataset, a '
                f'{type(loop.dataloader.dataset).__name__}, is no ChipDataset(test_mode=True).',
                logger='current',
            )


def _leave(runner: Runner, loop: BaseLoop) -> None:
    runner.hooks[:] = [
        hook.hook if isinstance(hook, MergedDrawing) else hook for hook in runner.hooks
    ]
    if isinstance(loop.evaluator, MergingEvaluator):
        loop.evaluator = loop.evaluator.evaluator
        loop.dataloader.dataset.views_are_merged = False
    if isinstance(loop.dataloader, CoarseToFineLoader):
        loop.dataloader = loop.dataloader.loader


def _meta_keys(dataset) -> list[Sequence[str]]:
    """What each transform that packs samples records in them."""
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    return [transform.meta_keys for transform in transforms if hasattr(transform, 'meta_keys')]


def _check_sampler(loop: BaseLoop, view_starts: np.ndarray) -> None:
    """Says before hours of testing what the evaluator could only say after them."""
    scatters = isinstance(loop.dataloader.sampler, DefaultSampler) and get_world_size() > 1
    if scatters and np.diff(view_starts).max(initial=0) > 1:
        raise InputError(
            'DefaultSampler deals the views of an image to different ranks, where they cannot be '
            "merged: use sampler=dict(type='ViewSampler') in the dataloader."
        )
