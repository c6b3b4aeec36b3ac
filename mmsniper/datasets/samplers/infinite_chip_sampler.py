"""An endless sampler for iteration-based training on chips."""

from __future__ import annotations

from collections.abc import Iterator

from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import InfiniteSampler


@DATA_SAMPLERS.register_module()
class InfiniteChipSampler(InfiniteSampler):
    """``InfiniteSampler`` with which every pass through a ``ChipDataset`` is a new epoch of chips.

    The indices of pass e are those of pass 0 plus e times the dataset's length, which
    ``ChipDataset`` understands as chips of epoch e. So it does not matter how far workers have
    fetched ahead.
    """

    def _infinite_indices(self) -> Iterator[int]:
        for position, index in enumerate(super()._infinite_indices()):
            yield position // self.size * self.size + index
