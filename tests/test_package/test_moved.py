"""Tests of the names that modules had in mmsniper 0.1."""

import importlib

import pytest
from mmdet.registry import DATA_SAMPLERS, HOOKS
from mmengine.config import Config

import mmsniper.evaluation
from mmsniper.moved import MOVED


@pytest.mark.parametrize('old', MOVED)
def test_a_moved_module_is_imported_once_under_both_names(old):
    assert importlib.import_module(old) is importlib.import_module(MOVED[old])


def test_modules_inside_of_a_moved_package_are_found():
    old = importlib.import_module('mmsniper.zoo.scope')
    assert old is importlib.import_module('mmsniper.experiments.zoo.scope')


def test_a_name_that_never_was_is_still_an_error():
    with pytest.raises(ModuleNotFoundError, match='zoo.nothing'):
        importlib.import_module('mmsniper.zoo.nothing')


def test_configs_of_old_name_old_modules():
    text = "custom_imports = dict(imports=['mmsniper.benchmarks'], allow_failed_imports=False)"
    Config.fromstring(text, '.py')
    assert HOOKS.get('mmsniper.benchmarks.PixelCounterHook') is HOOKS.get('PixelCounterHook')
    assert DATA_SAMPLERS.get('EqualPixelBatchSampler') is not None


def test_what_merges_is_still_found_where_it_was():
    assert mmsniper.evaluation.RLEMasks is mmsniper.merging.RLEMasks
    with pytest.raises(AttributeError, match="'mmsniper.evaluation' has no attribute 'nothing'"):
        _ = mmsniper.evaluation.nothing
