"""Where the configs of the installed mmsniper are, for ``_base_`` and for scripts."""

import difflib
from pathlib import Path

from mmengine.config import utils as mmengine_config

from ..errors import InputError

_CONFIGS = Path(__file__).resolve().parent.parent / '.mim' / 'configs'


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
    wanted = name if name.endswith('.py') else f'{name}.py'
    path = _CONFIGS / wanted
    if path.is_file():
        return str(path)
    names = sorted(p.relative_to(_CONFIGS).as_posix() for p in _CONFIGS.rglob('*.py'))
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
    hint = f'did you mean {" or ".join(near)}' if near else f'see the folder {_CONFIGS}'
    raise InputError(f'mmsniper has no config {name}: {hint}')
