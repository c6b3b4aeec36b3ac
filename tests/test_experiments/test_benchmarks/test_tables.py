"""Tables and plots of made-up results, where every figure is known."""

import csv
import dataclasses
import io
import json

import cv2
import numpy as np
import pytest
from command_line import TOOLS
from small_suite import write_suite

from mmsniper.experiments.benchmarks.figures import figure, spread
from mmsniper.experiments.benchmarks.plots import best_for_pixels, write_plots
from mmsniper.experiments.benchmarks.recipe import TestWay
from mmsniper.experiments.benchmarks.suite import read_suite
from mmsniper.experiments.benchmarks.summary import collect
from mmsniper.experiments.benchmarks.tables import write_tables

VALUES = {'single': [0.1, 0.2, 0.6], 'chips': [0.4, 0.5, 0.6]}


@pytest.fixture
def suite(tmp_path):
    return read_suite(write_suite(tmp_path / 'suite'), 'tiny', TOOLS / 'benchmarks/data_sets')


def result(recipe, seed, value):
    metrics = {f'coco/bbox_mAP{end}': value for end in ('', '_50', '_75', '_s', '_m')}
    metrics['coco/bbox_mAP_l'] = -1.0
    points = [
        dict(epoch=2, trained_mpx=0.2, metrics={}),
        dict(epoch=4, trained_mpx=0.4, metrics=metrics),
    ]
    return dict(
        recipe=recipe,
        seed=seed,
        training=dict(trained_mpx=0.4, seconds=2.0 + seed, points=points),
        proposals=dict(trained_mpx=0.1) if recipe == 'chips' else None,
        tests=dict(pyramid=dict(metrics=metrics, test_mpx=3.0, test_images=6, test_seconds=1.0)),
        wall_seconds=dict(train=5.0, test_pyramid=1.0),
        provenance=dict(
            commit='abc', date='2026-01-01', machine='m', threads=1, versions=dict(torch='2')
        ),
    )


@pytest.fixture
def results(suite, tmp_path):
    for recipe, values in VALUES.items():
        for seed, value in enumerate(values):
            folder = tmp_path / f'out/runs/{recipe}/seed_{seed}'
            folder.mkdir(parents=True)
            (folder / 'result.json').write_text(json.dumps(result(recipe, seed, value)))
    (tmp_path / 'out/runs/chips/seed_9').mkdir()  # begun, not finished
    return collect(suite, tmp_path / 'out')


def test_mean_and_sample_standard_deviation():
    found = spread([10.0, 20.0, 60.0])
    assert found['mean'] == pytest.approx(30)
    assert found['deviation'] == pytest.approx(np.std([10, 20, 60], ddof=1))
    assert found['n'] == 3
    assert spread([5.0, None]) == dict(mean=5.0, deviation=None, n=1, values=[5.0, None])
    assert spread([None])['mean'] is None


def test_no_detection_is_zero_and_no_object_is_nothing():
    assert figure({}, 'bbox_mAP') == 0
    assert figure({'coco/bbox_mAP': 0.25}, 'bbox_mAP') == 25
    assert figure({'coco/bbox_mAP_l': -1.0}, 'bbox_mAP_l') is None


def test_tables(suite, results, tmp_path):
    assert [(r['recipe'], r['seed']) for r in results] == [
        (recipe, seed) for recipe in VALUES for seed in range(3)
    ]
    text = write_tables(suite, results, tmp_path / 'out', 'python compare.py')
    assert '| single scale | 3 | 30.0 ± 26.5 | 30.0 ± 26.5 |' in text
    assert '| chips | 3 | 50.0 ± 10.0 |' in text
    assert '(0.500 Mpx per image)' in text
    assert '| chips | 0.01 | 0, 1, 2 | 0.4 ± 0.0 | 0.1 ± 0.0 | 3.0 ± 1.0 | 6.0 ± 0.0 |' in text
    assert all(row.endswith('| - |') for row in text.splitlines() if row.startswith('| chips | 3'))
    assert 'python compare.py' in text and 'commit: abc' in text
    rows = list(csv.DictReader(io.StringIO((tmp_path / 'out/values.csv').read_text())))
    assert [float(row['bbox_mAP']) for row in rows] == [10, 20, 60, 40, 50, 60]
    assert {row['bbox_mAP_l'] for row in rows} == {''}
    rows = list(csv.DictReader(io.StringIO((tmp_path / 'out/summary.csv').read_text())))
    assert [row['bbox_mAP n'] for row in rows] == ['3', '3']
    assert float(rows[0]['bbox_mAP deviation']) == pytest.approx(26.4575, abs=1e-3)
    summary = json.loads((tmp_path / 'out/results.json').read_text())['summary']
    assert summary[1]['figures']['bbox_mAP']['values'] == [40, 50, 60]


def with_a_focus(suite, results):
    """A quarter of the pixels, half of the time, a point less; for chips alone."""
    tests = dict(suite.tests, focus=TestWay('the focus', focus=dict(source='head')))
    recipes = dict(
        suite.recipes, chips=dataclasses.replace(suite.recipes['chips'], focus_head=True)
    )
    for run in results:
        whole = run['tests']['pyramid']
        whole['test_cpu_seconds'] = 0.6 if run['seed'] else None  # of an older record
        if run['recipe'] == 'chips':
            metrics = {key: value - 0.01 for key, value in whole['metrics'].items()}
            seconds = dict(test_seconds=0.5, test_cpu_seconds=0.24)
            run['tests']['focus'] = dict(whole, metrics=metrics, test_mpx=0.75, **seconds)
    return dataclasses.replace(suite, tests=tests, recipes=recipes, whole_test='pyramid')


def test_what_testing_costs(suite, results, tmp_path):
    text = write_tables(
        with_a_focus(suite, results), results, tmp_path / 'out', 'python compare.py'
    )
    assert '## Tested: the focus (0.125 Mpx per image)' in text
    rows = [row for row in text.splitlines() if '| the focus |' in row]
    cells = '49.0 ± 10.0 | -1.0 ± 0.0 | 0.125 ± 0.000 | 25.0 ± 0.0 % | 0.083 ± 0.000 | 50.0 ± 0.0 %'
    assert rows == [f'| chips | the focus | 3 | {cells} | 0.040 ± 0.000 | 40.0 ± 0.0 % |']
    assert '| single scale | pyramid | 3 | 30.0 ± 26.5 | 0.0 ± 0.0 | 0.500 ± 0.000 | 100.0' in text
    rows = list(csv.DictReader(io.StringIO((tmp_path / 'out/values.csv').read_text())))
    assert [row['test'] for row in rows] == ['pyramid'] * 3 + ['pyramid', 'focus'] * 3
    assert [row['test_cpu_seconds_per_image'] for row in rows[:2]] == ['', '0.1']


def test_ways_of_testing_stand_in_the_order_of_their_pixels(suite, results, tmp_path):
    suite = with_a_focus(suite, results)
    text = write_tables(suite, results, tmp_path / 'out', 'python compare.py')
    rows = text[text.index('## Test pixels') : text.index('<details>')].splitlines()[2:]
    assert rows[0] == '| AP of | the focus (0.12 Mpx) | pyramid (0.50 Mpx) |'
    assert rows[2:4] == [
        '| single scale | - | 30.0 ± 26.5 |',
        '| chips | 49.0 ± 10.0 | 50.0 ± 10.0 |',
    ]
    assert text.index('<details>') < text.index('## Tested:') < text.index('</details>')
    assert text.index('</details>') < text.index('## What testing costs')


def test_the_best_for_so_many_pixels(suite):
    costs = [(0.9, 41.0), (0.2, 38.0), (0.5, 43.0), (0.7, None), (0.3, 30.0)]
    entries = [dict(test_mpx=mpx, figures=dict(bbox_mAP=dict(mean=ap))) for mpx, ap in costs]
    assert best_for_pixels(entries, suite) == ([0.2, 0.3, 0.5, 0.9], [38.0, 38.0, 43.0, 43.0])
    assert best_for_pixels([], suite) == ([], [])


def test_without_a_whole_test_costs_have_no_table(suite, results, tmp_path):
    text = write_tables(suite, results, tmp_path / 'out', 'python compare.py')
    assert 'What testing costs' not in text


def test_plots_of_a_test_that_not_all_recipes_have(suite, results, tmp_path):
    write_plots(with_a_focus(suite, results), results, tmp_path / 'out')
    assert cv2.imread(str(tmp_path / 'out/test_cost.png')) is not None


def test_plots_have_both_recipes(suite, results, tmp_path):
    write_plots(suite, results, tmp_path / 'out')
    for name in ('curves', 'object_sizes', 'test_cost'):
        picture = cv2.imread(str(tmp_path / f'out/{name}.png'))
        for blue_green_red in ((0xB2, 0x72, 0x00), (0x00, 0x9F, 0xE6)):
            assert (picture == blue_green_red).all(2).sum() > 20
