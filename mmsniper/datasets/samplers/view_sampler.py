"""Deal whole images, not single views, to the ranks of a test."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sized

import numpy as np
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from mmengine.logging import print_log
from torch.utils.data import Sampler

from ...errors import InputError
from ...utils.settings import check_switch


@DATA_SAMPLERS.register_module()
class ViewSampler(Sampler):
    """Yields all views of an image together and in order, on one rank.

    Rank ``r`` of ``W`` gets the images ``r``, ``r + W``, ``r + 2W``, ... That is the order in which
    mmengine's ``collect_results`` interleaves the results of the ranks and cuts them to the number
    of images, so every image is counted exactly once.

    Args:
        dataset: A :class:`ChipDataset` in test mode, whose ``view_starts[i]`` is the index of the
            first view of image ``i``, with the number of views at the end.
        shuffle: Must be False, views have to stay together. It is here because configs pass it.
        seed: Not used. It is here because mmengine passes it.
        round_up: Whether the first images are dealt out again so that every rank has equally many
            *images*. Defaults to True.

    Raises:
        InputError: If ``shuffle`` is True, a setting is neither True nor False, or the dataset has
            no ``view_starts``.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = False,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        check_switch('ViewSampler', 'shuffle', shuffle)
        check_switch('ViewSampler', 'round_up', round_up)
        if shuffle:
            raise InputError(
                'ViewSampler keeps the views of an image together and cannot shuffle: '
                'set shuffle=False in the sampler.'
            )
        view_starts = getattr(dataset, 'view_starts', None)
        if view_starts is None:
            raise InputError(
                f'ViewSampler cannot find the views of a {type(dataset).__name__} (it has no '
                'view_starts): use ChipDataset(test_mode=True) as the dataset of the dataloader.'
            )
        self.dataset = dataset
        self.round_up = round_up
        self.rank, self.world_size = get_dist_info()
        view_starts = np.asarray(view_starts, dtype=np.int64)
        images = self._images(len(view_starts) - 1)
        self.num_images = len(images)
        self._indices = _ranges(view_starts[images], view_starts[images + 1])

    def _images(self, num_images: int) -> np.ndarray:
        """The images of this rank, in order, as an int64 array."""
        end = num_images
        if self.round_up and num_images:
            end = -(-num_images // self.world_size) * self.world_size
        images = np.arange(self.rank, end, self.world_size, dtype=np.int64)
        return images % max(num_images, 1)

    def __iter__(self) -> Iterator[int]:
        """Iterates the dataset indices of the views of this rank."""
        if not getattr(self.dataset, 'views_are_merged', True):
            print_log(
                'The views of an image are not merged, so metrics would be wrong: add '
                "dict(type='ChipMergeHook') to custom_hooks (a list in a config replaces the one "
                'it inherits).',
                logger='current',
                level=logging.WARNING,
            )
        return iter(self._indices.tolist())

    def __len__(self) -> int:
        """The number of views of this rank; ranks may differ."""
        return len(self._indices)


def _ranges(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Concatenates ``arange(start, end)`` of all pairs, without a loop over them."""
    counts = ends - starts
    firsts = np.cumsum(counts) - counts  # where each range begins in the output
    return np.repeat(starts - firsts, counts) + np.arange(counts.sum(), dtype=np.int64)
