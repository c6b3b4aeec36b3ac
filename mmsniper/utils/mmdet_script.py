"""MMDetection's own training and test scripts, run with what a machine without a GPU needs."""

import importlib.util
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import mmdet

from ..errors import InputError
from .checked_runner import CheckedRunner
from .cpu import fit_to_cpu, has_accelerator


def run_mmdet_script(name: str) -> None:
    """Run ``train.py`` or ``test.py`` of the installed MMDetection on this command line.

    Options, help and work are MMDetection's. The runner is one that also refuses what does not fit
    together, see :class:`mmsniper.utils.checked_runner.CheckedRunner`; on a machine without an
    accelerator the parsed options are fitted to it first, see
    :func:`mmsniper.utils.cpu.fit_to_cpu`.

    Args:
        name: The name of the script without ``.py``.

    Raises:
        InputError: The installed MMDetection does not ship its scripts, or ``--tta`` is asked for.
    """
    script = _load(name)
    arguments: Namespace = script.parse_args()
    if getattr(arguments, 'tta', False):
        raise InputError(
            '--tta cannot be combined with chips, which are tested at several scales already: '
            'leave it out'
        )
    if not has_accelerator():
        fit_to_cpu(arguments)
    script.parse_args = lambda: arguments
    script.Runner = CheckedRunner
    script.main()


def _load(name: str) -> ModuleType:
    path = Path(mmdet.__file__).parent / '.mim' / 'tools' / f'{name}.py'
    if not path.is_file():
        raise InputError(
            f'{path} does not exist: install MMDetection as a package '
            '(pip install mmdet==3.3.0), which ships it'
        )
    spec = importlib.util.spec_from_file_location(f'mmdet_{name}_script', path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script
