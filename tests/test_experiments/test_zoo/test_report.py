"""Tests of the matrix as a page, of which configs are trained, and of going on after a stop."""

import json
from dataclasses import asdict

import pytest

from mmsniper.errors import InputError
from mmsniper.experiments.zoo.matrix import choose_trials, run_matrix
from mmsniper.experiments.zoo.report import failures, figures, page
from mmsniper.experiments.zoo.scope import ZooConfig
from mmsniper.experiments.zoo.trial import STEPS, Result

GOOD = ZooConfig('atss/a.py', 'anchor', 'ATSS', ('ATSSHead',), 'ResNet')
WIDER = ZooConfig('atss/b.py', 'anchor', 'ATSS', ('ATSSHead',), 'ResNeXt')
TWIN = ZooConfig('atss/c.py', 'anchor', 'ATSS', ('ATSSHead',), 'ResNet')
BAD = ZooConfig('solo/a.py', 'mask', 'SOLO', ('SOLOHead',), 'ResNet')
OTHER = ZooConfig('solo/b.py', 'mask', 'SOLO', ('DecoupledSOLOHead',), 'ResNet')
NO_PACKAGE = ZooConfig('convnext/a.py', needs='mmpretrain')
OUT = ZooConfig('glip/a.py', detector='GLIP', out='prompted by text')
CONFIGS = [GOOD, WIDER, TWIN, BAD, OTHER, NO_PACKAGE, OUT]
RESULTS = [
    Result(GOOD, True, list(STEPS), ignoring='ignore', reason='r', num_chips=9, losses=[1.5, 1.25]),
    Result(WIDER, False, list(STEPS[:2]), ignoring='ignore', reason='r'),
    Result(
        TWIN,
        True,
        list(STEPS[:2]),
        'trained: RuntimeError: x_impl: implementation for device cpu not found. (x.py:1)',
        ignoring='ignore',
        reason='r',
    ),
    Result(BAD, True, list(STEPS[:3]), 'tested: ValueError: no | good (a.py:7)', ignoring='erase'),
]


def test_choice_of_what_is_trained():
    assert choose_trials(CONFIGS) == {'atss/a.py', 'atss/b.py', 'solo/a.py'}
    every = {'atss/a.py', 'atss/b.py', 'solo/a.py', 'solo/b.py'}
    assert choose_trials(CONFIGS, every_detector=True) == every


def test_failures_are_those_without_an_excuse():
    assert failures(RESULTS) == [RESULTS[3]]


def test_figures():
    found = figures(CONFIGS, RESULTS)
    assert found['num_configs'] == 7
    assert found['num_in_scope'] == 6
    assert found['num_missing_package'] == 1
    assert found['num_families'] == 3
    assert found['configs_passed'] == dict(sniperized=4, built=4, trained=2, tested=1, ignored=1)
    assert found['families_passed'] == dict(sniperized=2, built=2, trained=2, tested=1, ignored=1)
    assert found['failed'] == ['solo/a.py']
    assert found['out_of_scope'] == {'glip/a.py': 'prompted by text'}
    assert found['missing_package'] == {'convnext/a.py': 'mmpretrain'}
    json.dumps(found)


def test_page():
    lines = page(CONFIGS, RESULTS, 'mmdet 3.3.0').splitlines()
    assert '| atss | a.py | anchor | left out of the loss | 9 | 1.5, 1.25 | passes all |' in lines
    row = next(line for line in lines if line.startswith('| solo | a.py'))
    assert row.endswith('trains; then **failed**: tested: ValueError: no \\| good (a.py:7) |')
    assert any('it needs a GPU: MMCV has no x_impl for CPUs' in line for line in lines)
    assert '| convnext/a.py | - | - | not tried: needs the package mmpretrain |' in lines
    assert '| solo/b.py | mask | - | not tried |' in lines
    assert '**Prompted by text** (1):' in lines
    assert '- `glip/a.py`' in lines


def test_results_in_the_journal_are_taken_from_it(tmp_path):
    journal = tmp_path / 'journal'
    journal.write_text(''.join(json.dumps(asdict(result)) + '\n' for result in RESULTS))
    trained = {result.config.name for result in RESULTS if result.train}
    configs = [GOOD, WIDER, TWIN, BAD, NO_PACKAGE, OUT]
    # There are no such configs, so that any trial would fail otherwise.
    assert run_matrix(configs, trained, tmp_path, journal) == RESULTS


def test_a_file_that_is_no_journal(tmp_path):
    journal = tmp_path / 'journal'
    journal.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match='line 1 of .*journal is no result of a trial: delete'):
        run_matrix([GOOD], set(), tmp_path, journal)
