"""Whatever is wrong with what the tools are given, a line that begins with ``error:`` says so."""

import re
import runpy
import sys

import pytest
import torch
from command_line import TOOLS
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from squares import CONFIG, draw_squares

import mmsniper  # noqa: F401  makes the detectors of MMDetection known

# Runs that begin in the same second have the same name in mmengine.
pytestmark = pytest.mark.filterwarnings('ignore:.*instance named of .* has been created')

LAUNCHERS = 'RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with a good config, its images, and files of which each is wrong in its own way."""
    folder = tmp_path_factory.mktemp('squares')
    draw_squares(folder)
    texts = {
        'syntax.py': 'a = 1\nb = (\n',
        'name.py': 'a = 1\nb = unknown\n',
        'base.py': "_base_ = './gone.py'",
        'bad_base.py': "_base_ = './name.py'",
        'import.py': CONFIG + "custom_imports = dict(imports=['no_such_module'])",
        'empty.py': '',
        'no_model.py': CONFIG + 'del model',
        'no_train.py': CONFIG + 'del train_dataloader',
        'no_test.py': CONFIG + 'del test_dataloader',
        'bad.json': '{"images": [',
        'empty.pth': '',
        'garbage.pth': 'no checkpoint ' * 50,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    init_default_scope('mmdet')
    state = MODELS.build(Config.fromfile(folder / 'tiny.py').model).state_dict()
    torch.save({'state_dict': state}, folder / 'weights.pth')
    torch.save({'state_dict': {'layer.weight': torch.ones(2)}}, folder / 'other.pth')
    body = {key: value for key, value in state.items() if not key.startswith('bbox_head')}
    torch.save({'state_dict': body}, folder / 'headless.pth')
    torch.save([1, 2], folder / 'list.pth')
    whole = (folder / 'weights.pth').read_bytes()
    (folder / 'cut.pth').write_bytes(whole[: len(whole) // 2])
    for name in ('cut', 'gone'):
        (folder / f'work_{name}').mkdir()
        (folder / f'work_{name}' / 'last_checkpoint').write_text(str(folder / f'{name}.pth'))
    return folder


@pytest.fixture
def error_of(folder, monkeypatch, capsys):
    """Runs one of the tools in the folder and gives its error line."""
    monkeypatch.chdir(folder)
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('LOCAL_RANK', '0')  # which the scripts set

    def run_tool(tool: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, 'argv', [tool, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        assert ended.value.code == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith('error: ')
        return last

    return run_tool


CONFIGS = {
    'syntax.py': ('syntax.py', 'line 2'),
    'name.py': ('name.py', "line 2: NameError: name 'unknown' is not defined"),
    'base.py': ('gone.py does not exist',),
    'bad_base.py': ('name.py', "'unknown'"),
    'import.py': ('import.py', 'no_such_module'),
    'none.py': ('none.py does not exist',),
}


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize('tool', ['train.py', 'misc/browse_chips.py'])
def test_config_that_cannot_be_loaded(tool, config, error_of):
    error = error_of(tool, config, *(['--out-dir', 'out'] if 'browse' in tool else []))
    assert all(part in error for part in CONFIGS[config]), error


@pytest.mark.parametrize(
    ('config', 'told'),
    [
        ('empty.py', "config empty.py has no key 'model'"),
        ('no_model.py', "config no_model.py has no key 'model'"),
        ('no_train.py', 'train_dataloader is not there'),
        ('no_test.py', 'test_dataloader is not there'),
    ],
)
def test_missing_key(config, told, error_of):
    assert told in error_of('train.py', config)


@pytest.mark.parametrize(
    ('option', 'told'),
    [
        ('foo', '--cfg-options foo is malformed'),
        ('foo=[1,(2]', '--cfg-options foo=[1,(2] is malformed'),
        ('model.type.x=1', '(model.type.x) do not fit the config'),
        ('train_dataloader.dataset.pipeline.9.type=Resize', 'Index 9 exceeds'),
        ('model=5', 'but got 5'),
        ('optim_wrapper=5', 'but got 5'),
        ('train_cfg=5', 'but got 5'),
        ('model.type=RetinaNett', 'RetinaNett is not in the mmdet::model registry'),
        ('model.bbox_head.typo=3', "RetinaNet > RetinaHead: TypeError: .*argument 'typo'"),
        ('model.backbone.depth=17', 'RetinaNet > ResNet: invalid depth 17'),
        ('train_dataloader.dataset.typo=1', "train_dataloader > CocoDataset: .*argument 'typo'"),
        ('train_dataloader.dataset.pipeline.0.type=Foo', 'CocoDataset > Foo: Foo is not in the'),
        ('train_dataloader.dataset.ann_file=bad.json', 'annotation file ./bad.json cannot be'),
        ('train_dataloader.persistent_workers=True', 'train_dataloader: .*num_workers > 0'),
        ('train_dataloader.num_workers=-1', 'train_dataloader: num_workers .* non-negative'),
        ('optim_wrapper.optimizer.type=Foo', "there is no optimizer of type 'Foo'"),
        ('default_hooks.foo.type=Foo', 'Foo is not in the mmdet::hook registry'),
        (
            'model.bbox_head.num_classes=3',
            r'bbox_head \(RetinaHead\) has num_classes=3, .* 1 class',
        ),
        ('train_dataloader.dataset.metainfo.classes=square', "the word 'square': write a tuple"),
        ('load_from=other.pth', 'other.pth is of another model'),
    ],
)
def test_setting(option, told, error_of):
    error = error_of('train.py', 'tiny.py', '--cfg-options', option)
    assert re.search(told if '.*' in told or '\\' in told else re.escape(told), error), error


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        ('empty', 'empty.pth cannot be read'),
        ('garbage', 'garbage.pth cannot be read'),
        ('cut', 'cut.pth cannot be read'),
        ('list', 'list.pth cannot be read'),
        ('gone', 'gone.pth does not exist'),
        ('other', 'other.pth is of another model than that of the config, RetinaNet'),
        ('headless', 'headless.pth .* has no tensor that fits bbox_head'),
    ],
)
def test_checkpoint_to_test(name, told, error_of):
    error = error_of('test.py', 'tiny.py', f'{name}.pth')
    assert re.search(told, error), error


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        (['--resume', 'weights.pth'], 'weights.pth cannot be resumed from'),
        (['--resume', '--work-dir', 'work_cut'], 'cut.pth cannot be read'),
        (['--resume', '--work-dir', 'work_gone'], 'gone.pth does not exist'),
    ],
)
def test_checkpoint_to_resume(arguments, told, error_of):
    assert told in error_of('train.py', 'tiny.py', *arguments)


@pytest.mark.parametrize(
    ('tool', 'arguments', 'told'),
    [
        ('train.py', ['--work-dir', 'tiny.py/work'], 'tiny.py/work cannot be used: Not a dir'),
        ('train.py', ['--work-dir', 'tiny.py'], 'tiny.py is a file already'),
        ('train.py', ['--launcher', 'pytorch'], 'RANK'),
        ('train.py', ['--launcher', 'slurm'], 'SLURM_PROCID is not set'),
        ('train.py', ['--launcher', 'mpi'], 'OMPI_COMM_WORLD_RANK is not set'),
        ('train.py', ['--auto-scale-lr'], '"auto_scale_lr"'),
        ('test.py', ['weights.pth', '--out', 'a.txt'], 'must be a pkl file'),
        ('test.py', ['weights.pth', '--show-dir', 'shown'], 'VisualizationHook'),
        (
            'misc/browse_chips.py',
            ['--out-dir', 'out', '--cfg-options', 'train_dataloader=5'],
            'tiny.py has no train_dataloader.dataset',
        ),
    ],
)
def test_command_line(tool, arguments, told, error_of):
    if '--launcher' in arguments and torch.cuda.is_available():
        pytest.skip('with a GPU mmengine starts the processes')
    assert told in error_of(tool, 'tiny.py', *arguments)


def test_no_jobs(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['zoo_matrix.py', '--jobs', '0'])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOLS / 'analysis_tools/zoo_matrix.py'), run_name='__main__')
    assert ended.value.code == 2
    assert 'must be 1 or more' in capsys.readouterr().err
