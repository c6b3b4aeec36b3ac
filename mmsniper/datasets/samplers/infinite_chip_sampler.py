"""An endless sampler for iteration-based training on chips."""

from __future__ import annotations

from collections.abc import Iterator

from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import InfiniteSampler

from mmsniper.errors import InputError


@DATA_SAMPLERS.register_module()
class InfiniteChipSampler(InfiniteSampler):
    """``InfiniteSampler`` with which every pass through a ``ChipDataset`` is a new epoch of chips.

    The indices of pass e are those of pass 0 plus e times the dataset's length, which
    ``ChipDataset`` understands as chips of epoch e. So it does not matter how far workers have
    fetched ahead.

    Inside of ``MultiImageMixDataset`` the chips that are mixed into an item are always of pass 0.
    """

    def __init__(self, dataset, *args, **kwargs) -> None:
        chips = dataset.dataset if isinstance(dataset, MultiImageMixDataset) else dataset
        if not hasattr(chips, 'set_epoch'):
            raise InputError(
                f'InfiniteChipSampler cannot find the epochs of a {type(dataset).__name__}: use '
                'ChipDataset as the outermost dataset, with other wrappers inside of it'
            )
        chips.sampler_chooses_epochs = True
        super().__init__(dataset, *args, **kwargs)

    def _infinite_indices(self) -> Iterator[int]:
        for position, index in enumerate(super()._infinite_indices()):
            yield position // self.size * self.size + index
