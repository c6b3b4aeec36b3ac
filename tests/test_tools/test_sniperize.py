"""Converting a config from the command line, and what the result is good for."""

import importlib.util
import re
import sys
from pathlib import Path

import mmdet
import pytest
from coco_files import write_coco
from command_line import TOOLS, run
from mmengine.config import Config
from source_configs import BASE, TINY

from mmsniper.conversion import Recipe
from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.utils import run_script

MMDET_TOOLS = Path(mmdet.__file__).parent / '.mim' / 'tools'
SIZES = [(160, 200), (150, 150), (128, 180)]
BOXES = [[(10, 10, 30, 30), (80, 60, 70, 70)], [(20, 60, 25, 20)], [(5, 5, 120, 120)]]


def call(*arguments, cwd):
    return run('python', TOOLS / 'sniperize.py', *arguments, cwd=cwd)


@pytest.fixture
def call_here(tmp_path, monkeypatch, capsys):
    """The script in this process, which saves starting one: status, output and errors."""
    spec = importlib.util.spec_from_file_location('sniperize_script', TOOLS / 'sniperize.py')
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', ['sniperize.py', *map(str, arguments)])
        try:
            run_script(script.main)
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def tiny(tmp_path):
    write_coco(tmp_path, SIZES, BOXES)
    (tmp_path / 'tiny.py').write_text(TINY)
    return tmp_path


@pytest.mark.long
def test_converted_and_run_by_mmdetections_own_tools(tiny):
    levels = ('--levels', '1.0', '-1,96', '--valid-ranges', '-1,60', '40,-1', '--chip-size', '96')
    longer = ('--epochs', '2', '--online-negatives')
    result = call('tiny.py', '-o', 'out/chips.py', *levels, *longer, cwd=tiny)
    assert result.returncode == 0, result.stderr[-3000:]
    lines = result.stdout.splitlines()
    assert lines[-1] == 'written: out/chips.py'
    assert all(line.startswith(('changed: ', 'note: ')) for line in lines[:-1])
    assert 'chips per image, counted' in result.stdout
    config = Config.fromfile(tiny / 'out' / 'chips.py')
    assert config.train_dataloader.dataset.levels == [1.0, (-1, 96)]
    assert config.train_dataloader.dataset.valid_ranges == [(-1, 60), (40, -1)]
    assert config.val_dataloader.dataset.valid_ranges == [(-1, 69), (34, -1)]
    assert config.train_dataloader.dataset.chip_size == 96

    again = call('out/chips.py', '-o', 'again.py', cwd=tiny)
    assert again.stdout.startswith('nothing to do')
    assert (tiny / 'again.py').read_text() == (tiny / 'out' / 'chips.py').read_text()

    options = ('--work-dir', 'work', '--cfg-options', 'train_dataloader.batch_size=2')
    result = run('python', MMDET_TOOLS / 'train.py', 'out/chips.py', *options, cwd=tiny)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    losses = re.findall(r' loss: ([\d.]+)', output)
    assert losses and all(0 < float(loss) < 100 for loss in losses)
    assert re.search(r'coco/bbox_mAP: [-\d.]+', output)
    assert 'OnlineNegativesHook: negative chips now come from' in output
    result = run('python', MMDET_TOOLS / 'test.py', 'out/chips.py', 'work/epoch_2.pth', cwd=tiny)
    assert result.returncode == 0 and 'bbox_mAP' in result.stdout + result.stderr


def test_to_standard_output(call_here, tmp_path):
    status, output, errors = call_here(BASE)
    assert status == 0
    config = Config.fromstring(output, '.py')
    assert find_chip_dataset(config, 'train_dataloader')['levels'][0] == (1400, 2000)
    assert errors.count('changed: ') > 5
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_from_a_file(call_here, tmp_path):
    (tmp_path / 'scales.py').write_text(
        'train_dataloader = dict(dataset=dict(type="ChipDataset", levels=[0.5, 0.25],\n'
        '    valid_ranges=[(-1, 64), (46, -1)], chip_size=320))\n'
        'val_dataloader = dict(dataset=dict(type="ChipDataset", levels=[0.5, 0.25],\n'
        '    valid_ranges=[(-1, 80), (40, -1)], tile_size=1280))\n'
    )
    status, _, errors = call_here(BASE, '--recipe', 'scales.py', '--stride', 16, '-o', 'out.py')
    assert status == 0, errors
    recipe = Recipe.from_config(Config.fromfile(tmp_path / 'out.py'))
    assert recipe == Recipe(
        [0.5, 0.25], [(-1, 64), (46, -1)], [0.5, 0.25], [(-1, 80), (40, -1)], 320, 16, 1280
    )


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nothing.py'], 'config nothing.py does not exist'),
        (['mmdet::reid/reid_r50_8xb32-6e_mot17train80_test-mot17val20.py'], 'tracking, video'),
        ([BASE, '--levels', '1.0'], '--levels and --valid-ranges belong together'),
        ([BASE, '--levels', '1.0', '--valid-ranges', '-1,5', '5,-1'], 'give one range per level'),
        ([BASE, '--levels', '1,2,3', '--valid-ranges', '-1,-1'], 'a level is'),
        ([BASE, '--chip-size', '-5'], 'chip_size must be positive'),
        ([BASE, '-o', 'out.txt'], 'must end in .py'),
        ([BASE, '--recipe', 'nothing.py'], 'config nothing.py does not exist'),
    ],
)
def test_bad_input(arguments, message, call_here, tmp_path):
    status, _, errors = call_here(*([] if '-o' in arguments else ['-o', 'out.py']), *arguments)
    assert status == 1
    assert len(errors.strip().splitlines()) == 1
    assert message in errors
    assert list(tmp_path.iterdir()) == [], 'nothing is written'


def test_own_data(call_here, tmp_path):
    write_coco(tmp_path, SIZES, BOXES)
    options = ['--ann', 'annotations.json', '--images', '.', '--classes', 'b', '--epochs', '2']
    status, output, errors = call_here(BASE, *options, '--batch-size', '3', '-o', 'own.py')
    assert status == 0, errors
    config = Config.fromfile(tmp_path / 'own.py')
    chips = find_chip_dataset(config, 'train_dataloader')
    assert chips['dataset']['metainfo']['classes'] == ('b',)
    assert config.model.bbox_head.num_classes == 1
    assert (config.train_cfg.max_epochs, config.train_dataloader.batch_size) == (2, 3)
    assert 'changed: data: annotations.json and annotations.json, 1 class (b)' in output
    assert 'changed: levels: ' in output


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--ann', 'annotations.json'], '--ann needs --images'),
        (['--images', '.'], '--images needs --ann'),
        (['--val-images', '.'], '--val-images needs --ann'),
        (['--ann', 'gone.json', '--images', '.'], 'annotation file gone.json does not exist'),
        (['--load-from', 'gone.pth'], 'checkpoint gone.pth does not exist'),
    ],
)
def test_bad_own_data(arguments, message, call_here):
    status, _, errors = call_here(BASE, '-o', 'out.py', *arguments)
    assert status == 1 and message in errors


def test_numbers_that_are_none(call_here):
    status, _, errors = call_here(BASE, '--levels', 'a,b', '--valid-ranges', '-1,5')
    assert status == 2 and "'a,b' is no pair of numbers" in errors


def test_batch_normalisation(call_here):
    status, config, changes = call_here(BASE)
    assert status == 0 and 'norm_eval=True' in config
    assert 'note: model.backbone: batch normalisation of ResNet stays in evaluation' in changes
    status, config, changes = call_here(BASE, '--train-batch-norm')
    assert status == 0 and 'norm_eval=False' in config and 'norm_eval=True' not in config
    assert 'changed: model.backbone: batch normalisation of ResNet is trained' in changes
