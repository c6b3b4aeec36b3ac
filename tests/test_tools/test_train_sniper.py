"""RPN, proposals and detector in one go, as a person runs them."""

import re
import shutil

import pytest
from command_line import TOOLS, run

from mmsniper.datasets.proposal_file import read_proposals


def train_sniper(config, *options):
    return run(TOOLS / 'train_sniper.sh', config.name, *options, cwd=config.parent)


@pytest.mark.long
def test_from_nothing_to_a_detector(tiny_faster_rcnn, tmp_path):
    result = train_sniper(tiny_faster_rcnn)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    work_dir = tmp_path / 'work_dirs' / 'tiny'
    table = read_proposals(work_dir / 'proposals.npz')
    assert table.names.tolist() == ['0.png', '1.png', '2.png', '3.png']
    assert re.search(r'positive, \[\d+, \d+\] negative\); 0 images have no chip', output), output
    assert re.search(r'^coco/bbox_mAP: [-\d.]+$', result.stdout, re.MULTILINE)
    assert f'Done: {(work_dir / "detector" / "epoch_1.pth").relative_to(tmp_path)}' in output

    again = train_sniper(tiny_faster_rcnn)
    assert again.returncode == 0
    assert again.stdout.count('finished before') == 3
    assert 'Epoch(train)' not in again.stdout

    (work_dir / 'detector' / 'epoch_1.pth').unlink()
    (work_dir / 'detector' / 'last_checkpoint').unlink()
    interrupted = train_sniper(tiny_faster_rcnn)
    assert interrupted.stdout.count('finished before') == 2
    assert (work_dir / 'detector' / 'epoch_1.pth').is_file()

    other = train_sniper(
        tiny_faster_rcnn, '--cfg-options', 'model.roi_head.bbox_head.fc_out_channels=64'
    )
    assert other.returncode == 1
    assert 'detector was begun with another config, work_dirs/tiny/detector.py' in other.stderr


def test_proposals_of_ones_own(tiny_faster_rcnn, tmp_path):
    result = train_sniper(tiny_faster_rcnn, '--proposals', 'nothing.npz')
    assert result.returncode == 1
    assert result.stderr.strip().endswith('error: proposal file nothing.npz does not exist')
    assert not (tmp_path / 'work_dirs' / 'tiny' / 'rpn').exists()


def test_a_config_that_does_not_exist(tiny_faster_rcnn, tmp_path):
    shutil.move(tiny_faster_rcnn, tmp_path / 'other.py')
    result = train_sniper(tiny_faster_rcnn)
    assert result.returncode == 1
    assert 'error: config tiny.py does not exist' in result.stderr
