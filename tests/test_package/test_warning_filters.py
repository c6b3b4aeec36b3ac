"""Warnings of other packages that nobody can do anything about are not shown, all others are."""

import sys
import warnings

import pytest
from command_line import run

from mmsniper.utils.warning_filters import ignore_foreign_warnings

PACKAGES = 'pkg_resources is deprecated as an API. See https://setuptools.pypa.io'
GRID = 'torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.'
SCALER = '`torch.cuda.amp.GradScaler(args...)` is deprecated.'
SECOND = "<class 'mmdet.DetLocalVisualizer'> instance named of visualizer has been created, the "
FASTER = 'faster_coco_eval is not installed, metrics will not be computed.'
PINNED = "'pin_memory' argument is set as true but no accelerator is found, then device pinned"


@pytest.fixture
def shown():
    """Gives whether a warning is shown by a Python that has our filters and these."""

    def is_shown(message, category, module, *filters) -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.resetwarnings()
            for action in filters:
                warnings.simplefilter(action)
            ignore_foreign_warnings()
            warnings.warn_explicit(message, category, 'x.py', 1, module)
        return bool(caught)

    return is_shown


@pytest.mark.parametrize(
    ('message', 'category', 'module'),
    [
        (PACKAGES, UserWarning, 'mmengine.utils.package_utils'),
        (PACKAGES, UserWarning, 'importlib'),
        (GRID, UserWarning, 'torch.functional'),
        (SCALER, FutureWarning, 'mmengine.optim.optimizer.amp_optimizer_wrapper'),
        (SECOND, UserWarning, 'mmengine.utils.manager'),
        (PINNED, UserWarning, 'torch.utils.data.dataloader'),
        (FASTER, UserWarning, 'mmdet.evaluation.metrics.faster_coco_metric'),
    ],
)
def test_warnings_of_other_packages(message, category, module, shown):
    assert not shown(message, category, module)
    assert shown(message, category, 'users.own')
    assert shown('something else', category, module)
    assert shown(message, category, module, 'always')  # who asks for all is shown all


def test_nothing_stands_before_what_we_say(tmp_path):
    code = """
        import torch
        import mmsniper
        from mmengine.utils import is_installed
        is_installed('mmdet')
        torch.meshgrid(torch.ones(2), torch.ones(2))
    """
    done = run(sys.executable, '-c', '\n'.join(map(str.strip, code.splitlines())), cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ''
