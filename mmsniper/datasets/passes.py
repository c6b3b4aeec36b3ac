"""Loading in passes, each of which depends on what came of the one before."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

Item = TypeVar('Item')


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
        self._turns = _Turns(max(num_workers, 1))
        self._loader: DataLoader | None = None

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
                batch_sampler=self._turns,
                num_workers=self.num_workers,
                **workers,
                **self._settings,
            )
        self._turns.deal(batches, lanes)
        return iter(self._loader)


class _Turns:
    """The batches of the present pass, as the workers take them in turn: a batch sampler.

    It knows nothing of whose it is: the workers end as soon as nobody holds the data loader.
    """

    def __init__(self, num_lanes: int) -> None:
        self.queues: list[deque] = [deque() for _ in range(num_lanes)]

    def deal(self, batches: Sequence[Sequence], lanes: Sequence[int]) -> None:
        """Take the batches of a new pass in place of what an abandoned one has left."""
        self.queues = [deque() for _ in self.queues]
        for batch, lane in zip(batches, lanes):
            self.queues[lane % len(self.queues)].append(batch)

    def __iter__(self) -> Iterator[Sequence]:
        for turn in itertools.count():
            queue = self.queues[turn % len(self.queues)] or max(self.queues, key=len)
            if not queue:
                return
            yield queue.popleft()


def batches_of_one_size(
    items: Iterable[Item], size_of: Callable[[Item], Hashable], batch_size: int
) -> list[list[Item]]:
    """Put items into batches of those of one size.

    Args:
        items (Iterable): The items.
        size_of (Callable): Gives what is alike in a batch.
        batch_size (int): The most items of a batch.

    Returns:
        list[list]: First the full ones, as they become full, then what is left of each size.
    """
    full: list[list[Item]] = []
    begun: dict[Hashable, list[Item]] = {}
    for item in items:
        size = size_of(item)
        group = begun.setdefault(size, [])
        group.append(item)
        if len(group) == batch_size:
            full.append(begun.pop(size))
    return [*full, *begun.values()]
