"""Testing on the pyramid: equal to a plain test where it should be, on one process or two."""

import pickle
import re

import numpy as np
import pytest
from command_line import TOOLS, run
from mmengine.config import Config
from mmengine.runner import Runner
from read_recorder import readers

PLAIN_PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(180, 120), keep_ratio=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]


@pytest.fixture
def checkpoint(tiny_config):
    """A detector after one epoch of chips."""
    tiny_config.train_cfg.max_epochs = 1
    Runner.from_cfg(tiny_config).train()
    return f'{tiny_config.work_dir}/epoch_1.pth'


def detections_of(config, checkpoint, name, tmp_path) -> dict:
    """Metrics and per-image detections of a test."""
    path = tmp_path / f'{name}.pkl'
    evaluators = [dict(config.test_evaluator), dict(type='DumpDetResults', out_file_path=str(path))]
    config = Config(config.to_dict() | dict(test_evaluator=evaluators, load_from=checkpoint))
    config.work_dir = str(tmp_path / name)
    return dict(metrics=Runner.from_cfg(config).test(), images=pickle.loads(path.read_bytes()))


def assert_same(first, second, tolerance):
    assert [i['img_id'] for i in first['images']] == [i['img_id'] for i in second['images']]
    for one, other in zip(first['images'], second['images']):
        for key in ('bboxes', 'scores', 'labels'):
            a, b = (np.asarray(image['pred_instances'][key]) for image in (one, other))
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, atol=tolerance)
        assert one['ori_shape'] == other['ori_shape']


def test_one_whole_level_with_an_open_range_is_a_plain_test(tiny_config, checkpoint, tmp_path):
    chips = Config(tiny_config.to_dict())
    chips.test_dataloader.dataset.update(levels=[(120, 180)], valid_ranges=[(-1, -1)])
    merged = detections_of(chips, checkpoint, 'merged', tmp_path)
    plain = Config(tiny_config.to_dict())
    plain.custom_hooks = []
    plain.test_dataloader.sampler = dict(type='DefaultSampler', shuffle=False)
    plain.test_dataloader.dataset = dict(
        chips.test_dataloader.dataset.dataset, pipeline=PLAIN_PIPELINE
    )
    plain = detections_of(plain, checkpoint, 'plain', tmp_path)
    assert sum(len(i['pred_instances']['scores']) for i in plain['images']) > 50
    assert_same(merged, plain, 1e-5)
    assert merged['metrics'] == pytest.approx(plain['metrics'], abs=1e-5)


def test_one_worker_loads_all_views_of_an_image(tiny_config, tmp_path):
    """And the metric gets what it gets without workers, in the same order."""
    tiny_config.custom_imports.imports.append('read_recorder')
    results = []
    for num_workers in (0, 2):
        config = Config(tiny_config.to_dict())
        loader = config.test_dataloader
        loader.update(num_workers=num_workers, persistent_workers=num_workers > 0)
        loader.dataset.tile_size = 64
        loader.dataset.pipeline.insert(1, dict(type='RecordRead', file=f'{tmp_path}/{num_workers}'))
        # Untrained, but of the same seed.
        results.append(detections_of(config, None, f'with_{num_workers}', tmp_path))
    alone, lanes = results
    assert sum(len(i['pred_instances']['scores']) for i in alone['images']) > 50
    assert_same(alone, lanes, 0)
    assert alone['metrics'] == lanes['metrics']
    processes = readers(tmp_path / '2')
    assert len(processes) == 7 and len(set().union(*processes.values())) == 2
    shared = [name for name, of in processes.items() if len(of) > 1]
    assert len(shared) <= 1, 'only one that was left for an idle worker'


@pytest.mark.long
@pytest.mark.parametrize('tile_size', [None, pytest.param(64, marks=pytest.mark.slow)])
def test_two_processes_give_the_result_of_one(tiny_config, checkpoint, tmp_path, tile_size):
    tiny_config.test_dataloader.dataset.tile_size = tile_size
    one = detections_of(tiny_config, checkpoint, 'one', tmp_path)
    assert len(one['images']) == 7, 'seven images over two processes need padding'
    tiny_config.dump(tmp_path / 'config.py')
    two_path = tmp_path / 'two.pkl'
    result = run(
        *(TOOLS / 'dist_test.sh', 'config.py', checkpoint, 2, '--out', two_path),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert_same(one, dict(images=pickle.loads(two_path.read_bytes())), 1e-6)
    # Not from the JSON beside the log, which mmengine writes from every process at once. CocoMetric
    # rounds to three decimals, the log to four.
    logs = [path.read_text() for path in tmp_path.glob('work/*/*.log')]
    (log,) = [text for text in logs if 'Epoch(test)' in text]
    metrics = dict(re.findall(r'(coco/\w+): (-?[\d.]+)', log))
    assert set(metrics) == set(one['metrics'])
    for key, value in one['metrics'].items():
        assert float(metrics[key]) == pytest.approx(value, abs=1e-6)
