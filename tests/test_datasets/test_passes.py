"""Loading in passes: which worker loads what, and what groups of one size are."""

import gc
import multiprocessing

from torch.utils.data import Dataset, get_worker_info

from mmsniper.datasets.passes import Passes, batches_of_one_size


class Numbers(Dataset):
    """Each index with the worker that loaded it."""

    def __getitem__(self, index):
        worker = get_worker_info()
        return index, worker.id if worker else None


def test_batches_of_a_lane_have_one_worker_in_every_pass_and_workers_end():
    others = set(multiprocessing.active_children())
    passes = Passes(Numbers(), 2, collate_fn=list)
    for _ in range(2):
        batches = [[number] for number in range(8)]
        loaded = [batch[0] for batch in passes.load(batches, [number // 2 for number in range(8)])]
        assert sorted(loaded) == [(number, number // 2 % 2) for number in range(8)]
    assert list(passes.load([[1]], [0])) == [[(1, 0)]]
    own = set(multiprocessing.active_children()) - others
    assert len(own) == 2
    gc.disable()  # nothing holds the loader in a circle
    try:
        del passes
        assert not own & set(multiprocessing.active_children())
    finally:
        gc.enable()


def test_few_batches_are_loaded_here():
    passes = Passes(Numbers(), 2, few=1, collate_fn=list)
    assert list(passes.load([[1, 2]], [0])) == [[(1, None), (2, None)]]


def test_batches_of_one_size():
    found = batches_of_one_size('aAbBcaaB', str.lower, 2)
    assert found == [['a', 'A'], ['b', 'B'], ['a', 'a'], ['c'], ['B']]
    assert batches_of_one_size([], str, 2) == []
