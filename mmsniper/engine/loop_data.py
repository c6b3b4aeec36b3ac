"""The datasets of chips that a loop goes through."""

from __future__ import annotations

from mmengine.runner.base_loop import BaseLoop

from ..datasets import ChipDataset
from ..datasets.nesting import nested_datasets


def chip_datasets(loop: BaseLoop) -> list[ChipDataset]:
    """Every ``ChipDataset`` below a loop's data loader, whatever wraps it, from the outside in."""
    nested = nested_datasets(loop.dataloader.dataset)
    return [dataset for dataset in nested if isinstance(dataset, ChipDataset)]
