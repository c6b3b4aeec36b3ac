import pickle
import zipfile

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

import mmsniper  # noqa: F401, which makes these checkpoints loadable


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, *inputs, mode='tensor'):
        if mode == 'predict':
            return list(inputs)
        return {'loss': self.linear(torch.stack(inputs)).mean()}


class Fixed(BaseMetric):
    """Metrics of NumPy's types, as those of MMDetection are."""

    default_prefix = 'fixed'

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        return {
            'score': np.float64(0.5),
            'single': np.float32(1),
            'count': np.int64(3),
            'plain': 0.1,
        }


def loader(shuffle):
    dataset = [torch.full((2,), float(i)) for i in range(4)]
    return {
        'batch_size': 2,
        'dataset': dataset,
        'sampler': {'type': 'DefaultSampler', 'shuffle': shuffle},
    }


def build_runner(folder, epochs, resume=False):
    return Runner(
        model=Line(),
        work_dir=str(folder),
        train_dataloader=loader(shuffle=True),
        val_dataloader=loader(shuffle=False),
        train_cfg={'by_epoch': True, 'max_epochs': epochs},
        val_cfg={},
        val_evaluator=[Fixed()],
        optim_wrapper={'optimizer': {'type': 'AdamW', 'lr': 0.1}, 'clip_grad': {'max_norm': 1}},
        param_scheduler=[
            {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': False, 'begin': 0, 'end': 4},
            {'type': 'MultiStepLR', 'milestones': [2]},
        ],
        default_hooks={
            'checkpoint': {'type': 'CheckpointHook', 'save_best': 'fixed/score', 'rule': 'greater'}
        },
        custom_hooks=[{'type': 'EMAHook'}],
        default_scope='mmdet',
        experiment_name=f'{folder.name}-{epochs}-{resume}',
        log_level='ERROR',
        resume=resume,
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    build_runner(folder, epochs=2).train()
    return folder


def test_checkpoint_of_a_run_loads_with_its_history(folder):
    checkpoint = torch.load(folder / 'epoch_2.pth')
    history = checkpoint['message_hub']['log_scalars']
    assert isinstance(history['val/fixed/score'], HistoryBuffer)
    assert history['val/fixed/score'].mean() == 0.5
    assert history['val/fixed/count'].current() == 3


def test_what_others_allow_for_a_while_stays_allowed(folder):
    """As the fork of mmengine does whenever it loads a checkpoint."""
    with torch.serialization.safe_globals([HistoryBuffer, np.ndarray, np.dtype]):
        torch.load(folder / 'epoch_2.pth')
    assert 'message_hub' in torch.load(folder / 'epoch_2.pth')


def test_resume(folder):
    runner = build_runner(folder, epochs=3, resume=True)
    runner.train()
    assert runner.epoch == 3
    assert runner.message_hub.get_scalar('train/loss')._log_history.shape == (
        6,
    )  # 2 batches an epoch


def test_checkpoint_of_numpy_1(folder, tmp_path):
    """NumPy 1 names its functions differently, also in published checkpoints."""
    path = tmp_path / 'old.pth'
    with zipfile.ZipFile(folder / 'epoch_2.pth') as new, zipfile.ZipFile(path, 'w') as old:
        for name in new.namelist():
            content = new.read(name)
            if name.endswith('data.pkl'):
                swapped = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
                assert swapped != content or np.__version__.startswith('1.')
                content = swapped
            old.writestr(name, content)
    history = torch.load(path)['message_hub']['log_scalars']
    assert history['val/fixed/plain'].mean() == 0.1


class Reach:
    """Pickled as a call of ``getattr``."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return getattr, self.arguments


@pytest.mark.parametrize('arguments', [(HistoryBuffer, '__init__'), (np.ndarray, 'tofile')])
def test_getattr_of_other_things_is_refused(tmp_path, arguments):
    path = tmp_path / 'evil.pth'
    torch.save({'x': Reach(*arguments)}, path)
    with pytest.raises(pickle.UnpicklingError, match='which checkpoints of mmengine do not hold'):
        torch.load(path)


def test_unknown_types_are_refused(tmp_path):
    path = tmp_path / 'evil.pth'
    torch.save({'x': Line()}, path)
    with pytest.raises(pickle.UnpicklingError, match='Weights only load failed'):
        torch.load(path)
