"""Fixtures for all tests, which start alike whatever ran before them."""

import os
import random

# The tests run side by side, one process for each core (and so do the programs that they start).
os.environ.setdefault('OMP_NUM_THREADS', '1')

import hypothesis
import numpy as np
import pytest
import torch
from mmdet.utils import register_all_modules
from mmengine.config import config as mmengine_config
from mmengine.logging import MMLogger
from torch.utils.data import _utils as data_loader_utils

# The same examples in every run, however long they take.
hypothesis.settings.register_profile(
    'repeatable', derandomize=True, deadline=None, database=None, print_blob=False
)
hypothesis.settings.load_profile('repeatable')

# Workers of a data loader that the garbage collector finds are told nothing, and it waits five
# seconds for each before it ends them: most of the time of a training of a few steps.
data_loader_utils.MP_STATUS_CHECK_INTERVAL = 0.5

# Each run writes its config down: seconds for line breaks that no test reads.
mmengine_config.FormatCode = lambda text, **style: (text, True)


@pytest.fixture(autouse=True, scope='session')
def mmdet_scope():
    """Names resolve as in a run of a config with ``default_scope='mmdet'``."""
    register_all_modules(init_default_scope=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The longest tests are begun first, or one process would wait for them in the end."""
    items.sort(key=lambda item: item.get_closest_marker('long') is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Fixtures draw the same numbers, whichever test is the first to ask for one.

    And the log is a new one: runs of other tests leave theirs, which may tell of errors only.
    """
    MMLogger._instance_dict.clear()
    seed_everything()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """A test draws the same numbers, whether its fixtures were made for it or were there."""
    seed_everything()


def seed_everything():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
