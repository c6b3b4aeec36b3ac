"""Folders of comparisons, and what becomes of runs that others do or that fail."""

import dataclasses
import json
import os
import threading
from pathlib import Path

import pytest
from command_line import ROOT, TOOLS
from small_suite import write_suite

from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks import run as run_module
from mmsniper.experiments.benchmarks.comparison import open_folder, prepare_data, run_all
from mmsniper.experiments.benchmarks.recipe import TestWay
from mmsniper.experiments.benchmarks.run import Run
from mmsniper.experiments.benchmarks.run_config import training_budget
from mmsniper.experiments.benchmarks.suite import read_suite
from mmsniper.experiments.benchmarks.summary import collect
from mmsniper.experiments.benchmarks.wall_time import equal_time, seconds_per_step
from mmsniper.utils.claim import claim
from mmsniper.utils.json_file import write_json

DATA = Path(os.environ.get('MMSNIPER_DATA', ROOT.parent / 'shared' / 'data'))
DRAWN = ('cells', 'scenes', 'shapes')
FOUND = ('bccd', 'coco_sample', 'licence_plates')


def load(tmp_path, **options):
    folder = TOOLS / 'benchmarks/data_sets'
    return read_suite(write_suite(tmp_path / 'suite'), 'tiny', folder, **options)


def make_run(suite, tmp_path, seed, outcome):
    """A run whose work is to call ``outcome``."""
    made = Run(suite, 'chips', seed, tmp_path / f'runs/{seed}', tmp_path, TOOLS)
    made.execute = outcome
    return made


@pytest.mark.skipif(not DATA.is_dir(), reason=f'no images at {DATA}: set MMSNIPER_DATA')
@pytest.mark.parametrize('name', DRAWN)
def test_data_sets_can_be_drawn(name, tmp_path):
    folder = TOOLS / 'benchmarks'
    suite = read_suite(folder / 'suites/scales.py', 'tiny', folder / 'data_sets', data=name)
    few = (*suite.data.arguments, '--train', '2', '--val', '1')
    suite = dataclasses.replace(suite, data=dataclasses.replace(suite.data, arguments=few))
    prepare_data(suite, tmp_path / 'drawn', TOOLS, DATA)
    for split, images in ((suite.data.train, 2), (suite.data.val, 1)):
        content = json.loads((tmp_path / 'drawn' / split['ann_file']).read_text())
        assert len(content['images']) == images
        assert {category['name'] for category in content['categories']} == set(suite.data.classes)
        used = {annotation['category_id'] for annotation in content['annotations']}
        assert used <= {category['id'] for category in content['categories']} and used


@pytest.mark.skipif(not DATA.is_dir(), reason=f'no images at {DATA}: set MMSNIPER_DATA')
@pytest.mark.parametrize('name', FOUND)
def test_data_sets_among_the_sources_have_their_classes_and_pictures(name):
    folder = TOOLS / 'benchmarks'
    suite = read_suite(folder / 'suites/scales.py', 'tiny', folder / 'data_sets', data=name)
    root = Path(suite.data.root.format(sources=DATA))
    prepare_data(suite, root, TOOLS, DATA)
    for split in (suite.data.train, suite.data.val):
        content = json.loads((root / split['ann_file']).read_text())
        assert [category['name'] for category in content['categories']] == list(suite.data.classes)
        for image in content['images']:
            assert (root / split['images'] / image['file_name']).is_file()


def test_a_folder_is_for_one_suite_and_gone_on_with_only_if_asked(tmp_path):
    suite, other = load(tmp_path), load(tmp_path, budget_mpx=9)
    open_folder(tmp_path / 'out', suite, resume=False)
    open_folder(tmp_path / 'out', suite, resume=True)
    with pytest.raises(InputError, match='add --resume'):
        open_folder(tmp_path / 'out', suite, resume=False)
    with pytest.raises(InputError, match='another suite, size, data set or budget'):
        open_folder(tmp_path / 'out', other, resume=True)
    with pytest.raises(InputError, match='holds something else'):
        open_folder(tmp_path / 'suite', suite, resume=True)
    with pytest.raises(InputError, match='is a file'):
        open_folder(tmp_path / 'suite/suite.py', suite, resume=True)


def test_ways_of_testing_that_come_later_are_done_with_what_was_trained(tmp_path):
    suite = load(tmp_path)
    settings = suite.figures()
    open_folder(tmp_path / 'out', suite, resume=False)
    run = Run(suite, 'chips', 0, tmp_path / 'out/runs/chips/seed_0', tmp_path, TOOLS)
    run.folder.mkdir(parents=True)
    tested = dict.fromkeys(suite.tests, {})
    write_json(run.folder / 'result.json', dict(recipe='chips', seed=0, tests=tested))
    assert run.finished() and collect(suite, tmp_path / 'out')
    tests = dict(suite.tests, finest=TestWay('the finest level', levels=(0,)))
    more = dataclasses.replace(suite, tests=tests)
    open_folder(tmp_path / 'out', more, resume=True)
    assert more.figures() == settings
    assert not dataclasses.replace(run, suite=more).finished()
    assert not collect(more, tmp_path / 'out')
    # The one during the training is a part of it.
    tests[suite.curve_test] = TestWay('another', levels=(1,))
    with pytest.raises(InputError, match='another suite'):
        open_folder(tmp_path / 'out', dataclasses.replace(suite, tests=tests), resume=True)


def test_runs_of_others_are_left_alone_and_failures_do_not_stop_the_rest(tmp_path):
    suite, done, lines = load(tmp_path), [], []

    def succeed():
        done.append(True)
        return dict(tests=dict(pyramid=dict(metrics={'coco/bbox_mAP': 0.5})))

    def fail():
        raise InputError('chips, seed 1: no memory')

    runs = [
        make_run(suite, tmp_path, 0, succeed),
        make_run(suite, tmp_path, 1, fail),
        make_run(suite, tmp_path, 2, succeed),
        make_run(suite, tmp_path, 3, succeed),
    ]
    with claim(runs[2].folder):
        elsewhere, failures = run_all(runs, jobs=2, tell=lines.append)
    assert len(done) == 2
    assert elsewhere == ['chips, seed 2']
    assert failures == ['chips, seed 1: no memory']
    assert any('pyramid 0.500' in line for line in lines)


def test_threads_build_their_configs_one_after_the_other(tmp_path, monkeypatch):
    suite = load(tmp_path)
    together = threading.Barrier(2)

    def build(*args, **kwargs):
        together.wait(timeout=0.2)

    monkeypatch.setattr(run_module, 'train_config', build)
    runs = [Run(suite, 'chips', s, tmp_path / f'{s}', tmp_path, TOOLS) for s in (0, 1)]
    _, failures = run_all(runs, jobs=2, tell=lambda line: None)
    assert len(failures) == 2 and all('BrokenBarrierError' in failure for failure in failures)


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path):
    suite = load(tmp_path)
    run = Run(suite, 'chips', 0, tmp_path / 'run', tmp_path, TOOLS)
    run.folder.mkdir()
    (run.folder / 'train.py').write_text('seed = 7')
    with pytest.raises(InputError, match='was begun with other settings'):
        run.execute()


def test_a_finished_run_of_other_settings_is_not_taken_for_one_of_these(tmp_path):
    suite = load(tmp_path)
    run = Run(suite, 'chips', 0, tmp_path / 'run', tmp_path, TOOLS)
    run.folder.mkdir()
    tested = dict.fromkeys(suite.tests, {})
    result = dict(recipe='chips', seed=0, tests=tested, settings=run.settings())
    write_json(run.folder / 'result.json', result)
    assert run.finished() == result

    def other(tests=(), **changed):
        recipe = dataclasses.replace(suite.recipes['chips'], **changed)
        recipes = dict(suite.recipes, chips=recipe)
        tests = {**suite.tests, **dict(tests)}
        return dataclasses.replace(
            run, suite=dataclasses.replace(suite, recipes=recipes, tests=tests)
        )

    # Words, and where weights lie, change nothing; nor does a test that came later.
    assert other(title='squares').finished() == result
    assert other(overrides=dict(load_from='elsewhere.pth')).finished() == result
    assert other(tests={'new': TestWay('new', levels=(0,))}).finished() is None
    with pytest.raises(InputError, match='chips, seed 0 was done with other training, rate'):
        other(rate=0.3).finished()
    with pytest.raises(InputError, match='with other tests, pyramid'):
        other(tests={'pyramid': TestWay('pyramid', ranges='open')}).finished()


def test_data_that_is_not_there_is_named(tmp_path):
    folder = TOOLS / 'benchmarks/data_sets'
    suite = read_suite(TOOLS / 'benchmarks/suites/scales.py', 'tiny', folder, data='bccd')
    with pytest.raises(InputError, match='BCCD with --data-root'):
        prepare_data(suite, tmp_path, TOOLS, tmp_path)


def test_in_equal_time_a_slower_recipe_does_fewer_steps(tmp_path):
    suite = dataclasses.replace(load(tmp_path), wall_time=60.0)
    found = {}
    for recipe, speed in (('single', 0.5), ('chips', 0.75)):
        run = Run(suite, recipe, 0, tmp_path / f'runs/{recipe}/seed_0', tmp_path, TOOLS)
        run.folder.parent.mkdir(parents=True)
        (run.folder.parent / 'speed.json').write_text(json.dumps(dict(seconds_per_step=speed)))
        found[recipe] = equal_time(run)
        assert found[recipe].budget.steps * speed == pytest.approx(60)
        assert found[recipe].extent == '60 s of training'
    assert found['single'].budget.steps == 120
    with pytest.raises(InputError, match='--wall-time 1 is too short: chips takes 0.75 s'):
        equal_time(dataclasses.replace(run, suite=dataclasses.replace(suite, wall_time=1.0)))


def test_the_speed_is_that_of_the_suites_steps(tmp_path, monkeypatch):
    suite = load(tmp_path)
    recipe = dataclasses.replace(suite.recipes['chips'], step_factor=8)
    suite = dataclasses.replace(suite, recipes=dict(chips=recipe))
    probed = []

    def measured(run):
        probed.append(training_budget(run.suite, run.suite.recipes[run.recipe]))
        return [9.0, 5.0, 5.0, 5.0]

    monkeypatch.setattr(Run, 'round_seconds', measured)
    run = Run(suite, 'chips', 0, tmp_path / 'runs/chips/seed_0', tmp_path, TOOLS)
    assert seconds_per_step(run) == 0.5
    assert probed[0].step_mpx == suite.budget.step_mpx


def test_only_one_process_measures_the_speed(tmp_path):
    suite = dataclasses.replace(load(tmp_path), wall_time=60.0)
    run = Run(suite, 'chips', 0, tmp_path / 'runs/chips/seed_0', tmp_path, TOOLS)
    with claim(run.folder.parent), pytest.raises(InputError, match='measures the speed of chips'):
        equal_time(run)
