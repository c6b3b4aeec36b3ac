from itertools import islice

import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from mmdet.registry import DATASETS

from mmsniper import InputError
from mmsniper.datasets import InfiniteChipSampler


@pytest.fixture
def chips(tmp_path):
    boxes = [[(10, 10, 20, 20), (120, 90, 30, 30), (30, 30, 100, 100)]]
    inner = write_coco(tmp_path, [(150, 200)], boxes)
    return dict(type='ChipDataset', dataset=inner, pipeline=PIPELINE, **LEVELS)


@pytest.mark.parametrize('mixed', [False, True])
def test_every_pass_has_indices_of_its_own(chips, mixed):
    if mixed:
        chips = dict(type='MultiImageMixDataset', dataset=chips, pipeline=[])
    dataset = DATASETS.build(chips)
    length = len(dataset)
    indices = list(islice(InfiniteChipSampler(dataset, seed=0), 3 * length))
    for epoch in range(3):
        of_pass = indices[epoch * length : (epoch + 1) * length]
        assert sorted(of_pass) == list(range(epoch * length, (epoch + 1) * length))
    assert dataset[indices[-1]] is not None


def test_wrappers_outside_are_refused(chips):
    repeated = DATASETS.build(dict(type='RepeatDataset', dataset=chips, times=2))
    with pytest.raises(InputError, match='epochs of a RepeatDataset'):
        InfiniteChipSampler(repeated)
