"""Training on chips: the same chips after a resume, and on one process or two."""

from collections import Counter

import pytest
from chip_recorder import recorded
from command_line import TOOLS, run
from mmengine.config import Config
from mmengine.runner import Runner

from mmsniper.datasets import ChipDataset


def train(config, **changes) -> dict[int, list[tuple]]:
    config = Config(config.to_dict() | changes)
    Runner.from_cfg(config).train()
    return recorded(config.work_dir)


def test_a_resumed_training_gets_the_same_chips(tiny_config, tmp_path):
    whole = train(tiny_config)
    assert sorted(whole) == [0, 1, 2]
    for epoch in (1, 2):
        assert Counter(whole[epoch]) != Counter(whole[epoch - 1]), 'workers see the new epoch'
    resumed = train(
        tiny_config,
        work_dir=str(tmp_path / 'resumed'),
        load_from=f'{tiny_config.work_dir}/epoch_1.pth',
        resume=True,
    )
    assert resumed == {1: whole[1], 2: whole[2]}, 'in the same order, too'


def test_training_by_iterations_gets_new_chips_each_pass(tiny_config, tmp_path):
    tiny_config.train_dataloader.sampler = dict(type='InfiniteChipSampler')
    loop = dict(type='IterBasedTrainLoop', max_iters=60, val_interval=1000)
    given = train(
        tiny_config,
        train_cfg=loop,
        default_hooks=dict(
            tiny_config.default_hooks, checkpoint=dict(type='CheckpointHook', by_epoch=False)
        ),
    )[0]
    dataset = ChipDataset(
        **{
            key: value
            for key, value in tiny_config.train_dataloader.dataset.items()
            if key != 'type'
        }
    )
    length = len(dataset)
    assert len(given) == 120 > 2 * length
    for epoch in range(120 // length):
        dataset.set_epoch(epoch)
        assert Counter(given[epoch * length : (epoch + 1) * length]) == expected(dataset)


def expected(dataset) -> Counter:
    table = dataset.table
    return Counter(
        ((item['data_samples'].img_id, int(item['inputs'].sum())), int(level), *box.tolist())
        for item, level, box in zip(dataset, table.level, table.boxes)
    )


@pytest.mark.long
@pytest.mark.parametrize('processes', [2])
def test_two_processes_see_every_chip_once(tiny_config, tmp_path, processes):
    tiny_config.train_cfg.max_epochs = 2
    tiny_config.dump(tmp_path / 'config.py')
    result = run(TOOLS / 'dist_train.sh', 'config.py', processes, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    dataset = ChipDataset(
        **{
            key: value
            for key, value in tiny_config.train_dataloader.dataset.items()
            if key != 'type'
        }
    )
    given = recorded(tiny_config.work_dir)
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        surplus = Counter(given[epoch])
        surplus.subtract(expected(dataset))
        assert min(surplus.values()) == 0, 'no chip is missing'
        padding = -len(dataset) % processes
        assert sum(surplus.values()) == padding
