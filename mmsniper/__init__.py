"""SNIPER training and pyramid testing for every detector of MMDetection (arXiv:1805.09300).

Importing this package checks that a fit MMDetection is installed, makes checkpoints of mmengine
loadable with recent PyTorch, makes ``_base_ = 'mmsniper::folder/name.py'`` known to mmengine and
registers all components into MMDetection's registries. A config therefore needs nothing but
``custom_imports = dict(imports=['mmsniper'])``.
"""

from .errors import InputError
from .moved import follow_moved_modules
from .utils.install import check_installation
from .utils.warning_filters import ignore_foreign_warnings
from .version import __version__

ignore_foreign_warnings()  # before all that imports the packages which give them
check_installation()  # before all that imports mmdet, so that its sentence is the first to be seen

from . import apis, datasets, engine, evaluation, merging, models, registry  # noqa: E402
from .utils.checkpoint import allow_checkpoint_globals  # noqa: E402
from .utils.configs import config_path, register_config_scope, zoo_config  # noqa: E402

allow_checkpoint_globals()
register_config_scope()
follow_moved_modules()

__all__ = [
    'InputError',
    '__version__',
    'apis',
    'config_path',
    'datasets',
    'engine',
    'evaluation',
    'merging',
    'models',
    'registry',
    'zoo_config',
]
