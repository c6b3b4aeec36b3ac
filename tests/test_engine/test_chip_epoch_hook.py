from types import SimpleNamespace

import numpy as np
import pytest
from coco_files import LEVELS, PIPELINE, write_coco
from mmdet.registry import DATASETS
from proposal_tables import proposal_table

from mmsniper.datasets import ChipDataset
from mmsniper.datasets.proposal_file import write_proposals
from mmsniper.engine import ChipEpochHook


class Log:
    def __init__(self):
        self.lines = []

    def info(self, line):
        self.lines.append(line)

    warning = info


def runner_of(dataset, epoch):
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    return SimpleNamespace(train_loop=loop, epoch=epoch, logger=Log())


@pytest.fixture
def chips(tmp_path):
    boxes = [[(10, 10, 20, 20), (120, 90, 30, 30), (30, 30, 100, 100)]]
    inner = write_coco(tmp_path, [(150, 200)], boxes)
    return dict(type='ChipDataset', dataset=inner, pipeline=PIPELINE, **LEVELS)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda chips: chips,
        lambda chips: dict(type='RepeatDataset', dataset=chips, times=2),
        lambda chips: dict(
            type='ConcatDataset', datasets=[dict(type='RepeatDataset', dataset=chips, times=2)]
        ),
        lambda chips: dict(type='MultiImageMixDataset', dataset=chips, pipeline=[]),
    ],
)
def test_chip_datasets_are_found_and_told_the_epoch(chips, wrap):
    dataset = DATASETS.build(wrap(chips))
    runner = runner_of(dataset, epoch=4)
    ChipEpochHook().before_train_epoch(runner)
    inner = dataset
    while not isinstance(inner, ChipDataset):
        inner = getattr(inner, 'dataset', None) or inner.datasets[0]
    assert inner.epoch == 4
    per_level = np.bincount(inner.table.level, minlength=2).tolist()
    (line,) = runner.logger.lines
    assert line == (
        f'ChipDataset: epoch 5 has {inner.num_generated} different chips; training gets '
        f'{len(inner)}, fine to coarse: {per_level}'
    )


def test_other_datasets_are_left_alone(chips):
    runner = runner_of(DATASETS.build(dict(chips['dataset'], pipeline=[])), epoch=4)
    ChipEpochHook().before_train_epoch(runner)
    ChipEpochHook().after_train_epoch(runner)
    assert runner.logger.lines == []


def test_skipped_images_are_counted_in_the_log(chips, tmp_path):
    dataset = DATASETS.build(dict(chips, skip_broken_images=True, max_refetch=2))
    (tmp_path / '0.png').unlink()
    with pytest.raises(ValueError, match='gave nothing'):
        dataset[0]
    runner = runner_of(dataset, epoch=0)
    ChipEpochHook().after_train_epoch(runner)
    assert runner.logger.lines == ['ChipDataset: skipped 3 chips of broken images so far']


def test_balancing_outside_is_warned_of(chips):
    outside = DATASETS.build(dict(type='ClassBalancedDataset', dataset=chips, oversample_thr=0.9))
    runner = runner_of(outside, epoch=0)
    ChipEpochHook().before_train(runner)
    assert 'put it inside of ChipDataset' in runner.logger.lines[0]
    inside = dict(type='ClassBalancedDataset', dataset=chips['dataset'], oversample_thr=0.9)
    runner = runner_of(DATASETS.build(dict(chips, dataset=inside)), epoch=0)
    ChipEpochHook().before_train(runner)
    assert runner.logger.lines == []


def test_chips_that_transforms_refuse_are_counted(chips):
    refusing = dict(type='FilterAnnotations', min_gt_bbox_wh=(40, 40))
    chips['pipeline'] = [*PIPELINE[:-1], refusing, PIPELINE[-1]]
    dataset = DATASETS.build(chips)
    large = [item for item in range(len(dataset)) if has_large_object(dataset, item)]
    assert 0 < len(large) < len(dataset)
    given = [item['data_samples'].chip_level for item in dataset]
    assert len(given) == len(dataset), 'other chips take their place'
    # Each index goes on to the next chip that passes, counting those in between.
    expected = sum(
        min((item - index) % len(dataset) for item in large) for index in range(len(dataset))
    )
    assert dataset.num_chips_refused == expected
    runner = runner_of(dataset, epoch=0)
    ChipEpochHook().after_train_epoch(runner)
    (line,) = runner.logger.lines
    assert line.startswith(f'ChipDataset: transforms refused {expected} chips so far')


def has_large_object(dataset, item) -> bool:
    results = dataset.get_data_info(item)
    for transform in dataset.pipeline.transforms[:4]:
        results = transform(results)
    boxes = results['gt_bboxes']
    return bool(((boxes.widths > 40) & (boxes.heights > 40)).any())


def test_negative_chips_without_room_are_counted_in_the_log(chips, tmp_path):
    dataset = DATASETS.build(dict(chips, room_for_negatives=0))
    boxes = [[x, y, x + 6, y + 6] for x in range(0, 190, 10) for y in range(0, 140, 10)]
    write_proposals(tmp_path / 'p.npz', proposal_table({'0.png': boxes}))
    dataset.set_proposals(str(tmp_path / 'p.npz'), min_proposals=1)
    runner = runner_of(dataset, epoch=2)
    ChipEpochHook().before_train_epoch(runner)
    line = runner.logger.lines[1]
    assert dataset.num_negatives_left_out > 0
    assert line.startswith(f'ChipDataset: {dataset.num_negatives_left_out} negative chips of this')
