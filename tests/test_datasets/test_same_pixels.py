"""The chips of an epoch are the same, pixel for pixel, whoever loads them and whenever."""

import zlib

import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from mmengine.dataset import DefaultSampler, pseudo_collate, sampler
from torch.utils.data import DataLoader

from mmsniper.datasets import ChipDataset

EPOCHS = (0, 1, 3)


@pytest.fixture
def build(tmp_path):
    """A function that builds the dataset, as a process does that begins or goes on with a run."""
    boxes = [[(10, 10, 20, 20), (120, 90, 30, 30), (30, 30, 100, 100)]] * 3
    scenes = write_coco(tmp_path, [(150, 200), (160, 170), (200, 155)], boxes, suffix='jpg')
    return lambda: ChipDataset(scenes, PIPELINE, **LEVELS)


def chips(dataset, ranks=1, monkeypatch=None, **settings):
    """For each epoch the checksums of its chips, of all ranks, in no order."""
    found = {epoch: set() for epoch in EPOCHS}
    for rank in range(ranks):
        if monkeypatch:
            monkeypatch.setattr(sampler, 'get_dist_info', lambda of=(rank, ranks): of)
        order = DefaultSampler(dataset, seed=0)
        loader = DataLoader(dataset, 3, sampler=order, collate_fn=pseudo_collate, **settings)
        for epoch in EPOCHS:
            dataset.set_epoch(epoch)
            order.set_epoch(epoch)
            for batch in loader:
                for pixels, sample in zip(batch['inputs'], batch['data_samples']):
                    chip = (sample.img_id, *sample.chip.tolist(), sample.chip_level)
                    found[epoch].add((chip, zlib.crc32(pixels.numpy().tobytes())))
    return found


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
def test_one_process_or_more(build, monkeypatch):
    expected = chips(build())
    assert expected[0] != expected[1] != expected[3]
    assert all(len({chip for chip, _ in each}) == len(each) for each in expected.values())
    for settings in (
        dict(num_workers=1),
        dict(num_workers=4, persistent_workers=True),
        dict(num_workers=1, multiprocessing_context='spawn', persistent_workers=True),
    ):
        assert chips(build(), **settings) == expected, settings
    assert chips(build(), ranks=2, monkeypatch=monkeypatch) == expected


@pytest.mark.slow
def test_more_processes_that_begin_anew(build):
    settings = dict(num_workers=4, multiprocessing_context='spawn', persistent_workers=True)
    assert chips(build(), **settings) == chips(build())


def test_after_a_resume(build):
    whole, resumed = build(), build()
    for epoch in EPOCHS:
        whole.set_epoch(epoch)
        of_epoch = [item['inputs'].numpy().tobytes() for item in whole]
    resumed.set_epoch(EPOCHS[-1])
    assert [item['inputs'].numpy().tobytes() for item in resumed] == of_epoch
