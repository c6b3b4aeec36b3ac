"""Where the configs of the installed mmsniper and MMDetection are, for configs and for scripts."""

import difflib
from pathlib import Path

import mmdet
from mmengine.config import Config
from mmengine.config import utils as mmengine_config

from ..errors import InputError

_CONFIGS = Path(__file__).resolve().parent.parent / '.mim' / 'configs'
_ZOO = Path(mmdet.__file__).resolve().parent / '.mim' / 'configs'


def register_config_scope() -> None:
    """Tell mmengine that ``mmsniper::folder/name.py`` names a config of this package."""
    mmengine_config.MODULE2PACKAGE['mmsniper'] = 'mmsniper'


def config_path(name: str) -> str:
    """The absolute path of one of mmsniper's own configs.

    In a config that MMDetection's own tools load, where mmsniper is not imported yet, a base is
    named as ``_base_ = __import__('mmsniper').config_path('sniper/name.py')``.

    Args:
        name: The config below ``configs``, such as ``'sniper/name.py'``; ``.py`` may be left out.

    Returns:
        The absolute path.

    Raises:
        InputError: There is no such config; the message names those that come near.
    """
    if not _CONFIGS.is_dir():
        raise InputError(
            f'the configs of mmsniper are missing at {_CONFIGS}: '
            "reinstall with 'pip install .' or 'make setup'"
        )
    return _find(_CONFIGS, name, 'mmsniper')


def zoo_config(name: str) -> Config:
    """One of MMDetection's own configs, as the installed package has it.

    A base in ``_base_`` is inherited whole. A config that wants nothing but the model of another
    one takes it with ``model = __import__('mmsniper').zoo_config('atss/name.py').model``.

    Args:
        name: The config below MMDetection's ``configs``, such as ``'atss/name.py'``; ``.py`` may be
            left out.

    Returns:
        The config.

    Raises:
        InputError: There is no such config; the message names those that come near.
    """
    if not _ZOO.is_dir():
        raise InputError(
            f"MMDetection's configs are missing at {_ZOO}: install it with pip from the package "
            'index, or from a checkout'
        )
    return Config.fromfile(_find(_ZOO, name, 'MMDetection'))


def _find(folder: Path, name: str, owner: str) -> str:
    wanted = name if name.endswith('.py') else f'{name}.py'
    path = folder / wanted
    if path.is_file():
        return str(path)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob('*.py'))
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
    hint = f'did you mean {" or ".join(near)}' if near else f'see the folder {folder}'
    raise InputError(f'{owner} has no config {name}: {hint}')
