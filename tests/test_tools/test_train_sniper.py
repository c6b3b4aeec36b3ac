"""RPN, proposals and detector in one go, as a person runs them."""

import re
import shutil

import pytest
from coco_files import write_coco
from command_line import TOOLS, run
from mmengine.config import Config

from mmsniper import config_path
from mmsniper.datasets.proposal_file import read_proposals

SIZES = [(160, 200), (150, 150), (128, 180), (140, 140)]
BOXES = [[(10, 10, 30, 30), (80, 60, 70, 70)], [(20, 60, 25, 20)], [], [(5, 5, 120, 120)]]


@pytest.fixture
def config(tmp_path):
    """The config of BCCD on four drawn images, one of them empty, with a model of few channels."""
    data = write_coco(tmp_path, SIZES, BOXES)
    config = Config.fromfile(config_path('bccd/faster-rcnn_r18-tiny_fpn_sniper-8e_bccd.py'))
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
        loader.dataset.dataset.update({key: data[key] for key in data if key != 'type'})
        loader.dataset.update(levels=[1.0, 0.5], valid_ranges=[(-1, 60), (40, -1)])
    config.train_dataloader.batch_size = 2
    config.train_dataloader.dataset.update(chip_size=96, min_proposals=3)
    config.val_evaluator.ann_file = str(tmp_path / 'annotations.json')
    config.test_evaluator = config.val_evaluator
    config.model.roi_head.bbox_head.num_classes = 2
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.default_hooks.logger.interval = 1
    config.dump(tmp_path / 'tiny.py')
    return tmp_path / 'tiny.py'


def train_sniper(config, *options):
    return run(TOOLS / 'train_sniper.sh', config.name, *options, cwd=config.parent)


def test_from_nothing_to_a_detector(config, tmp_path):
    result = train_sniper(config)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    work_dir = tmp_path / 'work_dirs' / 'tiny'
    table = read_proposals(work_dir / 'proposals.npz')
    assert table.names.tolist() == ['0.png', '1.png', '2.png', '3.png']
    assert re.search(r'positive, \[\d+, \d+\] negative\); 0 images have no chip', output), output
    assert re.search(r'^coco/bbox_mAP: [-\d.]+$', result.stdout, re.MULTILINE)
    assert f'Done: {(work_dir / "detector" / "epoch_1.pth").relative_to(tmp_path)}' in output

    again = train_sniper(config)
    assert again.returncode == 0
    assert again.stdout.count('finished before') == 3
    assert 'Epoch(train)' not in again.stdout

    (work_dir / 'detector' / 'epoch_1.pth').unlink()
    (work_dir / 'detector' / 'last_checkpoint').unlink()
    interrupted = train_sniper(config)
    assert interrupted.stdout.count('finished before') == 2
    assert (work_dir / 'detector' / 'epoch_1.pth').is_file()

    other = train_sniper(config, '--cfg-options', 'model.roi_head.bbox_head.fc_out_channels=64')
    assert other.returncode == 1
    assert 'detector was begun with another config, work_dirs/tiny/detector.py' in other.stderr


def test_proposals_of_ones_own(config, tmp_path):
    result = train_sniper(config, '--proposals', 'nothing.npz')
    assert result.returncode == 1
    assert result.stderr.strip().endswith('error: proposal file nothing.npz does not exist')
    assert not (tmp_path / 'work_dirs' / 'tiny' / 'rpn').exists()


def test_a_config_that_does_not_exist(config, tmp_path):
    shutil.move(config, tmp_path / 'other.py')
    result = train_sniper(config)
    assert result.returncode == 1
    assert 'error: config tiny.py does not exist' in result.stderr
