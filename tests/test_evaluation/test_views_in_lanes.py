"""Whatever the workers, batches and ranks, metrics get the same images in the same order."""

import functools
from itertools import chain, zip_longest

import fake_views as fakes
import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from torch.utils.data import BatchSampler

from mmsniper.datasets import ViewSampler
from mmsniper.datasets.samplers import view_sampler
from mmsniper.evaluation import MergingEvaluator, merging_evaluator


class TiledViews(fakes.FakeViews):
    """Images of 1, 3, 12 or 2 tiles of two levels; the fifth is the third (of 12) once more."""

    def __init__(self, num_images):
        super().__init__(0)
        numbers = np.arange(num_images)
        self.image_ids = np.where(numbers % 5 == 4, 2, numbers)
        starts = [0]
        for image in self.image_ids.tolist():
            lefts = np.linspace(0, fakes.WIDTH - 80, [1, 3, 12, 2][image % 4])
            tiles = [(left, 0, left + 80, fakes.HEIGHT) for left in lefts.round().tolist()]
            views = [(tile, 2.0, (-1, 40)) for tile in tiles[:-1]] + [(fakes.WHOLE, 0.5, (30, -1))]
            self.views += [(image, number, len(views), *v) for number, v in enumerate(views)]
            starts.append(len(self.views))
        self.view_starts = np.array(starts)


def metric_input(dataset, num_workers, batch_size, world_size, monkeypatch):
    """What the metric collects, and what is finished by number, of ranks that run in turn."""
    num_images = len(dataset.view_starts) - 1
    detector, parts, finished = fakes.FakeDetector(), [], {}
    for rank in range(world_size):
        for module in (view_sampler, merging_evaluator):
            monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, world_size))
        sampler = ViewSampler(dataset)
        sampler.set_lanes(max(num_workers, 1), batch_size)
        metric = fakes.RecordingMetric()
        evaluator = MergingEvaluator(Evaluator(metric), num_images)
        for batch in BatchSampler(sampler, batch_size, drop_last=False):
            samples = [dataset[index]['data_samples'] for index in batch]
            evaluator.process(detector(None, samples))
            for number, sample in evaluator.finished.items():
                assert number not in finished
                finished[number] = sample.img_id
        assert evaluator.num_unfinished == 0 and not evaluator._images._in_order
        parts.append(metric.results)
    # What mmengine.dist.collect_results does with the parts of the ranks.
    collected = [result for result in chain.from_iterable(zip_longest(*parts)) if result]
    return collected[:num_images], finished


@functools.lru_cache
def one_after_the_other(num_images):
    """The images and their results by a loop over images, with an evaluator for each."""
    dataset, results = TiledViews(num_images), []
    for first, end in zip(dataset.view_starts[:-1], dataset.view_starts[1:]):
        metric = fakes.RecordingMetric()
        evaluator = MergingEvaluator(Evaluator(metric), 1)
        for index in range(first, end):
            sample = dataset[index]['data_samples']
            evaluator.process(fakes.FakeDetector()(None, [sample]))
        results += metric.results
    return results


@pytest.mark.parametrize('world_size', [1, 2, 3])
@pytest.mark.parametrize('batch_size', [1, 2, 3, 8])
@pytest.mark.parametrize('num_workers', [0, 1, 2, 4])
def test_metrics_get_the_same(monkeypatch, num_workers, batch_size, world_size):
    for num_images in (1, 2, 7, 10):
        dataset = TiledViews(num_images)
        results, finished = metric_input(dataset, num_workers, batch_size, world_size, monkeypatch)
        assert results == one_after_the_other(num_images)
        assert finished == dict(enumerate(dataset.image_ids))
        assert sum(len(result['bboxes']) for result in results) >= num_images


@pytest.mark.parametrize('num_workers, most', [(1, 0), (2, 1), (4, 3)])
def test_images_that_wait_for_their_turn_are_few(num_workers, most):
    """No more than the other workers load while the largest image is under way."""
    dataset = TiledViews(40)
    sampler = ViewSampler(dataset)
    sampler.set_lanes(num_workers, 1)
    evaluator = MergingEvaluator(Evaluator([]), 40)
    waiting = 0
    for index in sampler:
        evaluator.process(fakes.FakeDetector()(None, [dataset[index]['data_samples']]))
        assert evaluator.num_unfinished <= num_workers
        waiting = max(waiting, len(evaluator._images._in_order) - evaluator.num_unfinished)
    assert waiting <= 12 * most and bool(waiting) == bool(most)
