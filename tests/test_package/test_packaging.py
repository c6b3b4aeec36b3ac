"""What a built wheel holds, and that mim finds its way in an installation."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIM = Path(sys.executable).with_name('mim')


def run(*command, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONWARNINGS': 'ignore'}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=1500, env=environment, **options
    )


def test_links_for_mim_stay_inside_the_repository():
    for name in ('configs', 'tools', 'model-index.yml'):
        link = ROOT / 'mmsniper' / '.mim' / name
        assert not os.path.isabs(os.readlink(link))
        assert link.samefile(ROOT / name)


@pytest.mark.slow
def test_wheel_holds_copies_of_configs_and_tools(tmp_path):
    copy = tmp_path / 'checkout'
    copy.mkdir()
    names = [
        'LICENSE',
        'MANIFEST.in',
        'README.md',
        'pyproject.toml',
        'requirements.txt',
        'setup.cfg',
    ]
    names += ['configs', 'mmsniper', 'tools', 'model-index.yml']
    present = [str(ROOT / name) for name in names if (ROOT / name).exists()]
    subprocess.run(['cp', '-a', *present, str(copy)], check=True)
    options = ['--quiet', '--no-deps', '--no-build-isolation', '--wheel-dir', str(tmp_path)]
    built = run(sys.executable, '-m', 'pip', 'wheel', *options, str(copy))
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob('*.whl'))) as wheel:
        members = {m.filename: m for m in wheel.infolist()}
    for folder in ('configs', 'tools'):
        for path in (ROOT / folder).rglob('*'):
            if path.suffix in ('.py', '.sh', '.yml', '.md'):
                member = members[f'mmsniper/.mim/{path.relative_to(ROOT)}']
                assert member.file_size == path.stat().st_size
    for path in (ROOT / 'mmsniper').rglob('*.py'):
        assert str(path.relative_to(ROOT)) in members
    assert 'mmsniper/.mim/model-index.yml' in members
    assert any(name.endswith('licenses/LICENSE') for name in members)
    assert not [name for name in members if '__pycache__' in name or name.startswith('tests')]


@pytest.fixture
def mim():
    try:
        distribution('mmsniper')
    except PackageNotFoundError:
        pytest.skip('mmsniper is not installed: run make setup')
    if not MIM.is_file():
        pytest.skip(f'{MIM} does not exist: run make setup')
    return str(MIM)


@pytest.mark.slow
def test_mim_finds_the_package(mim, tmp_path):
    """A config by its name alone, a tool by its name alone, each from a foreign folder."""
    ran = run(mim, 'run', 'mmsniper', 'test', 'no_such_config.py', 'no_such.pth', cwd=tmp_path)
    assert 'tools/test.py' in ran.stdout
    assert 'error: ' in ran.stderr and 'no_such_config.py' in ran.stderr
    assert ran.returncode != 0

    name = min((ROOT / 'configs').glob('sniper/*.py')).name
    options = [
        '--gpus',
        '0',
        '--cfg-options',
        'train_dataloader.dataset.dataset.data_root=nowhere/',
    ]
    trained = run(mim, 'train', 'mmsniper', name, *options, cwd=tmp_path)
    assert f'we find the config file in codebase mmsniper, will use {ROOT}' in trained.stdout
    assert 'error: ' in trained.stderr and 'nowhere/' in trained.stderr

    searched = run(mim, 'search', 'mmsniper', '--valid-config', cwd=tmp_path)
    assert searched.returncode == 0, searched.stderr
    assert 'valid config ids' in searched.stdout
