"""Running a detector over the pyramid of many images, outside of a test loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_dist_info
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from mmsniper.datasets import ChipDataset, ViewSampler
from mmsniper.datasets.nesting import is_chip_dataset
from mmsniper.datasets.samplers import deal_to_workers
from mmsniper.errors import InputError
from mmsniper.evaluation import MergingEvaluator
from mmsniper.evaluation.merging_evaluator import check_merging
from mmsniper.utils.settings import check_whole

# What a ChipDataset in test mode is made with, besides its images.
_VIEW_SETTINGS = (
    'pipeline',
    'levels',
    'valid_ranges',
    'allow_holes',
    'tile_size',
    'tile_overlap',
)


def pyramid_dataset(images, test_dataset: Mapping) -> ChipDataset:
    """The views of some images, at the levels and through the pipeline of a test dataset.

    Args:
        images: A dataset of images, as ``dataset`` of :class:`mmsniper.datasets.ChipDataset`.
        test_dataset (Mapping): Config of a ``ChipDataset`` in test mode, such as
            ``val_dataloader.dataset``; its own images are not read.

    Returns:
        ChipDataset: In test mode.

    Raises:
        InputError: The config is of another dataset.
    """
    if not is_chip_dataset(test_dataset):
        kind = test_dataset.get('type') if isinstance(test_dataset, Mapping) else test_dataset
        raise InputError(
            f'val_dataloader.dataset is {kind!r}; it must be a ChipDataset with test_mode=True, '
            'whose levels and pipeline are used for detecting'
        )
    settings = {key: test_dataset[key] for key in _VIEW_SETTINGS if key in test_dataset}
    return ChipDataset(dataset=images, test_mode=True, **settings)


@torch.no_grad()
def detect_on_pyramid(
    model: nn.Module,
    views: ChipDataset,
    on_image: Callable[[DetDataSample], None],
    nms: Mapping,
    max_per_image: int,
    batch_size: int = 1,
    num_workers: int = 2,
    title: str = 'images',
) -> int:
    """Detect on all views of this process's share of the images and merge those of each image.

    The model is put into its evaluation mode and back. Between processes nothing is exchanged, so
    they may take as long as they like.

    Args:
        model (nn.Module): A detector of MMDetection, wrapped for several processes or not.
        views (ChipDataset): In test mode; a share of its images goes to each process.
        on_image (Callable): Called with the merged result of each image, boxes in its pixels, in
            the order of the images.
        nms (Mapping): How views are merged, see :class:`mmsniper.engine.ChipMergeHook`.
        max_per_image (int): The most detections of an image, -1 for all.
        batch_size (int): Views per forward pass. Defaults to 1.
        num_workers (int): Processes that load images, each all views of its images. Defaults to 2.
        title (str): What the progress bar says.

    Returns:
        int: How many detections this process dropped because they are NaN or infinite.

    Raises:
        InputError: A setting is impossible.
    """
    check_merging('detect_on_pyramid', nms, max_per_image)
    check_whole('detect_on_pyramid', 'batch_size', batch_size, 1, 'views')
    check_whole('detect_on_pyramid', 'num_workers', num_workers, 0)
    sampler = ViewSampler(views, round_up=False)
    loader = DataLoader(
        views,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=pseudo_collate,
    )
    deal_to_workers(loader)
    rank, _ = get_dist_info()
    views.views_are_merged = True  # or the sampler warns that they are not
    was_training = model.training
    model.eval()
    with tqdm(total=sampler.num_images, desc=title, unit='image', disable=rank != 0) as progress:

        class Results:
            """Stands where an evaluator of metrics would."""

            def process(self, data_samples: list[DetDataSample], data_batch: object) -> None:
                for sample in data_samples:
                    on_image(sample)
                progress.update(len(data_samples))

        merging = MergingEvaluator(
            Results(), len(views.view_starts) - 1, nms=nms, max_per_image=max_per_image
        )
        try:
            for batch in loader:
                merging.process(list(model.test_step(batch)), batch)
        finally:
            model.train(was_training)
    return merging.num_not_finite
