"""What RPN, proposals and detector are begun with, with stand-ins for the stages themselves."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from command_line import TOOLS
from mmengine.config import Config
from proposal_tables import proposal_table

from mmsniper import InputError
from mmsniper.datasets.proposal_file import read_proposals, write_proposals
from mmsniper.utils.claim import claim
from mmsniper.utils.saved_checkpoints import content_hash


class Stages:
    """Takes the place of the scripts that are called, and keeps their arguments."""

    def __init__(self) -> None:
        self.calls, self.environments = [], []
        self.disk_is_full = False

    def run(self, command, env, pass_fds):
        assert len(pass_fds) == 1, 'a stage holds the claim as well'
        script = next(index for index, part in enumerate(command) if part.endswith('.py'))
        arguments = command[script + 1 :]
        self.calls.append([command[script].rsplit('/', 1)[-1], *arguments])
        self.environments.append(env)
        if 'extract_proposals.py' in command[script]:
            boxes = {f'{index}.png': [] for index in range(4)}
            write_proposals(arguments[arguments.index('--out') + 1], proposal_table(boxes))
        else:
            folder = arguments[arguments.index('--work-dir') + 1]
            last = Config.fromfile(arguments[0]).train_cfg.max_epochs
            for epoch in range(1, last + 1):
                path = f'{folder}/epoch_{epoch}.pth'
                save_checkpoint(path)
            if self.disk_is_full:
                cut(path)
        return SimpleNamespace(returncode=0)

    def take(self):
        calls, self.calls = self.calls, []
        return calls


def save_checkpoint(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state_dict=dict(a=torch.zeros(100))), path)


def cut(path):
    with open(path, 'r+b') as file:
        file.truncate(700)


@pytest.fixture
def stages(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Stages()


@pytest.fixture
def train(stages, tiny_faster_rcnn, monkeypatch):
    specification = importlib.util.spec_from_file_location('tool', TOOLS / 'train_sniper.py')
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)
    monkeypatch.setattr(tool.subprocess, 'run', stages.run)

    def train(*options, config='tiny.py'):
        arguments = ['train_sniper.py', config, '--work-dir', 'work', *options]
        monkeypatch.setattr(sys, 'argv', arguments)
        tool.main()
        return stages.take()

    return train


def scripts(calls):
    return [call[0] for call in calls]


def test_what_is_whole_is_finished(train):
    assert scripts(train()) == ['train.py', 'extract_proposals.py', 'train.py']
    assert train() == []


@pytest.mark.parametrize('stage', ['rpn', 'detector'])
@pytest.mark.parametrize('content', [None, b'', b'garbage'])
def test_a_final_checkpoint_that_is_damaged(train, tmp_path, capsys, stage, content):
    config = Config.fromfile('tiny.py')
    config.train_cfg.max_epochs = 2
    config.dump('tiny.py')
    train()
    final = f'work/{stage}/epoch_2.pth'
    if content is None:
        cut(final)
    else:
        (tmp_path / final).write_bytes(content)
    (tmp_path / f'work/{stage}/last_checkpoint').write_text(final)
    capsys.readouterr()
    (call,) = train()
    assert call[0] == 'train.py'
    assert call[-2:] == ['--resume', f'work/{stage}/epoch_1.pth']
    out = capsys.readouterr().out
    assert f'{final} is ' in out
    assert f'going on from work/{stage}/epoch_1.pth' in out
    assert f'{final} is there' not in out
    assert train() == []


def test_no_whole_checkpoint_is_left(train):
    train()
    cut('work/detector/epoch_1.pth')
    Path('work/detector/last_checkpoint').write_text('work/detector/epoch_1.pth')
    with pytest.raises(InputError, match=r'epoch_1\.pth is .*delete work/detector to train anew'):
        train()


def test_killed_while_it_saved_its_first_checkpoint(train, capsys):
    save_checkpoint('work/rpn/epoch_1.pth')
    cut('work/rpn/epoch_1.pth')
    assert '--resume' not in train()[0]
    assert 'work/rpn/epoch_1.pth is cut short' in (out := capsys.readouterr().out)
    assert ': training anew\n' in out


def test_a_record_of_a_checkpoint_that_is_gone(train, tmp_path):
    save_checkpoint(tmp_path / 'work/rpn/epoch_1.pth')
    (tmp_path / 'work/rpn/last_checkpoint').write_text('moved/rpn/epoch_7.pth')
    assert train()[0][-2:] == ['--resume', 'work/rpn/epoch_1.pth']


def test_a_disk_that_is_full_at_the_end(train, stages):
    stages.disk_is_full = True
    with pytest.raises(InputError, match=r'RPN ended, but work/rpn/epoch_2\.pth is'):
        train()


def test_proposals_that_are_damaged(train, tmp_path, capsys):
    train()
    path = tmp_path / 'work/proposals.npz'
    path.write_bytes(path.read_bytes()[:-30])
    assert scripts(train()) == ['extract_proposals.py']
    assert 'proposals.npz is cut short' in capsys.readouterr().out
    assert np.array_equal(read_proposals(path).names, [f'{index}.png' for index in range(4)])


def test_two_runs_in_one_folder(train, tmp_path):
    with claim(tmp_path / 'work'):
        with pytest.raises(InputError, match='another train_sniper.py is at work in work: wait'):
            train()
        assert not (tmp_path / 'work' / 'rpn.py').exists()
    assert len(train()) == 3


@pytest.mark.parametrize(
    ('key', 'lack'),
    [
        ('train_dataloader', r'tiny\.py trains on no chips: its train_dataloader\.dataset'),
        ('val_dataloader', r'tiny\.py tests on no views .*: its val_dataloader\.dataset'),
    ],
)
def test_a_config_of_whole_images(train, tmp_path, key, lack):
    config = Config.fromfile('tiny.py')
    config[key].dataset = config[key].dataset.dataset
    config.dump('tiny.py')
    with pytest.raises(InputError, match=lack) as caught:
        train()
    assert 'rpn' not in str(caught.value)
    assert str(caught.value).endswith('tools/sniperize.py')
    assert not (tmp_path / 'work').exists()


def test_a_config_that_does_not_train(train):
    config = Config.fromfile('tiny.py')
    config.pop('train_dataloader')
    config.dump('tiny.py')
    with pytest.raises(InputError, match=r'tiny\.py .*: it has no train_dataloader\.dataset'):
        train()


def test_a_config_without_validation(train):
    config = Config.fromfile('tiny.py')
    for part in ('cfg', 'dataloader', 'evaluator'):
        config.pop(f'val_{part}')
    config.dump('tiny.py')
    assert len(train()) == 3
    stage = Config.fromfile('work/rpn.py')
    assert stage.val_cfg is stage.val_dataloader is stage.val_evaluator is None


def test_no_gpu(train, stages, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0,1')
    calls = train('--gpus', '0')
    assert [env['CUDA_VISIBLE_DEVICES'] for env in stages.environments] == [''] * 3
    assert not any('--launcher' in call for call in calls)


def test_several_gpus(train, stages, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0,1')
    calls = train('--gpus', '2')
    assert [env['CUDA_VISIBLE_DEVICES'] for env in stages.environments] == ['0,1'] * 3
    assert all(call[-2:] == ['--launcher', 'pytorch'] for call in calls)


def test_proposals_of_another_rpn(train):
    """As after an RPN that was begun anew, whose proposals are still those of the old one."""
    train()
    path = 'work/proposals.npz'
    write_proposals(path, read_proposals(path), dict(checkpoint=content_hash('work/rpn.py')))
    with pytest.raises(InputError, match='proposals.npz was made with another checkpoint than'):
        train()
    write_proposals(path, read_proposals(path), dict(checkpoint=content_hash(rpn_checkpoint())))
    assert train() == []


def rpn_checkpoint():
    return sorted(Path('work/rpn').glob('*.pth'))[-1]
