"""Pictures of merged images instead of single views."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import basename, join
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.dist import all_gather_object
from mmengine.runner import Runner
from mmengine.utils import mkdir_or_exist

from ..datasets.transforms.moving import all_transforms
from ..evaluation import MergingEvaluator
from ..visualization.canvas import as_picture

PROGRESS_INTERVAL = 50


class MergedDrawing:
    """Stands in the place of a ``DetVisualizationHook`` during an epoch on views.

    Each image is drawn once, merged and in the order of the images, which are counted where the
    hook behind it would count batches of views. Their pixels are what the dataset's pipeline makes
    of them; that hook decodes all files alike, so that it turns what the detector saw as stored,
    makes 12 bits nearly black, and fails on compressions that OpenCV does not know.

    Args:
        hook: The hook behind it, which does all else as before. One with drawing of its own is
            shown the merged images and draws them itself.
        evaluator: What merges the views of the epoch.
        dataset: Of the epoch.
    """

    def __init__(
        self, hook: DetVisualizationHook, evaluator: MergingEvaluator, dataset: Any
    ) -> None:
        self.hook = hook
        self.evaluator = evaluator
        self.drawn: list[str] = []
        steps = all_transforms(getattr(dataset, 'pipeline', None))
        loaders = [step for step in steps if isinstance(step, LoadImageFromFile)]
        own = DetVisualizationHook
        draws_itself = (
            type(hook).after_val_iter is not own.after_val_iter
            or type(hook).after_test_iter is not own.after_test_iter
        )
        self._loader = None if draws_itself or not loaders else loaders[0]

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
            if self._loader is None:
                self.hook.after_val_iter(runner, image, data_batch, [sample])
            elif self.hook.draw and (runner.iter + image) % self.hook.interval == 0:
                self._draw(sample, 'val_img', runner.iter + image)

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
            if self._loader is None:
                self.hook.after_test_iter(runner, image, data_batch, [sample])
            else:
                self._draw_test(runner, sample)
            self.drawn.append(basename(sample.img_path))
            if len(self.drawn) % PROGRESS_INTERVAL == 0:
                runner.logger.info(f'Drew {image + 1} of {self.evaluator.num_images} images')

    def _draw_test(self, runner: Runner, sample: DetDataSample) -> None:
        """Does what the hook does with an image of a test."""
        hook, file = self.hook, None
        if hook.test_out_dir is not None:
            hook.test_out_dir = join(runner.work_dir, runner.timestamp, hook.test_out_dir)
            mkdir_or_exist(hook.test_out_dir)
            file = join(hook.test_out_dir, basename(sample.img_path))
        hook._test_index += 1
        self._draw(sample, 'test_img', hook._test_index, file)

    def _draw(self, sample: DetDataSample, name: str, step: int, file: str | None = None) -> None:
        hook = self.hook
        image = as_picture(self._loader(dict(img_path=sample.img_path))['img'])
        hook._visualizer.add_datasample(
            basename(sample.img_path) if hook.show else name,
            np.ascontiguousarray(image[:, :, ::-1]),  # as RGB
            data_sample=sample,
            show=hook.show,
            wait_time=hook.wait_time,
            pred_score_thr=hook.score_thr,
            out_file=file,
            step=step,
        )

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
