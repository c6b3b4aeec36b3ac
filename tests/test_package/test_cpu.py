"""The options of MMDetection's scripts on a machine without a GPU."""

import os
from argparse import Namespace

import pytest
import torch.distributed
from mmengine.config import Config

from mmsniper.utils import cpu

CONFIG = """
find_unused_parameters = True
optim_wrapper = dict(
    type='AmpOptimWrapper', loss_scale='dynamic',
    optimizer=dict(type='SGD', lr=0.1))
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture
def groups(monkeypatch):
    """The backends of the process groups that were joined, instead of joining them."""
    backends = []
    monkeypatch.setattr(os, 'environ', dict(os.environ))
    monkeypatch.setattr(torch.distributed, 'init_process_group', backends.append)
    return backends


def fit(config, cfg_options=None, launcher='none', **others) -> tuple[Config, Namespace]:
    """The config that MMDetection's script will build from, and the options that it is given."""
    arguments = Namespace(config=config, cfg_options=cfg_options, launcher=launcher, **others)
    cpu.fit_to_cpu(arguments)
    fitted = Config.fromfile(config)
    if arguments.cfg_options:
        fitted.merge_from_dict(arguments.cfg_options)
    return fitted, arguments


def test_mixed_precision_of_the_config_becomes_full(config, capsys):
    fitted, _ = fit(config, amp=False)
    assert fitted.optim_wrapper == {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 0.1}}
    assert capsys.readouterr().err == (
        'warning: no GPU is available: training in full precision, not mixed precision\n'
    )


def test_mixed_precision_asked_for_becomes_full(config, capsys):
    options = {'optim_wrapper.type': 'OptimWrapper', 'optim_wrapper.optimizer.lr': 0.5, 'seed': 3}
    fitted, arguments = fit(config, options, amp=True)
    assert arguments.amp is False
    assert fitted.optim_wrapper == {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 0.5}}
    assert fitted.seed == 3
    assert 'full precision' in capsys.readouterr().err


def test_nothing_to_change_for_the_test_script(config, capsys):
    _, arguments = fit(config)
    assert arguments.cfg_options is None
    assert capsys.readouterr().err == ''


def test_one_warning_from_many_processes(config, capsys, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    fit(config, amp=False)
    assert capsys.readouterr().err == ''


def test_wrapper_for_several_processes(config, groups):
    fitted, _ = fit(config, launcher='pytorch')
    assert groups == ['gloo']
    assert fitted.model_wrapper_cfg == {
        'type': 'MMDistributedDataParallel',
        'device_ids': None,
        'broadcast_buffers': False,
        'find_unused_parameters': True,
    }


def test_own_wrapper_stays(config, groups):
    fitted, _ = fit(config, {'model_wrapper_cfg.static_graph': True}, launcher='pytorch')
    assert fitted.model_wrapper_cfg == {'static_graph': True, 'device_ids': None}
    fitted, _ = fit(config, {'model_wrapper_cfg': {'type': 'MyWrapper'}}, launcher='pytorch')
    assert fitted.model_wrapper_cfg == {'type': 'MyWrapper'}


def test_ranks_of_slurm(groups, monkeypatch):
    os.environ.update(
        SLURM_PROCID='3', SLURM_NTASKS='4', SLURM_LOCALID='1', SLURM_NODELIST='n[1-2]'
    )
    monkeypatch.setattr(cpu.subprocess, 'check_output', lambda *_, **__: 'n1\nn2\n')
    cpu.join_gloo_group('slurm')
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
    assert [os.environ[name] for name in names] == ['3', '4', '1', 'n1', '29500']


def test_ranks_of_mpi(groups):
    prefix = 'OMPI_COMM_WORLD_'
    os.environ.update({f'{prefix}RANK': '3', f'{prefix}SIZE': '4', f'{prefix}LOCAL_RANK': '1'})
    cpu.join_gloo_group('mpi')
    assert [os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')] == ['3', '4', '1']
