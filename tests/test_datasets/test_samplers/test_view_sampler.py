"""ViewSampler deals whole images so that mmengine's collecting counts each of them once."""

import os
from itertools import chain, zip_longest
from types import SimpleNamespace

import numpy as np
import pytest
from mmdet.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, DataLoader

from mmsniper.datasets.samplers import ViewSampler, deal_to_workers, view_sampler
from mmsniper.errors import InputError


class Views:
    """A dataset of ``num_images`` images with 1 to 4 views each."""

    def __init__(self, num_images, counts=None):
        if counts is None:
            counts = np.random.default_rng(num_images).integers(1, 5, size=num_images)
        self.view_starts = np.concatenate([[0], np.cumsum(counts)])
        self.images = np.repeat(np.arange(num_images), counts)

    def __len__(self):
        return len(self.images)


def samplers(monkeypatch, dataset, world_size, **kwargs):
    result = []
    for rank in range(world_size):
        monkeypatch.setattr(view_sampler, 'get_dist_info', lambda rank=rank: (rank, world_size))
        result.append(ViewSampler(dataset, **kwargs))
    return result


def whole_images(dataset, indices):
    """The images of a list of indices, checking that each comes whole and in order."""
    images, position = [], 0
    while position < len(indices):
        image = dataset.images[indices[position]]
        views = list(range(dataset.view_starts[image], dataset.view_starts[image + 1]))
        assert indices[position : position + len(views)] == views
        images.append(int(image))
        position += len(views)
    return images


@pytest.mark.parametrize('round_up', [True, False])
@pytest.mark.parametrize('world_size', [1, 2, 3, 4])
@pytest.mark.parametrize('num_images', [0, 1, 2, 5, 8, 9])
def test_every_image_counts_once(monkeypatch, num_images, world_size, round_up):
    dataset = Views(num_images)
    parts = []
    for sampler in samplers(monkeypatch, dataset, world_size, round_up=round_up):
        indices = list(sampler)
        assert len(sampler) == len(indices)
        parts.append(whole_images(dataset, indices))
        assert sampler.num_images == len(parts[-1])
    if round_up:
        assert len({len(part) for part in parts}) == 1
    else:
        assert sum(map(len, parts)) == num_images
    # what mmengine.dist.collect_results does with the parts of the ranks
    collected = [i for i in chain.from_iterable(zip_longest(*parts)) if i is not None]
    assert collected[:num_images] == list(range(num_images))


def test_padding_starts_again_with_the_first_images(monkeypatch):
    dataset = Views(5)
    parts = [whole_images(dataset, list(sampler)) for sampler in samplers(monkeypatch, dataset, 4)]
    assert parts == [[0, 4], [1, 0], [2, 1], [3, 2]]


def test_a_rank_never_gets_an_image_twice(monkeypatch):
    for num_images in range(1, 13):
        for world_size in range(1, 9):
            for sampler in samplers(monkeypatch, Views(num_images), world_size):
                assert len(set(sampler)) == len(sampler)


def dealt(dataset, sampler, num_workers, batch_size):
    """(image, view, worker) of all indices, in the order of the batches of a data loader."""
    sampler.set_lanes(max(num_workers, 1), batch_size)
    assert len(sampler) == len(list(sampler))
    return [
        (int(dataset.images[index]), int(index), number % max(num_workers, 1))
        for number, batch in enumerate(BatchSampler(sampler, batch_size, drop_last=False))
        for index in batch
    ]


@pytest.mark.parametrize('world_size', [1, 2, 3])
@pytest.mark.parametrize('batch_size', [1, 2, 3, 8])
@pytest.mark.parametrize('num_workers', [0, 1, 2, 3, 4, 7])
def test_one_worker_gets_all_views_of_an_image(monkeypatch, num_workers, batch_size, world_size):
    generator = np.random.default_rng(0)
    for num_images, most in ((1, 40), (2, 9), (5, 30), (30, 6), (40, 1)):
        counts = generator.integers(1, most + 1, size=num_images)
        counts[generator.integers(num_images)] *= 9
        dataset = Views(num_images, counts)
        for sampler in samplers(monkeypatch, dataset, world_size):
            in_order = list(sampler)
            given = dealt(dataset, sampler, num_workers, batch_size)
            assert sorted(index for _, index, _ in given) == sorted(in_order)
            # Images begin in order, each with its first view.
            begun = list(dict.fromkeys(image for image, _, _ in given))
            assert begun == list(dict.fromkeys(dataset.images[in_order].tolist()))
            workers, seen = {}, {}
            for image, index, worker in given:
                assert image in seen or index == dataset.view_starts[image]
                workers.setdefault(image, set()).add(worker)
                seen.setdefault(image, []).append(index)
            shared = [image for image in begun if len(workers[image]) > 1]
            if num_workers <= 1:
                assert [index for _, index, _ in given] == in_order and not shared
                continue
            assert len(shared) <= num_workers - 1
            # These were all unfinished when the last image had begun.
            last = next(at for at, (image, _, _) in enumerate(given) if image == begun[-1])
            for image in shared:
                assert any(image == later for later, _, _ in given[last:])
            for image in set(begun) - set(shared):
                assert seen[image] == sorted(seen[image]), 'level by level'


def test_lanes_by_hand():
    dataset = Views(5, [5, 2, 1, 3, 1])  # views 0-4, 5-6, 7, 8-10, 11
    sampler = ViewSampler(dataset)
    sampler.set_lanes(2, 1)
    first, second = list(sampler)[::2], list(sampler)[1::2]
    assert first == [0, 1, 2, 3, 4, 11] and second == [5, 6, 7, 8, 9, 10]
    sampler.set_lanes(2, 2)
    assert list(sampler) == [0, 1, 5, 6, 2, 3, 7, 8, 4, 11, 9, 10]


def levels_of(num_levels):
    return SimpleNamespace(num_levels=num_levels)


def test_batches_of_whole_images_by_hand():
    dataset = Views(6, [2, 2, 2, 5, 2, 2])  # the fourth in tiles: views 6 to 10
    dataset.pyramid = levels_of(2)
    sampler = ViewSampler(dataset)
    assert list(sampler) == list(range(15))
    sampler.set_lanes(1, 2)
    # The fifth image begins in the middle of a batch, which has room for no other.
    assert list(sampler) == [0, 2, 1, 3, 4, 5, *range(6, 11), 11, 12, 13, 14]
    sampler.set_lanes(1, 8)
    assert list(sampler) == [0, 2, 4, 1, 3, 5, *range(6, 11), 11, 13, 12, 14]
    # No more than a worker keeps decoded.
    side = np.full(6, 2**13)
    dataset.boxes = SimpleNamespace(heights=side, widths=side)
    assert list(sampler) == list(range(15))


@pytest.mark.parametrize('seed', range(40))
def test_images_begin_in_order_in_batches_of_whole_ones(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    num_levels, world_size = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    counts = rng.choice([num_levels, num_levels, num_levels, 5, 9], int(rng.integers(1, 60)))
    dataset = Views(len(counts), counts)
    dataset.pyramid = levels_of(num_levels)
    num_lanes, batch_size = int(rng.integers(1, 5)), int(rng.integers(2, 9))
    for sampler in samplers(monkeypatch, dataset, world_size):
        in_order = list(sampler)
        given = dealt(dataset, sampler, num_lanes, batch_size)
        assert sorted(index for _, index, _ in given) == sorted(in_order)
        begun = list(dict.fromkeys(image for image, _, _ in given))
        assert begun == list(dict.fromkeys(dataset.images[in_order].tolist()))
        for image in begun:
            first = next(index for other, index, _ in given if other == image)
            assert first == dataset.view_starts[image]


def test_batches_are_of_one_level_again_after_an_image_in_tiles():
    dataset = Views(65, [7] + [3] * 64)
    dataset.pyramid = levels_of(3)
    sampler = ViewSampler(dataset)
    sampler.set_lanes(1, 8)
    batches = list(BatchSampler(sampler, 8, drop_last=False))
    mixed = [batch for batch in batches if len({(index - 7) % 3 for index in batch}) > 1]
    assert len(mixed) <= 4  # two until they are, and the last images, which fill no batch


@pytest.mark.parametrize('num_lanes', [1, 2, 3])
@pytest.mark.parametrize('batch_size', [2, 3, 8])
def test_batches_hold_views_of_one_level(num_lanes, batch_size):
    dataset = Views(5 * batch_size * num_lanes, [3] * (5 * batch_size * num_lanes))
    dataset.pyramid = levels_of(3)
    sampler = ViewSampler(dataset)
    sampler.set_lanes(num_lanes, batch_size)
    indices = np.array(list(sampler))
    assert sorted(indices.tolist()) == list(range(len(dataset)))
    levels = (indices % 3).reshape(-1, batch_size)
    assert (levels == levels[:, :1]).all()
    # Never more images under way than one group for each lane.
    position = np.empty(len(dataset), int)
    position[indices] = np.arange(len(dataset))
    spans = np.ptp(position.reshape(-1, 3), axis=1)
    assert spans.max() < 3 * batch_size * num_lanes


@pytest.mark.parametrize('num_workers', [2, 3, 4, 8])
def test_of_one_huge_image_each_worker_gets_parts_that_hang_together(num_workers):
    dataset = Views(1, [1000])
    given = dealt(dataset, ViewSampler(dataset), num_workers, 1)
    parts = []
    for worker in range(num_workers):
        indices = [index for _, index, of in given if of == worker]
        parts.append(1 + np.count_nonzero(np.diff(indices) != 1))
        assert len(indices) in (1000 // num_workers, 1000 // num_workers + 1)
    assert max(parts) <= 12, 'not hundreds, of which each would need other pixels'


def test_views_are_dealt_lazily():
    dataset = Views(10**5, np.full(10**5, 30))
    sampler = ViewSampler(dataset)
    sampler.set_lanes(4, 2)
    assert [index for index, _ in zip(sampler, range(8))] == [0, 1, 30, 31, 60, 61, 90, 91]
    assert len(sampler) == 3 * 10**6


class WhoLoads(Views):
    """Items tell the image and the process that loaded it."""

    def __getitem__(self, index):
        return int(self.images[index]), os.getpid()


def test_workers_of_a_data_loader_that_stay_get_the_same_images_again():
    dataset = WhoLoads(20)
    loader = DataLoader(
        dataset,
        batch_size=3,
        sampler=ViewSampler(dataset),
        num_workers=2,
        persistent_workers=True,
        multiprocessing_context='fork',
        collate_fn=list,
    )
    deal_to_workers(loader)
    epochs = [[item for batch in loader for item in batch] for _ in range(2)]
    assert epochs[0] == epochs[1] and len(epochs[0]) == len(dataset)
    pairs = set(epochs[0])
    assert len({process for _, process in pairs}) == 2
    assert len(pairs) <= 20 + 1, 'one image may be shared at the end'


class OddBatchSampler(BatchSampler):
    """One that makes batches in its own way."""


@pytest.mark.parametrize('num_workers, lanes', [(0, 1), (1, 1), (2, 2)])
def test_lanes_are_those_of_the_data_loader(num_workers, lanes):
    dataset = Views(9)
    options = dict(num_workers=num_workers)
    sampler = ViewSampler(dataset)
    deal_to_workers(DataLoader(dataset, batch_size=2, sampler=sampler, **options))
    assert (sampler.num_lanes, sampler.batch_size) == (lanes, 2)
    sampler = ViewSampler(dataset)
    deal_to_workers(DataLoader(dataset, batch_sampler=BatchSampler(sampler, 2, False), **options))
    assert (sampler.num_lanes, sampler.batch_size) == (lanes, 2)
    sampler = ViewSampler(dataset)
    batches = OddBatchSampler(sampler, 2, False)
    deal_to_workers(DataLoader(dataset, batch_sampler=batches, **options))
    assert sampler.num_lanes == 1, 'nobody knows which worker would get what'
    deal_to_workers(DataLoader(dataset, batch_size=2, **options))
    deal_to_workers(DataLoader(dataset, batch_size=None, sampler=sampler, **options))
    assert sampler.num_lanes == 1


def test_registered_in_mmdetection():
    dataset = Views(3)
    sampler = DATA_SAMPLERS.build(dict(type='ViewSampler', dataset=dataset, seed=3))
    assert list(sampler) == list(range(len(dataset)))


def test_shuffle_is_refused():
    with pytest.raises(InputError, match='shuffle=False'):
        ViewSampler(Views(2), shuffle=True)


@pytest.mark.parametrize('name', ['shuffle', 'round_up'])
def test_settings_that_are_no_switch_are_refused(name):
    with pytest.raises(InputError, match=f"ViewSampler: {name}='False' must be True or False"):
        ViewSampler(Views(2), **{name: 'False'})


def test_dataset_without_views_is_refused():
    with pytest.raises(InputError, match='ChipDataset.test_mode=True'):
        ViewSampler([1, 2, 3])
