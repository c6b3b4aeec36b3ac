"""Loading in passes, each of which depends on what came of the one before."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset


class Passes:
    """A data loader whose batches are given anew for each pass, and whose workers stay.

    Args:
        dataset (Dataset): What items are asked of.
        num_workers (int): Processes that load batches.
        few (int): A pass of so many batches or less is loaded in this process, unless there are
            workers already. Defaults to 0.
        **settings: Of the ``DataLoader``.
    """

    def __init__(self, dataset: Dataset, num_workers: int, few: int = 0, **settings: Any) -> None:
        self.dataset = dataset
        self.num_workers = num_workers
        self.few = few
        self._settings = settings
        self._loader: DataLoader | None = None
        self._queues: Sequence[deque] = ()

    def load(self, batches: Sequence[Sequence], lanes: Sequence[int]) -> Iterator[Any]:
        """Load batches.

        Args:
            batches (Sequence[Sequence]): The indices of the items of each.
            lanes (Sequence[int]): A number for each batch: those of one number are loaded by one
                worker, as long as the others have work too.

        Returns:
            Iterator: What becomes of each batch, in an order that depends on the arguments alone.
        """
        if self._loader is None and len(batches) <= self.few:
            return iter(DataLoader(self.dataset, batch_sampler=batches, **self._settings))
        if self._loader is None:
            workers = dict(persistent_workers=True) if self.num_workers else {}
            self._loader = DataLoader(
                self.dataset,
                batch_sampler=_Turns(self),
                num_workers=self.num_workers,
                **workers,
                **self._settings,
            )
        self._queues = [deque() for _ in range(max(self.num_workers, 1))]
        for batch, lane in zip(batches, lanes):
            self._queues[lane % len(self._queues)].append(batch)
        return iter(self._loader)

    def turns(self) -> Iterator[Sequence]:
        """The batches of this pass, as the workers take them in turn."""
        for turn in itertools.count():
            queue = self._queues[turn % len(self._queues)] or max(self._queues, key=len)
            if not queue:
                return
            yield queue.popleft()


class _Turns:
    """The batch sampler of a data loader, whose batches are those of the present pass."""

    def __init__(self, passes: Passes) -> None:
        self.passes = passes

    def __iter__(self) -> Iterator[Sequence]:
        return self.passes.turns()
