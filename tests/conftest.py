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

# The same examples in every run, however long they take.
hypothesis.settings.register_profile(
    'repeatable', derandomize=True, deadline=None, database=None, print_blob=False
)
hypothesis.settings.load_profile('repeatable')


@pytest.fixture(autouse=True, scope='session')
def mmdet_scope():
    """Names resolve as in a run of a config with ``default_scope='mmdet'``."""
    register_all_modules(init_default_scope=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Fixtures draw the same numbers, whichever test is the first to ask for one."""
    seed_everything()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """A test draws the same numbers, whether its fixtures were made for it or were there."""
    seed_everything()


def seed_everything():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
