"""The script that writes the file of proposals: interrupted, and with bad input."""

import runpy
import signal
import sys

import numpy as np
import pytest
import torch
from command_line import TOOLS, run
from mmdet.registry import MODELS
from mmengine.config import Config

from mmsniper.datasets.proposal_file import read_proposals

SCRIPT = TOOLS / 'extract_proposals.py'


@pytest.fixture
def checkpoint(tiny_faster_rcnn, tmp_path):
    config = Config.fromfile(tiny_faster_rcnn)
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), tmp_path / 'tiny.pth')
    return tmp_path / 'tiny.pth'


def test_goes_on_after_being_killed(tiny_faster_rcnn, checkpoint, tmp_path):
    def extract(out):
        options = ('--num-workers', 0, '--images-per-part', 1)
        return run(sys.executable, SCRIPT, killed, checkpoint, '--out', out, *options, cwd=tmp_path)

    config = Config.fromfile(tiny_faster_rcnn)
    kill = dict(type='KillOnce', name='2.png', marker=str(tmp_path / 'killed'))
    config.val_dataloader.dataset.pipeline.insert(0, kill)
    config.custom_imports.imports.append('interruption')
    killed = tmp_path / 'killed.py'
    config.dump(killed)

    first = extract('a.npz')
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert not (tmp_path / 'a.npz').exists()
    assert len(list((tmp_path / 'a.npz.parts').glob('*.npz'))) == 2

    second = extract('a.npz')
    assert second.returncode == 0, second.stderr
    assert '2 of 4 images are done already, going on' in second.stdout + second.stderr
    assert not (tmp_path / 'a.npz.parts').exists()

    assert extract('b.npz').returncode == 0
    table, in_one_go = (read_proposals(tmp_path / name) for name in ('a.npz', 'b.npz'))
    assert table.names.tolist() == ['0.png', '1.png', '2.png', '3.png']
    assert len(table.boxes) > 0
    for name in ('names', 'heights', 'widths', 'image_starts', 'boxes', 'scores'):
        np.testing.assert_array_equal(getattr(table, name), getattr(in_one_go, name))


# Several runs in one process share a logger, of which mmengine warns.
@pytest.mark.filterwarnings('ignore:.*instance named of mmsniper has been created:UserWarning')
@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['tiny.py', 'no.pth', '--out', 'a.npz'], 'checkpoint no.pth does not exist'),
        (['no.py', 'tiny.pth', '--out', 'a.npz'], 'config no.py does not exist'),
        (['tiny.py', 'tiny.pth', '--out', 'a.pkl'], '--out a.pkl must end in .npz'),
        (['tiny.py', 'text.pth', '--out', 'a.npz'], 'text.pth cannot be read as a checkpoint'),
        (['tiny.py', 'other.pth', '--out', 'a.npz'], 'other.pth does not fit the model'),
        (['no_train.py', 'tiny.pth', '--out', 'a.npz'], 'no_train.py has no train_dataloader'),
        (['plain.py', 'tiny.pth', '--out', 'a.npz'], 'of plain.py is or holds no ChipDataset'),
    ],
)
def test_bad_input(
    tiny_faster_rcnn, checkpoint, tmp_path, monkeypatch, capsys, arguments, sentence
):
    (tmp_path / 'text.pth').write_text('no checkpoint')
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), tmp_path / 'other.pth')
    config = Config.fromfile(tiny_faster_rcnn)
    config.train_dataloader.dataset = config.train_dataloader.dataset.dataset
    config.dump(tmp_path / 'plain.py')
    config.pop('train_dataloader')
    config.dump(tmp_path / 'no_train.py')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    assert exit_.value.code == 1
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.glob('a.*'))
