"""What counts as bad input because of where it arises, and what stays a defect."""

import errno
import os
from pathlib import Path

import pytest
import torch
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.fileio import LocalBackend, get
from mmengine.hooks import LoggerHook
from mmengine.runner import CheckpointLoader
from torch.utils.data import DataLoader, Dataset

from mmsniper.utils import run_script
from mmsniper.utils.input_faults import input_fault


def fault_of(action) -> str:
    with pytest.raises(Exception) as caught:
        action()
    return input_fault(caught.value)


class OwnDefect(LoggerHook):
    """A class of a user's, or of ours, with a defect."""

    def __init__(self, text='a', **kwargs):
        super().__init__(**kwargs)
        int(text)


class Unreadable(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise PermissionError(errno.EACCES, 'Permission denied', '/images/a.jpg')


def test_settings_that_the_framework_refuses():
    fault = fault_of(lambda: HOOKS.build(dict(type='EMAHook', ema_type='Foo', begin_iter=-1)))
    assert 'in EMAHook: ' in fault and 'begin_iter' in fault


def test_argument_that_a_subclass_hands_on():
    assert "argument 'typo'" in fault_of(lambda: HOOKS.build(dict(type=OwnDefect, typo=1)))


def test_defect_in_code_that_is_built():
    assert fault_of(lambda: HOOKS.build(dict(type=OwnDefect))) is None


def test_defect_outside_of_any_phase():
    assert fault_of(lambda: {}['key']) is None
    assert fault_of(lambda: torch.ones(2) @ torch.ones(3)) is None


def test_key_that_a_config_lacks(tmp_path):
    (tmp_path / 'a.py').write_text('a = 1')
    config = Config.fromfile(tmp_path / 'a.py')
    assert f"{tmp_path / 'a.py'} has no key 'model'" in fault_of(lambda: config['model'])
    assert "has no key 'model'" in fault_of(lambda: config.model)


def test_error_in_a_config_names_its_line(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text("_base_ = './b.py'\n")
    (tmp_path / 'b.py').write_text('a = 1\nb = a / 0\n')
    fault = fault_of(lambda: Config.fromfile(path))
    assert 'b.py cannot be loaded: line 2: ZeroDivisionError' in fault


@pytest.mark.parametrize('content', [b'', b'\x80', b'garbage' * 9, b'PK\x03\x04cut short'])
def test_checkpoint_that_is_none(content, tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(content)
    fault = fault_of(lambda: CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent'))
    assert fault.startswith(f'checkpoint {path} cannot be read')


def test_checkpoint_of_a_backbone(tmp_path):
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'gone.pth'))
    backbone = MODELS.build(dict(type='mmdet.MobileNetV2', out_indices=(2,), init_cfg=init))
    assert fault_of(backbone.init_weights) == f'checkpoint {tmp_path / "gone.pth"} does not exist'


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
def test_full_disk():
    fault = fault_of(lambda: LocalBackend().put(b'checkpoint', '/dev/full'))
    assert fault == '/dev/full cannot be used: No space left on device'


@pytest.mark.parametrize('number', [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_folder_that_cannot_be_written(number):
    def write():
        raise OSError(number, os.strerror(number), '/folder/log.txt')

    assert fault_of(write) == f'/folder/log.txt cannot be used: {os.strerror(number)}'


def test_error_that_is_none_of_the_file_system():
    def write():
        raise BrokenPipeError(errno.EPIPE, 'Broken pipe')

    assert fault_of(write) is None


def test_file_error_in_a_data_loader_worker(capsys):
    with pytest.raises(SystemExit):
        run_script(lambda: list(DataLoader(Unreadable(), num_workers=1)))
    assert capsys.readouterr().err == "error: Permission denied: '/images/a.jpg'\n"


@pytest.mark.parametrize(
    'uri, why',
    [
        ('s3://bucket/a.jpg', 'Please install petrel_client to enable PetrelBackend.'),
        ('ftp://server/a.jpg', "mmengine knows no store 'ftp'"),
    ],
)
def test_stores_that_cannot_be_asked(uri, why):
    assert fault_of(lambda: get(uri)) == f'{uri} cannot be reached: {why}'


@pytest.mark.parametrize('uri', [None, 3, b'/images/a.jpg'])
def test_what_is_no_address_is_a_defect(uri):
    assert fault_of(lambda: get(uri)) is None


def test_environment_of_no_launcher(monkeypatch):
    monkeypatch.delenv('SLURM_PROCID', raising=False)
    fault = fault_of(lambda: os.environ['SLURM_PROCID'])
    assert fault.startswith('the environment variable SLURM_PROCID is not set')
