"""Batches of equal pixels: right in the mean, the same after a resume, levels taking turns."""

from collections import Counter
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
from coco_files import write_coco
from mmdet.structures import DetDataSample
from proposal_tables import proposal_table, random_boxes

from mmsniper.datasets import ChipDataset
from mmsniper.datasets.proposal_file import write_proposals
from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks import EqualPixelBatchSampler
from mmsniper.experiments.benchmarks.budget import Budget, item_pixels
from mmsniper.experiments.benchmarks.pixel_counter import batch_pixels, positive_pixels

SIZES = [(160, 200), (150, 150), (128, 180), (140, 140)]
BOXES = [
    [(10, 10, 30, 30), (80, 60, 70, 70)],
    [(20, 60, 25, 20)],
    [(3, 9, 20, 20)],
    [(5, 5, 90, 90)],
]
PYRAMID = dict(levels=[1.0, 0.5], valid_ranges=[(-1, 60), (40, -1)])


@pytest.fixture
def images(tmp_path):
    data = write_coco(tmp_path, SIZES, BOXES)
    return ChipDataset(data, test_mode=True, **PYRAMID)


@pytest.fixture
def chips(tmp_path):
    data = write_coco(tmp_path, SIZES, BOXES)
    return ChipDataset(data, chip_size=96, stride=16, **PYRAMID)


def sampler(dataset, step_pixels, steps=50, seed=0):
    return EqualPixelBatchSampler(
        SimpleNamespace(dataset=dataset, epoch=0), 1, step_pixels, steps, seed
    )


def epochs(found, count):
    for epoch in range(count):
        found.sampler.epoch = epoch
        yield list(found)


def test_pixels_of_chips_are_those_of_the_batches(chips):
    step = 3.3 * item_pixels(chips).mean()
    found = sampler(chips, step)
    totals = [item_pixels(chips, batch).sum() for batch in found]
    assert len(totals) == len(found) == 50
    largest = item_pixels(chips, range(5 * len(chips))).max()
    # At every moment, not only in the end.
    assert np.abs(np.cumsum(totals) - step * np.arange(1, 51)).max() <= largest


def test_chips_come_in_whole_passes_of_new_epochs(chips):
    found = sampler(chips, 2 * item_pixels(chips).mean())
    items = list(chain.from_iterable(found))
    length = len(chips)
    for done in range(len(items) // length):
        part = items[done * length : (done + 1) * length]
        assert sorted(part) == list(range(done * length, (done + 1) * length))
    assert [i % length for i in items[:length]] != [i % length for i in items[length : 2 * length]]


def test_levels_of_whole_images_have_as_many_images(images):
    step = 1.3 * item_pixels(images).mean()
    found = sampler(images, step, steps=200)
    batches = list(found)
    levels = [images.table.level[batch] for batch in batches]
    assert all(len(set(level.tolist())) == 1 for level in levels)
    counts = Counter(np.concatenate(levels).tolist())
    assert abs(counts[0] - counts[1]) <= 2
    assert {len(batch) for batch in batches} == {1, 2}
    total = sum(item_pixels(images, batch).sum() for batch in batches)
    assert total == pytest.approx(200 * step, rel=0.02)
    seen = Counter(chain.from_iterable(batches))
    assert max(seen.values()) - min(seen.values()) <= 1


@pytest.mark.parametrize('kind', ['chips', 'images'])
def test_a_resumed_training_has_the_batches_of_an_uninterrupted_one(kind, request):
    dataset = request.getfixturevalue(kind)
    step = 1.4 * item_pixels(dataset).mean()
    whole = list(epochs(sampler(dataset, step, steps=7), 4))
    later = sampler(dataset, step, steps=7)
    later.sampler.epoch = 2
    assert list(later) == whole[2]
    assert list(chain.from_iterable(whole)) == list(sampler(dataset, step, steps=28))
    assert list(sampler(dataset, step, steps=28, seed=1)) != list(chain.from_iterable(whole))


def test_the_pixels_of_an_item_are_those_that_the_network_gets(chips, images, tmp_path):
    pipeline = [dict(type=name) for name in ('LoadIntactImage', 'ChipSample', 'ScaleNormalize')]
    for dataset in (chips, images):
        whole = ChipDataset(
            write_coco(tmp_path, SIZES, BOXES),
            pipeline=pipeline,
            test_mode=dataset.test_mode,
            **PYRAMID,
            **({} if dataset.test_mode else dict(chip_size=96, stride=16)),
        )
        shapes = [whole[i]['img_shape'][:2] for i in range(len(whole))]
        assert item_pixels(dataset).tolist() == [h * w for h, w in shapes]


def test_a_step_smaller_than_an_image_is_refused(images):
    with pytest.raises(InputError, match='give step_mpx of'):
        sampler(images, 0.9 * item_pixels(images).mean())


def test_a_budget_is_cut_into_whole_rounds():
    budget = Budget.nearest(150, step_mpx=0.308, rounds=8, curve_points=4)
    assert budget.steps == 8 * budget.steps_per_round == 488
    assert budget.mpx == pytest.approx(150, rel=0.01)
    for wrong in (dict(mpx=0), dict(step_mpx=-1), dict(curve_points=3)):
        with pytest.raises(InputError):
            Budget.nearest(**{**dict(mpx=9, step_mpx=1, rounds=8, curve_points=4), **wrong})


def test_negative_chips_may_come_on_top(tmp_path):
    data = write_coco(tmp_path, SIZES, BOXES)
    corners = random_boxes(0, 60, (0, 0, 120, 120), 5, 20)
    path = tmp_path / 'proposals.npz'
    write_proposals(path, proposal_table({f'{i}.png': corners for i in range(len(SIZES))}))
    chips = ChipDataset(
        data, chip_size=64, stride=16, proposal_file=str(path), min_proposals=2, **PYRAMID
    )
    step = 3.3 * item_pixels(chips).mean()
    found = EqualPixelBatchSampler(
        SimpleNamespace(dataset=chips, epoch=0), 1, step, 50, count_negatives=False
    )
    batches = list(found)
    plain, extra = 0, 0
    for index in chain(*batches):
        if chips.get_data_info(index)['is_negative']:
            extra += int(item_pixels(chips, [index])[0])
        else:
            plain += int(item_pixels(chips, [index])[0])
    assert plain == pytest.approx(50 * step, rel=0.02) and extra > 0.05 * plain
    every = list(EqualPixelBatchSampler(SimpleNamespace(dataset=chips, epoch=0), 1, step, 50))
    total = sum(item_pixels(chips, batch).sum() for batch in every)
    assert total == pytest.approx(50 * step, rel=0.02)


def test_only_negative_chips_are_no_training(tmp_path):
    info = dict(chip=np.array([0, 0, 9, 9]), chip_scale=1)
    chips = SimpleNamespace(
        test_mode=False,
        get_data_info=lambda index: dict(info, is_negative=True),
    )

    class Chips(SimpleNamespace):
        def __len__(self):
            return 4

    found = EqualPixelBatchSampler(
        SimpleNamespace(dataset=Chips(**vars(chips)), epoch=0), 1, 100, 5, count_negatives=False
    )
    with pytest.raises(InputError, match='all chips are negative'):
        list(found)


def test_pixels_of_negative_chips_are_told_apart():
    samples = []
    for shape, negative in (((100, 80), False), ((60, 60), True), ((50, 70), None)):
        info = dict(img_shape=shape)
        if negative is not None:  # a whole image
            info['is_negative'] = negative
        samples.append(DetDataSample(metainfo=info))
    batch = dict(data_samples=samples)
    assert batch_pixels(batch)[0] == 8000 + 3600 + 3500
    assert positive_pixels(batch) == 8000 + 3500
