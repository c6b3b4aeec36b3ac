"""The data loader of a test that goes from coarse to fine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset

from mmsniper.datasets import ChipDataset, ViewSampler
from mmsniper.datasets.passes import Passes, batches_of_one_size
from mmsniper.datasets.transforms.chip_window import level_size
from mmsniper.errors import InputError
from mmsniper.evaluation import MergingEvaluator
from mmsniper.focus import CoarseToFine, FocusSettings, Level, View

# So many images are under way at once: the more, the fuller are the batches of chips of one size.
_BLOCK = 64
# Sides that agree in how often this fits are padded to the same by most detectors.
_SIMILAR = 32


class _Item(NamedTuple):
    image: int  # of the dataset
    place: int  # of the image in its block
    view: View


class CoarseToFineLoader:
    """Stands in the place of a data loader during an epoch, and loads what testing goes on with.

    Images are taken in blocks. A pass over a block loads the views that the searches of its images
    ask for, first those of the coarsest level; the loop has the detector look at them, the
    evaluator shows the searches what it found, and they ask for the next ones, until none does. All
    passes share the worker processes, each of which loads the same images in each of them.

    Args:
        loader: The data loader, whose dataset is a :class:`ChipDataset` in test mode and whose
            sampler a :class:`ViewSampler`.
        evaluator: What is told of the images and shows their searches what views saw.
        settings: How to go from one level to the next.
        by_path: Whether the samples of the dataset tell their images' paths.

    Raises:
        InputError: The sampler is another one, or the settings do not fit the number of levels.
    """

    def __init__(
        self,
        loader: DataLoader,
        evaluator: MergingEvaluator,
        settings: FocusSettings,
        by_path: bool = True,
    ) -> None:
        if not isinstance(loader.sampler, ViewSampler):
            raise InputError(
                f'focus needs the images in order, but {type(loader.sampler).__name__} deals out '
                "single views: use sampler=dict(type='ViewSampler') in the dataloader"
            )
        self.loader = loader
        self.evaluator = evaluator
        self.settings = settings
        self.by_path = by_path
        settings.check_steps(loader.dataset.pyramid.num_levels)
        self._batches_done = self._images_begun = 0

    def __getattr__(self, name: str) -> Any:
        """What is not changed here is the data loader's."""
        return getattr(self.loader, name)

    def __len__(self) -> int:
        """How many batches there are likely to be: nobody knows before the end."""
        images = self.loader.sampler.num_images
        begun = max(self._images_begun, 1)
        return max(images, round(self._batches_done * max(images, begun) / begun))

    def __iter__(self) -> Iterator[dict]:
        """The batches of an epoch."""
        self._batches_done = self._images_begun = 0
        passes = self._passes()
        images = self.loader.sampler.images
        for begin in range(0, len(images), _BLOCK):
            block = images[begin : begin + _BLOCK].tolist()
            searches = [self._begin(image) for image in block]
            self._images_begun += len(block)
            while items := [
                _Item(image, place, view)
                for place, (image, search) in enumerate(zip(block, searches))
                for view in search.views
            ]:
                batches = self._batches(items, searches)
                for batch in passes.load(batches, [batch[0].place for batch in batches]):
                    self._batches_done += 1
                    yield batch

    def _passes(self) -> Passes:
        loader = self.loader
        settings = dict(
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            timeout=loader.timeout,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
        )
        if loader.num_workers:
            settings['prefetch_factor'] = loader.prefetch_factor
        return Passes(_Views(loader.dataset), loader.num_workers, **settings)

    def _begin(self, image: int) -> CoarseToFine:
        search = search_of(self.loader.dataset, image, self.settings)
        info = self.loader.dataset.dataset.get_data_info(image)
        path = info.get('img_path') if self.by_path else None
        self.evaluator.begin(info.get('img_id'), path, search)
        return search

    def _batches(
        self, items: Sequence[_Item], searches: Sequence[CoarseToFine]
    ) -> list[list[_Item]]:
        """Batches of views of similar size."""

        def size_of(item: _Item) -> tuple[int, ...]:
            sides = item.view.chip[2:] - item.view.chip[:2]
            scale = searches[item.place].levels[item.view.level].scale
            return tuple(-(-side // _SIMILAR) for side in level_size(sides.tolist(), scale))

        return batches_of_one_size(items, size_of, self.loader.batch_size)


class _Views(Dataset):
    """Views of the images of a dataset, whatever they are, by :class:`_Item`."""

    def __init__(self, dataset: ChipDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, item: _Item) -> dict:
        return self.dataset.load_view(item.image, item.view)


def search_of(views: ChipDataset, image: int, settings: FocusSettings) -> CoarseToFine:
    """The search in an image of a dataset.

    Args:
        views: In test mode.
        image: Index of the image.
        settings: How to go from one level to the next.
    """
    size = int(views.boxes.widths[image]), int(views.boxes.heights[image])
    scales = views.pyramid.scale_factors(np.array(size[1:]), np.array(size[:1]))[0]
    levels = [
        Level(float(scale), valid_range, views.tile_size)
        for scale, valid_range in zip(scales, views.pyramid.valid_ranges)
    ]
    return CoarseToFine(size, levels, settings, views.tile_overlap)
