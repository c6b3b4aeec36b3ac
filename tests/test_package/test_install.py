import sys

import mmdet
import pytest

from mmsniper.utils import install


def sentence(call) -> str:
    with pytest.raises(ImportError) as caught:
        call()
    message = str(caught.value)
    assert '\n' not in message
    return message


def test_this_installation_is_fit():
    install.check_installation()


@pytest.mark.parametrize('name', ['torch', 'mmengine', 'mmcv', 'mmdet'])
def test_missing(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    message = sentence(install.check_installation)
    assert message.startswith(f'mmsniper needs {name}, which is not installed: install ')


def test_mmcv_without_operations(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv.ops', None)
    message = sentence(install.check_installation)
    assert 'compiled operations' in message
    assert 'MMCV_WITH_OPS=1 pip install --no-build-isolation mmcv' in message


def test_dependency_of_mmdet_missing(monkeypatch, tmp_path):
    """Not mmdet is missing then, and the message must not say so."""
    (tmp_path / 'mmdet').mkdir()
    (tmp_path / 'mmdet/__init__.py').write_text('import no_such_dependency')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mmdet')
    message = sentence(install.check_installation)
    assert (
        "mmsniper needs mmdet, which fails to import (No module named 'no_such_dependency')"
        in message
    )


def test_mmdet_rejects_mmcv(monkeypatch, tmp_path):
    (tmp_path / 'mmdet').mkdir()
    (tmp_path / 'mmdet/__init__.py').write_text(
        'assert False, "MMCV==9.9 is used but incompatible."'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mmdet')
    message = sentence(install.check_installation)
    assert message.endswith('but mmdet says: MMCV==9.9 is used but incompatible.')


@pytest.mark.parametrize(('version', 'fit'), [('2.28.2', False), ('4.0.0', False), ('3.5.1', True)])
def test_version_of_mmdet(monkeypatch, version, fit):
    monkeypatch.setattr(mmdet, '__version__', version)
    if fit:
        install.check_installation()
    else:
        assert f'mmsniper needs mmdet >= 3.0, < 4, but {version} is installed' in sentence(
            install.check_installation
        )
