"""False positives of the detector in training become negative chips."""

import json

import numpy as np
import pytest
from chip_recorder import recorded
from command_line import TOOLS, run
from mmengine.config import Config
from mmengine.runner import Runner
from table_recorder import TableRecorder

from mmsniper import InputError
from mmsniper.datasets.proposal_file import read_proposals


def with_hook(config: Config, **changes) -> Config:
    config = Config(config.to_dict() | changes)
    # Whatever an untrained detector finds is wrong enough for a test.
    hook = dict(type='OnlineNegativesHook', interval=1, score_thr=0.0, num_workers=0)
    config.custom_hooks = [hook, *config.custom_hooks]
    return config


def train(config: Config) -> dict[int, dict[str, np.ndarray]]:
    """Train; the columns of the chip table of each epoch."""
    config.custom_hooks.append(dict(type='TableRecorder'))
    runner = Runner.from_cfg(config)
    runner.train()
    (recorder,) = [hook for hook in runner.hooks if isinstance(hook, TableRecorder)]
    return recorder.tables


def objects_shown(folder, table: dict[str, np.ndarray]) -> set[int]:
    """Which objects are wholly in a chip of a level that they are for, or else of the next."""
    annotations = json.loads((folder / 'annotations.json').read_text())['annotations']
    shown = set()
    for number, annotation in enumerate(annotations):
        x, y, width, height = annotation['bbox']
        size = (width * height) ** 0.5
        fine, coarse = size < 40, size >= 30
        coarse |= max(width, height) > 64
        for image, level, chip in zip(table['image'], table['level'], table['boxes'].tolist()):
            inside = (
                chip[0] <= x and chip[1] <= y and x + width <= chip[2] and y + height <= chip[3]
            )
            if image == annotation['image_id'] - 1 and (fine, coarse)[level] and inside:
                shown.add(number)
    return shown


def test_chips_of_later_epochs_and_of_a_resumed_training(tiny_config, tmp_path):
    whole = train(with_hook(tiny_config))
    assert not whole[0]['negative'].any(), 'nothing is known before the first epoch'
    assert whole[1]['negative'].any() and whole[2]['negative'].any()
    assert len(whole[0]['negative']) == len(whole[1]['negative']), 'the length stays'
    folder = tmp_path / 'work' / 'online_negatives'
    assert sorted(path.name for path in folder.iterdir()) == ['epoch_1.npz', 'epoch_2.npz']
    assert len(read_proposals(folder / 'epoch_1.npz')) == 7

    # Besides the chips that come again there is room for 0.3 negative chips of each of 7 images.
    assert len(whole[0]['negative']) >= 3 + len(set(map(tuple, whole[0]['boxes'].tolist())))
    for table in whole.values():
        assert objects_shown(tmp_path, table) == set(range(42))

    resumed = with_hook(tiny_config, load_from=f'{tiny_config.work_dir}/epoch_2.pth', resume=True)
    tables = train(resumed)
    assert sorted(tables) == [2]
    for column in ('image', 'level', 'boxes', 'negative'):
        assert np.array_equal(tables[2][column], whole[2][column])


@pytest.mark.slow
def test_running_workers_get_the_negative_chips(tiny_config):
    tiny_config.train_dataloader.update(num_workers=1, persistent_workers=True)
    config = with_hook(tiny_config)
    tables = train(config)
    given = recorded(config.work_dir)
    for epoch, table in tables.items():
        boxes = sorted(
            (int(level), *box) for level, box in zip(table['level'], table['boxes'].tolist())
        )
        assert sorted(chip[1:] for chip in given[epoch]) == boxes


@pytest.mark.slow
def test_lost_proposals_are_looked_for_again(tiny_config, tmp_path):
    config = with_hook(tiny_config)
    config.train_cfg.max_epochs = 2
    train(config)
    path = tmp_path / 'work' / 'online_negatives' / 'epoch_1.npz'
    path.unlink()
    resumed = with_hook(tiny_config, load_from=f'{tiny_config.work_dir}/epoch_1.pth', resume=True)
    resumed.train_cfg.max_epochs = 2
    assert train(resumed)[1]['negative'].any()
    assert path.is_file()


def test_training_by_iterations_is_refused(tiny_config):
    config = with_hook(
        tiny_config,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=10),
    )
    config.train_dataloader.sampler = dict(type='InfiniteChipSampler')
    with pytest.raises(InputError, match='needs a training by epochs'):
        train(config)


@pytest.mark.slow
def test_two_processes(tiny_config, tmp_path):
    config = with_hook(tiny_config)
    config.train_cfg.max_epochs = 2
    config.dump(tmp_path / 'config.py')
    result = run(TOOLS / 'dist_train.sh', 'config.py', 2, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    table = read_proposals(tmp_path / 'work' / 'online_negatives' / 'epoch_1.npz')
    assert len(table) == 7 and len(table.boxes)
    assert 'negative chips now come from' in result.stdout + result.stderr
