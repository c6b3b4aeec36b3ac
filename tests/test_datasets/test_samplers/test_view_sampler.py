"""ViewSampler deals whole images so that mmengine's collecting counts each of them once."""

from itertools import chain, zip_longest

import numpy as np
import pytest
from mmdet.registry import DATA_SAMPLERS

from mmsniper.datasets.samplers import ViewSampler, view_sampler
from mmsniper.errors import InputError


class Views:
    """A dataset of ``num_images`` images with 1 to 4 views each."""

    def __init__(self, num_images):
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
