"""The comparison tool, from drawing the data to the plots, interrupted on the way."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import pytest
from command_line import ROOT, TOOLS
from small_suite import write_suite

COMPARE = TOOLS / 'benchmarks/compare.py'
CURVE_EPOCHS, STEPS = [2, 4], 20

# Some fifteen processes that import MMDetection: most of a minute on two cores.
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('compare')
    write_suite(folder, suite="tests['again'] = dict(title='the same from the checkpoint')\n")
    return folder


def compare(folder, *options):
    command = [sys.executable, str(COMPARE), 'suite.py', *map(str, options)]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=900
    )


def environment():
    return {**os.environ, 'PYTHONPATH': str(ROOT)}


def kill_in_training(folder, out_dir, *options):
    """Run the tool until a training has its first checkpoint, then kill all its processes."""
    process = subprocess.Popen(
        [sys.executable, str(COMPARE), 'suite.py', '--out-dir', out_dir, *options],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    record = folder / out_dir / 'runs/chips/seed_0/train/last_checkpoint'
    end = time.monotonic() + 600
    while not record.is_file():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope='module')
def resumed(folder):
    """Two recipes with two seeds, interrupted in the middle of a training and resumed."""
    kill_in_training(folder, 'out', '--only', 'chips', '--seeds', '1')
    interrupted = (folder / 'out/runs/chips/seed_0/train/last_checkpoint').read_text()
    assert not (folder / 'out/runs/chips/seed_0/result.json').exists()
    done = compare(folder, '--out-dir', 'out', '--resume', '--jobs', '2')
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / 'out', interrupted, done


def read(out_dir, recipe, seed, name='result'):
    return json.loads((out_dir / f'runs/{recipe}/seed_{seed}/{name}.json').read_text())


def test_every_run_trains_the_same_number_of_pixels_in_the_same_steps(resumed):
    out_dir, _, _ = resumed
    for recipe in ('single', 'chips'):
        for seed in (0, 1):
            training = read(out_dir, recipe, seed)['training']
            assert training['iterations'] == STEPS
            assert training['trained_mpx'] == pytest.approx(0.4, rel=0.02)
            assert [point['epoch'] for point in training['points']] == CURVE_EPOCHS
            assert training['points'][-1]['trained_mpx'] == training['trained_mpx']


def test_recipes_begin_with_the_same_weights(resumed):
    out_dir, _, _ = resumed
    first = {s: read(out_dir, 'single', s)['training']['initial_weights'] for s in (0, 1)}
    other = {s: read(out_dir, 'chips', s)['training']['initial_weights'] for s in (0, 1)}
    assert first == other
    assert first[0] != first[1]


def test_the_last_point_of_the_curve_is_the_test(resumed):
    out_dir, _, _ = resumed
    result = read(out_dir, 'chips', 1)
    last, tests = result['training']['points'][-1], result['tests']
    assert last['metrics'] == tests['pyramid']['metrics'] == tests['again']['metrics']
    for test in tests.values():
        assert test['test_images'] == 3
        assert test['test_mpx'] == pytest.approx(3 * (96 * 128 + 48 * 64) / 1e6)
    # Tested once only.
    assert (out_dir / 'runs/chips/seed_1/test_again.log').is_file()
    assert not (out_dir / 'runs/chips/seed_1/test_pyramid.log').exists()


def test_an_interrupted_training_goes_on_and_ends_with_the_same_figures(resumed, folder):
    out_dir, interrupted, _ = resumed
    assert 'epoch_4.pth' not in interrupted
    log = (out_dir / 'runs/chips/seed_0/train.log').read_text()
    assert 'resumed epoch' in log
    done = compare(folder, '--out-dir', 'again', '--only', 'chips', '--seeds', '1')
    assert done.returncode == 0, done.stderr[-3000:]
    ours, theirs = (read(path, 'chips', 0) for path in (out_dir, folder / 'again'))
    for result in (ours, theirs):
        assert result['training'].pop('seconds') > 0
        assert result['training'].pop('cpu_seconds') > 0
        assert len(result['training'].pop('round_seconds')) == 4
        for point in result['training']['points']:
            del point['seconds'], point['cpu_seconds']
            assert point.pop('test_seconds') > 0 and point.pop('test_cpu_seconds') > 0
        for test in result['tests'].values():
            assert test.pop('test_seconds') > 0 and test.pop('test_cpu_seconds') > 0
    assert ours['training'] == theirs['training']
    assert ours['tests'] == theirs['tests']
    assert any(point['metrics'] for point in ours['training']['points'])


def test_finished_runs_are_kept(resumed, folder):
    out_dir, _, _ = resumed
    before = {path: path.stat().st_mtime_ns for path in out_dir.glob('runs/**/*') if path.is_file()}
    done = compare(folder, '--out-dir', 'out', '--resume')
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('kept: ') == 4
    after = {path: path.stat().st_mtime_ns for path in out_dir.glob('runs/**/*') if path.is_file()}
    assert before == after


def test_tables_hold_every_value_and_where_it_comes_from(resumed):
    out_dir, _, done = resumed
    with (out_dir / 'values.csv').open() as file:
        values = [row for row in csv.DictReader(file) if row['test'] == 'pyramid']
    assert [(row['recipe'], row['seed']) for row in values] == [
        (recipe, seed) for recipe in ('single', 'chips') for seed in '01'
    ]
    with (out_dir / 'summary.csv').open() as file:
        single = next(csv.DictReader(file))
    found = [float(row['bbox_mAP_50']) for row in values[:2]]
    mean = sum(found) / 2
    assert float(single['bbox_mAP_50 mean']) == pytest.approx(mean, rel=1e-4, abs=1e-9)
    deviation = abs(found[0] - found[1]) / 2**0.5
    assert float(single['bbox_mAP_50 deviation']) == pytest.approx(deviation, rel=1e-4, abs=1e-9)
    text = (out_dir / 'results.md').read_text()
    tables, _, _ = text.partition('## Where')
    assert tables.count('| chips | ') == 3 and tables in done.stdout
    shown = float(re.search(r'\| single scale \| 2 \| ([\d.]+) ±', tables).group(1))
    assert shown == pytest.approx(sum(float(r['bbox_mAP']) for r in values[:2]) / 2, abs=0.051)
    runs = json.loads((out_dir / 'results.json').read_text())['runs']
    sources = [one['provenance'] for one in runs]
    for fact in (sources[0]['commit'], sources[0]['machine'], sources[0]['versions']['torch']):
        assert fact in text
    assert min(source['date'] for source in sources) in text


def test_plots_are_pictures_with_the_colours_of_both_recipes(resumed):
    out_dir, _, _ = resumed
    for name in ('curves', 'object_sizes', 'test_cost'):
        picture = cv2.imread(str(out_dir / f'{name}.png'))
        assert picture.shape[0] > 400 and picture.shape[1] > 800
        for blue_green_red in ((0xB2, 0x72, 0x00), (0x00, 0x9F, 0xE6)):
            assert (picture == blue_green_red).all(2).sum() > 20


def test_equal_time_instead_of_equal_pixels(folder):
    options = ('--wall-time', '3', '--seeds', '1', '--out-dir', 'timed')
    done = compare(folder, *options)
    assert done.returncode == 0, done.stderr[-3000:]
    assert '; 3 s of training in steps of 0.02 Mpx' in done.stdout
    for recipe in ('single', 'chips'):
        speed = json.loads((folder / f'timed/runs/{recipe}/speed.json').read_text())
        steps = round(3 / speed['seconds_per_step'] / 4) * 4
        assert read(folder / 'timed', recipe, 0)['training']['iterations'] == steps
    again = compare(folder, *options, '--resume')
    assert again.returncode == 0 and again.stdout.count('kept: ') == 2


def test_bad_input_is_one_line(resumed, folder):
    done = compare(folder, '--out-dir', 'out')
    assert done.returncode == 1
    assert done.stderr.startswith('error: ') and 'add --resume' in done.stderr
    assert len(done.stderr.splitlines()) == 1
