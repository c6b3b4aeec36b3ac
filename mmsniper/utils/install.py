"""The check of what pip cannot check for us: an MMDetection that is there, and fits.

mmcv, mmdet and mmengine are not among mmsniper's requirements, since forks provide the same modules
under other names and mmcv has to be compiled after PyTorch is there.
"""

from importlib import import_module
from types import ModuleType

INSTALL_HINT = {
    'torch': 'install PyTorch (https://pytorch.org/get-started)',
    'mmengine': "install it with 'pip install mmengine==0.10.7'",
    'mmcv': (
        "install it with 'MMCV_WITH_OPS=1 pip install --no-build-isolation mmcv==2.1.0' "
        'once PyTorch is there'
    ),
    'mmdet': "install it with 'pip install mmdet==3.3.0'",
}


def check_installation() -> None:
    """Check that PyTorch, mmengine, mmcv with compiled operations and mmdet 3.x are usable.

    The forks onedl-mmengine, onedl-mmcv and onedl-mmdetection, which provide the same modules, pass
    as well.

    Raises:
        ImportError: One of them is missing or unfit; the message is one sentence that says what to
            install.
    """
    for name in ('torch', 'mmengine', 'mmcv'):
        _import(name)
    try:
        import_module('mmcv.ops')
    except (ImportError, OSError) as error:
        raise ImportError(
            f'mmsniper needs mmcv with its compiled operations, but mmcv.ops of the installed mmcv '
            f'{_version("mmcv")} cannot be imported ({_one_line(error)}): '
            f'remove it and {INSTALL_HINT["mmcv"]}'
        ) from error
    try:
        mmdet = _import('mmdet')
    except AssertionError as error:  # mmdet states its demands on mmcv and mmengine as assertions
        raise ImportError(
            f'mmsniper needs an MMDetection 3.x with the mmcv and mmengine that it accepts, '
            f'but mmdet says: {_one_line(error)}'
        ) from error
    if mmdet.__version__.split('.')[0] != '3':
        raise ImportError(
            f'mmsniper needs mmdet >= 3.0, < 4, but {mmdet.__version__} is installed: '
            f'{INSTALL_HINT["mmdet"]}'
        )


def _import(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name if error.name in INSTALL_HINT else name
        reason = (
            'is not installed' if error.name == missing else f'fails to import ({_one_line(error)})'
        )
        raise ImportError(
            f'mmsniper needs {missing}, which {reason}: {INSTALL_HINT[missing]}'
        ) from error


def _version(name: str) -> str:
    return str(getattr(import_module(name), '__version__', 'of unknown version'))


def _one_line(error: BaseException) -> str:
    return ' '.join(str(error).split()) or type(error).__name__
