"""Pictures of merged images instead of single views."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import basename
from typing import Any

from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.dist import all_gather_object
from mmengine.runner import Runner

from ..evaluation import MergingEvaluator

PROGRESS_INTERVAL = 50


class MergedDrawing:
    """Stands in the place of a ``DetVisualizationHook`` during an epoch on views.

    The hook behind it draws each image once, merged and in the order of the images, and counts
    images where it would count batches of views.

    Args:
        hook: The hook behind it, which does all else as before.
        evaluator: What merges the views of the epoch.
    """

    def __init__(self, hook: DetVisualizationHook, evaluator: MergingEvaluator) -> None:
        self.hook = hook
        self.evaluator = evaluator
        self.drawn: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """What is not changed here is the hook's."""
        return getattr(self.hook, name)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Shows the hook the images that are finished now, each as a batch."""
        for image, sample in self.evaluator.finished.items():
            self.hook.after_val_iter(runner, image, data_batch, [sample])

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Shows the hook the images that are finished now, each as a batch, and logs progress."""
        if not self.hook.draw:
            return
        for image, sample in self.evaluator.finished.items():
            self.hook.after_test_iter(runner, image, data_batch, [sample])
            self.drawn.append(basename(sample.img_path))
            if len(self.drawn) % PROGRESS_INTERVAL == 0:
                runner.logger.info(f'Drew {image + 1} of {self.evaluator.num_images} images')

    def report(self, runner: Runner) -> None:
        """Logs how many images the test drew, on all ranks together."""
        if not self.hook.draw:
            return
        names = [name for part in all_gather_object(self.drawn) for name in part]
        folder = self.hook.test_out_dir
        runner.logger.info(f'Drew {len(names)} images' + (f' into {folder}' if folder else ''))
        overwritten = len(names) - len(set(names))
        if folder and overwritten:
            runner.logger.warning(
                f'{overwritten} of the pictures were written over others, because their images '
                'have the same file names in different folders'
            )
