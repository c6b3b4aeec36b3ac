"""Training and testing from the command line, in two processes without a GPU, and how it fails."""

import os
import sys

import mmengine
import pytest
import torch
from command_line import TOOLS, run
from squares import draw_squares

import mmsniper  # noqa: F401  lets torch.load read checkpoints of mmengine


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A config beside four drawn images of 64 x 64 px with one square each."""
    folder = tmp_path_factory.mktemp('squares')
    draw_squares(folder)
    return folder


@pytest.fixture(scope='module')
def trained(folder):
    if torch.cuda.is_available():
        pytest.skip('needs two GPUs where there is one: the CPU is used only without')
    options = ['--work-dir', 'work', '--cfg-options', 'default_hooks.logger.interval=2', 'marker=7']
    done = run('bash', TOOLS / 'dist_train.sh', 'tiny.py', 2, *options, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_two_processes_train_without_a_gpu(folder, trained):
    assert trained.stderr.count('warning: no GPU is available') == 1
    log = next((folder / 'work').glob('*/*.log')).read_text()
    assert 'GPU number: 2' in log
    config = next((folder / 'work').glob('*/vis_data/config.py')).read_text()
    assert 'marker = 7' in config
    assert 'AmpOptimWrapper' not in config and 'loss_scale' not in config
    assert "type='MMDistributedDataParallel'" in config
    # Four images on two processes with two images a batch are one step of each.
    assert torch.load(folder / 'work/epoch_1.pth')['meta']['iter'] == 1


def test_two_processes_test_without_a_gpu(folder, trained):
    options = ['--work-dir', 'tested', '--out', 'found.pkl']
    command = [TOOLS / 'dist_test.sh', 'tiny.py', 'work/epoch_1.pth', 2, *options]
    done = run('bash', *command, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    log = next((folder / 'tested').glob('*/*.log')).read_text()
    assert 'GPU number: 2' in log and 'coco/bbox_mAP: ' in log
    found = mmengine.load(folder / 'found.pkl')
    assert sorted(result['img_id'] for result in found) == [0, 1, 2, 3]


@pytest.mark.parametrize(('name', 'option'), [('train', '--auto-scale-lr'), ('test', '--show-dir')])
def test_help_is_that_of_mmdetection(name, option, tmp_path):
    done = run(sys.executable, TOOLS / f'{name}.py', '-h', cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f'usage: {name}.py')
    assert option in done.stdout and '--cfg-options' in done.stdout


def test_missing_config_is_one_line(tmp_path):
    done = run(sys.executable, TOOLS / 'train.py', 'none.py', cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith('error: ') and 'none.py' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('name', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_shell_scripts_say_how_to_call_them(name, tmp_path):
    done = run('bash', TOOLS / f'{name}.sh', 'only_one', cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f'usage: {name}.sh ')
    assert os.access(TOOLS / f'{name}.sh', os.X_OK)


def test_slurm_scripts_ask_for_what_they_are_told(tmp_path):
    (tmp_path / 'srun').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    path = f'{tmp_path}:{os.environ["PATH"]}'
    arguments = ['fast', 'my job', 'a.py', 'w', '--cfg-options', 'a=b c']
    script = TOOLS / 'slurm_train.sh'
    done = run('bash', script, *arguments, cwd=tmp_path, PATH=path, GPUS='4', SRUN_ARGS='-x n1')
    words = done.stdout.splitlines()
    assert words[:5] == ['-p', 'fast', '--job-name=my job', '--gres=gpu:8', '--ntasks=4']
    assert words[words.index('-x') + 1] == 'n1'
    assert words[-5:] == ['a.py', '--work-dir=w', '--launcher=slurm', '--cfg-options', 'a=b c']


def test_test_time_augmentation_is_refused(folder):
    result = run(sys.executable, TOOLS / 'test.py', 'tiny.py', 'none.pth', '--tta', cwd=folder)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith('error: --tta cannot be combined with chips')
