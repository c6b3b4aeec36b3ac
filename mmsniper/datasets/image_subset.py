"""Some of the images of a dataset."""

from __future__ import annotations

from collections.abc import Sequence


class ImageSubset:
    """Some images of a dataset or wrapper, of which ``ChipDataset`` asks nothing more than this.

    Unlike ``BaseDataset.get_subset`` it works on wrappers too, and copies nothing.

    Args:
        dataset: Answers ``get_data_info``.
        indices (Sequence[int]): Which of its images, in this order.
    """

    def __init__(self, dataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    @property
    def metainfo(self) -> dict:
        """That of the dataset."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Read the annotations."""
        self.dataset.full_init()

    def __len__(self) -> int:
        return len(self.indices)

    def get_data_info(self, index: int) -> dict:
        """What the dataset knows of an image."""
        return self.dataset.get_data_info(int(self.indices[index]))

    def get_cat_ids(self, index: int) -> list[int]:
        """Classes in an image."""
        return self.dataset.get_cat_ids(int(self.indices[index]))
