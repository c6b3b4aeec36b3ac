"""A process of its own that loads the items of a dataset when it is asked to, and says how long."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from mmsniper.datasets import ChipDataset

from .asked_process import AskedProcess, answer_questions, peak_mb


class LoadingProcess(AskedProcess):
    """Loads items of a dataset, to be used as a context.

    Args:
        make_dataset: Called in the process; gives a ``ChipDataset`` or any other.
        num_workers: Of a data loader; 0 loads in the process itself.
    """

    def __init__(self, make_dataset: Callable[[], Any], num_workers: int = 0) -> None:
        super().__init__('loads images', _serve, make_dataset, num_workers)

    def load(self, indices: Sequence[int], epoch: int = 0) -> float:
        """Seconds that loading these items of an epoch took.

        Raises:
            InputError: An item cannot be loaded.
        """
        return self.ask((list(indices), epoch))

    def peak_mb(self) -> float:
        """The largest resident memory of the process so far, in 10**6 bytes."""
        return self.ask((None, 0))


def _serve(make_dataset: Callable[[], Any], num_workers: int, connection: Connection) -> None:
    # As MMDetection's configs set it, so that only one core is at work.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    loader = None

    def answer(question: tuple[list[int] | None, int]) -> float:
        nonlocal loader
        indices, epoch = question
        if loader is None:
            loader = _Loader(make_dataset(), num_workers)
        return peak_mb() if indices is None else loader.load(indices, epoch)

    answer_questions(connection, answer)


class _Loader:
    """Loads items of a dataset, by a data loader if it is to have workers."""

    def __init__(self, dataset: Any, num_workers: int) -> None:
        self._dataset = dataset
        self._indices: list[int] = []
        self._batches = None
        if num_workers:
            self._batches = DataLoader(
                dataset,
                sampler=self._indices,
                num_workers=num_workers,
                persistent_workers=True,
                collate_fn=len,  # what is loaded stays where it is
            )
            self._load_all()  # of nothing: starts the workers

    def load(self, indices: list[int], epoch: int) -> float:
        """Seconds that loading takes, which choosing the chips of the epoch is no part of."""
        if isinstance(self._dataset, ChipDataset):
            self._dataset.set_epoch(epoch)
            len(self._dataset.table)
        self._indices[:] = indices
        begin = time.perf_counter()
        self._load_all()
        return time.perf_counter() - begin

    def _load_all(self) -> None:
        if self._batches is not None:
            deque(self._batches, maxlen=0)
        else:
            for index in self._indices:
                self._dataset[index]
