"""Fixtures for all tests."""

import pytest
from mmdet.utils import register_all_modules


@pytest.fixture(autouse=True, scope='session')
def mmdet_scope():
    """Names resolve as in a run of a config with ``default_scope='mmdet'``."""
    register_all_modules(init_default_scope=True)
