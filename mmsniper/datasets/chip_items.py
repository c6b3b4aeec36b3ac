"""What makes an item of what is known of it: the pipeline, and other chips where it gives none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from mmdet.registry import TRANSFORMS
from mmengine.dataset import Compose
from mmengine.logging import MMLogger, print_log
from torch.utils.data import get_worker_info

from mmsniper.errors import InputError

from .chip_pipeline import check_chip_pipeline, load_chips_only, suspects, why_no_items
from .transforms import BrokenImageError, load_masks_for_chips
from .transforms.moving import MovedImageError

MAX_WORKERS = 256


class ChipItems:
    """The items of a :class:`mmsniper.datasets.ChipDataset`, which says what is known of each.

    Needs ``test_mode``, ``len()`` and ``get_data_info(index)`` from it. In training, where an image
    cannot be loaded or a transform gives None, another chip takes its place and is counted.

    Args:
        pipeline (Sequence): Transforms, or configs of them.
        skip_broken_images (bool): Whether another chip may take the place of one of a broken image.
        max_refetch (int): How many other chips to try.
    """

    test_mode: bool

    def __init__(self, pipeline: Sequence, skip_broken_images: bool, max_refetch: int) -> None:
        self.skip_broken_images = skip_broken_images
        self.max_refetch = max_refetch
        # Built here, so that the names resolve without a default scope as well.
        self.pipeline = Compose(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline]
        )
        # Of chips replaced, for broken images and by transforms: a count per worker, so that none
        # is lost where two count at once.
        self._num_replaced = torch.zeros(2, MAX_WORKERS, dtype=torch.int64).share_memory_()

    def __setstate__(self, state: dict) -> None:
        """Restore a copy, which shares no memory with the original."""
        self.__dict__.update(state)
        self._num_replaced.share_memory_()

    @property
    def pipeline(self) -> Callable:
        """The composed transforms of a chip; others that are set are checked like the first."""
        return self._pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Callable) -> None:
        check_chip_pipeline(pipeline, self.test_mode)
        if isinstance(pipeline, Compose):
            pipeline.transforms = load_masks_for_chips(pipeline.transforms)
        self._pipeline, self._why_no_items = pipeline, why_no_items(pipeline)
        if (names := load_chips_only(pipeline)) and not self._why_no_items:
            print_log(
                f'LoadChip loads whole images, because {names} may need more of them than a chip: '
                'what stands behind ScaleNormalize is given chips only, and faster',
                'current',
                logging.WARNING,
            )

    def check_items(self) -> None:
        """Raise an InputError where the pipeline is empty or moves images before they are cut."""
        if self._why_no_items:
            raise InputError(self._why_no_items)

    @property
    def num_broken_images_skipped(self) -> int:
        """How often a broken image was skipped so far, in all workers of this process."""
        return int(self._num_replaced[0].sum())

    @property
    def num_chips_refused(self) -> int:
        """How often the pipeline gave None for a chip so far, in all workers of this process."""
        return int(self._num_replaced[1].sum())

    def _count_replaced(self, kind: int) -> None:
        worker = get_worker_info()
        self._num_replaced[kind, worker.id % MAX_WORKERS if worker else 0] += 1

    def __getitem__(self, index: int) -> dict:
        """The chip or view after the pipeline.

        Raises:
            BrokenImageError: The image cannot be loaded (and is not to be skipped).
            InputError: The pipeline is empty, moves the image before the chip is cut, or gives
                None, in test mode or for ``max_refetch`` chips on end.
        """
        self.check_items()
        later, row = divmod(index, len(self))
        for attempt in range(1 if self.test_mode else self.max_refetch + 1):
            # Stepping by a fixed amount keeps the replacement a function of the index alone.
            candidate = later * len(self) + (row + attempt) % len(self)
            try:
                results = self.run_pipeline(self.get_data_info(candidate))
            except BrokenImageError as error:
                if self.test_mode or not self.skip_broken_images:
                    raise
                self._count_replaced(0)
                MMLogger.get_current_instance().warning(f'Skipped a chip: {error}.')
                continue
            if results is not None:
                return results
            self._count_replaced(1)
        raise InputError(
            f'the pipeline of ChipDataset gave nothing for item {index}'
            + ('' if self.test_mode else f' and the {self.max_refetch} items after it')
            + '; check its transforms and images'
        )

    def run_pipeline(self, info: dict) -> dict | None:
        """What the pipeline makes of what is known of a chip or view.

        Raises:
            BrokenImageError: The image cannot be loaded.
            InputError: The pipeline moves the image before the chip is cut.
        """
        try:
            return self.pipeline(info)
        except MovedImageError as error:
            names = suspects(self.pipeline)
            raise InputError(f'{error} (such may be {names})' if names else str(error)) from error
