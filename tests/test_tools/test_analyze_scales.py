import importlib.util
import json
import os
import re
import shlex
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import TOOLS, run
from mmdet.registry import DATASETS
from mmengine.config import Config
from scale_data import draw_annotations, log_uniform, write_annotations

from mmsniper import config_path
from mmsniper.analysis.coco_boxes import Annotations
from mmsniper.chips import Pyramid
from mmsniper.errors import InputError

SCRIPT = TOOLS / 'analysis_tools' / 'analyze_scales.py'
DATA = Path(os.environ.get('MMSNIPER_DATA', TOOLS.parents[1] / 'shared' / 'data'))
KEYS = (
    'levels valid_ranges chip_size chips_per_image mpx_per_image mpx_single_scale mpx_pyramid '
    'uncovered_share histograms'
).split()


@pytest.fixture(scope='module')
def tool():
    """The script as a module, which spares most cases a process."""
    spec = importlib.util.spec_from_file_location('analyze_scales', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def analyze(tool, monkeypatch, capsys):
    """Calls the script; gives its figures and what it prints besides."""

    def call(*args):
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, args), '--json', '-'])
        tool.main()
        printed = capsys.readouterr()
        return json.loads(printed.out), printed.err

    return call


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('annotations')
    drawn = dict(
        photographs=draw_annotations([(3000, 4000)] * 30, log_uniform(10, 2000), 20),
        cells=draw_annotations([(480, 640)] * 20, log_uniform(90, 110), 20),
        wide=draw_annotations([(480, 640), (640, 427)] * 20, log_uniform(8, 400), 5),
        crowded=draw_annotations([(480, 640)] * 10, log_uniform(8, 400), 300),
        drones=draw_annotations(
            [(1080, 1920), (765, 1360)] * 5,
            lambda rng, n: np.minimum(np.exp(rng.normal(np.log(25), 0.75, n)), 700),
            50,
        ),
        specks=draw_annotations([(1500, 2000)] * 5, log_uniform(8, 20), 50),
        one=draw_annotations([(480, 640)], log_uniform(50, 51), 1),
    )
    return {name: write_annotations(folder / f'{name}.json', data) for name, data in drawn.items()}


def data_file(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f'data set not found, set MMSNIPER_DATA: {path}')
    return path


def test_coco(analyze):
    figures, report = analyze(data_file('coco_sample/annotations/instances_train2017.json'))
    assert set(KEYS) <= set(figures)
    assert figures['chip_size'] == 512 and len(figures['levels']) == 3
    assert figures['levels'][2] == [-1, 512]
    assert figures['uncovered_share'] == 0
    # The paper's settings cost 1.31 times the single scale, whose figure is known.
    assert figures['mpx_single_scale'] == pytest.approx(0.894, abs=0.0006)
    assert 1.1 < figures['mpx_per_image'] / figures['mpx_single_scale'] <= 1.3
    assert figures['mpx_pyramid'] > 3 * figures['mpx_per_image']
    assert (figures['images'], figures['objects'], figures['crowds']) == (129, 1150, 10)
    assert '10 crowds' in report and '129 images, 1150 objects' in report


def test_cells_of_a_microscope(analyze, files):
    for file in (files['cells'], data_file('bccd/annotations/train.json')):
        figures, report = analyze(file)
        assert figures['levels'] == [1.0] and figures['valid_ranges'] == [[-1, -1]]
        assert figures['one_level_is_enough'] and 'One level is enough: ' in report
        assert figures['uncovered_share'] == 0
        assert figures['mpx_per_image'] < figures['mpx_single_scale']


def test_photographs(analyze, files):
    figures, report = analyze(files['photographs'])
    assert 3 <= len(figures['levels']) <= 5 and not figures['one_level_is_enough']
    assert figures['uncovered_share'] == figures['without_chip_share'] == 0
    assert not figures['meets_budget'] and 'budget of 1.3 times the single scale cannot' in report
    assert 'One level is enough' not in report
    costly, report = analyze(files['photographs'], '--budget', 20)
    assert costly['meets_budget'] and 'cannot be met' not in report
    assert costly['levels'][0] > figures['levels'][0]
    assert figures['mpx_per_image'] < costly['mpx_per_image'] < costly['mpx_pyramid']


def test_objects_everywhere(analyze, files):
    settings = ('--levels', '[2.0, 1.0, 0.5]', '--valid-ranges', '[(-1, 60), (40, 160), (120, -1)]')
    figures, report = analyze(files['crowded'], *settings)
    assert figures['mpx_per_image'] > figures['mpx_pyramid'], 'of which the report is to speak'
    assert 'overlapping chips have more pixels than the whole images' in report
    _, report = analyze(files['wide'], *settings)
    assert 'overlapping chips' not in report


@pytest.mark.parametrize('name', ['drones', 'specks'])
def test_one_level_is_said_with_the_budget_of_more(analyze, files, name):
    figures, report = analyze(files[name])
    assert len(figures['levels']) == 1 and not figures['one_level_is_enough']
    assert 'One level is enough' not in report
    assert figures['hardly_seen_share'] > 0.2
    several = next(row for row in figures['finer'] if len(row['levels']) > 1)
    said = re.search(r'([\d.]+) \(([\d.]+) in testing\) pays for 2 levels', report)
    # Rounded up, so that the budget does pay for them.
    for price, cost in zip(said.groups(), ('relative_cost', 'relative_test_cost')):
        assert several[cost] <= float(price) <= 1.1 * several[cost]
    assert several['options'] in report


def test_one_level_that_is_as_fine_as_helps(analyze, tmp_path):
    data = draw_annotations([(1500, 2000)] * 3, log_uniform(3, 10), 30)
    file = write_annotations(tmp_path / 'dust.json', data)
    figures, report = analyze(file, '--budget', 100)
    assert figures['levels'] == [3.0] and figures['finer'] == []
    assert 'enlarges small objects as far as helps' in report
    assert f'shows {figures["hardly_seen_share"]:.0%} of the objects below 16 px' in report


def test_data_without_a_chip(analyze, tmp_path):
    boxes = np.array([[10, 10, 200, 11]], np.float32)
    data = Annotations(boxes, np.array([0, 1]), np.array([480]), np.array([640]))
    figures, _ = analyze(write_annotations(tmp_path / 'sliver.json', data))
    assert figures['mpx_per_image'] == 0 < figures['mpx_testing']


@pytest.mark.parametrize('name', ['drones', 'specks', 'photographs'])
def test_options_of_finer_levels_give_them(analyze, files, name):
    figures, _ = analyze(files[name])
    assert figures['finer']
    for row in figures['finer']:
        again, _ = analyze(files[name], *shlex.split(row['options']))
        del row['options']
        assert {key: again[key] for key in row} == row
        assert row['hardly_seen_share'] < figures['hardly_seen_share']


def test_testing_has_a_price_and_a_budget(analyze, files):
    figures, report = analyze(files['wide'])
    assert figures['test_budget'] is None and figures['meets_test_budget']
    assert 'Testing is costly' not in report
    _, report = analyze(files['photographs'])
    assert 'Testing is costly' in report and '--test-budget bounds it' in report
    bound, report = analyze(files['wide'], '--test-budget', '1.5x')
    assert bound['test_budget'] == 1.5 and bound['relative_test_cost'] <= 1.5
    assert bound['levels'] != figures['levels'] and 'test budget' not in report
    bound, report = analyze(files['wide'], '--test-budget', 0.1)
    assert not bound['meets_test_budget'] and 'The test budget of 0.1 times' in report
    judged = ('--levels', '[2.0, 0.5]', '--valid-ranges', '[(-1, 60), (40, -1)]')
    bound, report = analyze(files['wide'], *judged, '--test-budget', '0.3Mpx')
    assert 'Testing, ' in report and bound['levels'] == [2.0, 0.5]
    assert bound['test_budget'] == pytest.approx(0.3 / bound['mpx_single_scale'])


def test_report_fits_on_a_screen(analyze, files):
    for name in ('drones', 'photographs'):
        _, report = analyze(files[name])
        lines = report.rstrip().splitlines()
        assert sum(-(-max(len(line), 1) // 120) for line in lines) <= 40


def test_one_object_in_all(analyze, files, tmp_path):
    figures, report = analyze(files['one'], '--out-dir', tmp_path)
    assert figures['objects'] == 1 and figures['chips_per_image'] == 1
    assert figures['uncovered_share'] == figures['without_chip_share'] == 0
    assert 'There is only 1 object' in report and '1 image, 1 object;' in report
    assert cv2.imread(str(tmp_path / 'scales.png')) is not None


def test_files_are_pooled(analyze, files):
    one, _ = analyze(files['wide'])
    two, _ = analyze(files['wide'], files['wide'], files['cells'])
    assert two['images'] == 2 * one['images'] + 20
    assert two['objects'] == 2 * one['objects'] + 400 == sum(two['histograms']['image']['counts'])


def test_what_is_left_out_is_reported(analyze, files, tmp_path):
    content = json.loads(files['wide'].read_text())
    content['annotations'][0]['iscrowd'] = 1
    content['annotations'][1]['bbox'][2] = 0
    content['images'].append(dict(id=999, height=10, width=10))
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content))
    figures, report = analyze(path)
    assert figures['objects'] == 198 and figures['crowds'] == 1
    assert figures['unusable_boxes'] == {'with a side below 1 px': 1}
    assert figures['images_without_objects'] == 1
    assert '1 crowd, 1 box with a side below 1 px' in report
    assert 'Of 41 images, 1 without an object' in report


def test_given_settings_are_judged(analyze, files):
    levels = '[(960, 1280), (-1, 256)]'
    figures, report = analyze(
        files['wide'], '--levels', levels, '--valid-ranges', '[(-1, 50), (100, -1)]'
    )
    assert figures['levels'] == [[960, 1280], [-1, 256]] and figures['chip_size'] == 512
    # Of sizes from 8 to 400 with as many in each octave, one octave of 5.6 is missing.
    assert figures['uncovered_share'] == pytest.approx(1 / 5.64, abs=0.06)
    missing = round(figures['uncovered_share'] * 200)
    assert f'{missing} of 200 objects' in report and 'have no valid level' in report
    assert 'One level' not in report and 'is reduced' not in report


def test_costs_can_be_measured_on_a_sample(analyze, files):
    figures, report = analyze(files['wide'], '--max-images', 7, '--seed', 3)
    assert (figures['images'], figures['images_measured']) == (40, 7)
    assert 'measured on 7 of the 40 images' in report
    assert sum(figures['histograms']['image']['counts']) == 200
    assert analyze(files['wide'], '--max-images', 7, '--seed', 3)[0] == figures
    assert analyze(files['wide'], '--max-images', 7, '--seed', 4)[0] != figures


def test_single_scale_and_chip_size_can_be_chosen(analyze, files):
    figures, _ = analyze(files['cells'], '--single-scale', 480, 640, '--chip-size', 320)
    assert figures['chip_size'] == 320
    assert figures['mpx_single_scale'] == pytest.approx(0.3072)


@pytest.fixture(scope='module')
def written(tool, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp('written') / 'new'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [str(SCRIPT), str(files['wide']), '--out-dir', str(folder)])
        patch.setattr(sys, 'stdout', sys.stderr)
        tool.main()
    return folder


def test_written_files(written):
    assert sorted(path.name for path in written.iterdir()) == ['scales.png', 'scales.py']
    picture = cv2.imread(str(written / 'scales.png'))
    assert min(picture.shape[:2]) > 500 and picture.std() > 10


def test_config_is_a_whole_one(written):
    config = Config.fromfile(written / 'scales.py')
    base = Config.fromfile(config_path('sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py'))
    assert config.model == base.model
    train, test = config.train_dataloader.dataset, config.val_dataloader.dataset
    assert train.pipeline == base.train_dataloader.dataset.pipeline
    assert config.test_dataloader.dataset == test and test.test_mode
    assert test.levels == train.levels != base.train_dataloader.dataset.levels
    Pyramid(train.levels, train.valid_ranges), Pyramid(test.levels, test.valid_ranges)
    for (low, high), (test_low, test_high) in zip(train.valid_ranges, test.valid_ranges):
        assert test_low < low or test_low == low == -1
        assert test_high > high or test_high == high == -1


@pytest.mark.parametrize('way', ['inherited', 'pasted'])
def test_config_builds_datasets(written, files, tmp_path, way):
    base = "__import__('mmsniper').config_path('sniper/retinanet_r50_fpn_sniper-7e_coco.py')"
    snippet = (written / 'scales.py').read_text()
    if way == 'inherited':
        text = f"_base_ = '{(written / 'scales.py').as_posix()}'\n"
    else:
        text = f'_base_ = {base}\n' + snippet.partition('_base_ = ')[2].partition('\n')[2]
    path = tmp_path / 'config.py'
    path.write_text(text)
    config = Config.fromfile(path)
    assert (config.model.type == 'RetinaNet') == (way == 'pasted')
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.dataset.update(
            ann_file=str(files['wide']), data_root='', metainfo=dict(classes=('thing',))
        )
        dataset = DATASETS.build(loader.dataset)
        assert dataset.num_images == 40 and len(dataset) > 40
        assert dataset.pyramid == Pyramid(loader.dataset.levels, loader.dataset.valid_ranges)


def test_config_of_large_images_tests_in_tiles(analyze, files, tmp_path):
    figures, _ = analyze(files['photographs'], '--out-dir', tmp_path)
    config = Config.fromfile(tmp_path / 'scales.py')
    dataset = config.val_dataloader.dataset
    assert dataset.tile_size == 4 * figures['chip_size'] == figures['tile_size']
    dataset.dataset.update(
        ann_file=str(files['photographs']), data_root='', metainfo=dict(classes=('thing',))
    )
    assert len(DATASETS.build(dataset)) == 30 * sum(figures['views_per_level'])
    assert max(len(line) for line in (tmp_path / 'scales.py').read_text().splitlines()) <= 100


def test_config_of_another_base(analyze, files, tmp_path):
    base = tmp_path / 'base.py'
    base.write_text(
        "train_dataloader = dict(dataset=dict(type='ChipDataset', stride=8))\n"
        "val_dataloader = dict(dataset=dict(type='ChipDataset', test_mode=True))\n"
        'test_dataloader = val_dataloader\n'
    )
    folder = tmp_path / 'out'
    figures, _ = analyze(files['wide'], '--out-dir', folder, '--base', base)
    assert "_base_ = '../base.py'" in (folder / 'scales.py').read_text()
    dataset = Config.fromfile(folder / 'scales.py').train_dataloader.dataset
    assert (dataset.stride, dataset.chip_size) == (8, figures['chip_size'])


@pytest.mark.parametrize(
    'base, text, part',
    [
        ('no/such.py', None, 'mmsniper has no config no/such.py'),
        ('base.py', 'train_dataloader = dict(', 'cannot be loaded'),
        ('base.py', "train_dataloader = dict(dataset=dict(type='CocoDataset'))", 'no ChipDataset'),
        ('base.py', 'lr = 1', 'no ChipDataset'),
    ],
)
def test_bad_base(tool, files, tmp_path, monkeypatch, base, text, part):
    monkeypatch.chdir(tmp_path)
    if text:
        (tmp_path / base).write_text(text + '\n')
    args = [str(SCRIPT), str(files['wide']), '--out-dir', 'out', '--base', base]
    monkeypatch.setattr(sys, 'argv', args)
    with pytest.raises(InputError, match=part):
        tool.main()
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'options, part',
    [
        (['--levels', '[1.0]'], 'belong together'),
        (['--valid-ranges', '[(-1, -1)]'], 'belong together'),
        (['--levels', '[0.5, 1.0]', '--valid-ranges', '[(-1, 9), (9, -1)]'], 'fine to coarse'),
        (['--levels', '[1.0]', '--valid-ranges', '[(-1, 9), (9, -1)]'], 'one range per level'),
    ],
)
def test_bad_settings(analyze, files, options, part):
    with pytest.raises(InputError, match=part):
        analyze(files['wide'], *options)


@pytest.mark.parametrize(
    'option',
    [
        ['--budget', 'nan'],
        ['--budget', 0],
        ['--budget', '2 pixels'],
        ['--test-budget', '-1x'],
        ['--levels', '[1.0'],
        ['--max-images', 0],
    ],
)
def test_bad_options(analyze, files, option):
    with pytest.raises(SystemExit) as error:
        analyze(files['wide'], *option)
    assert error.value.code == 2


def test_a_file_in_the_place_of_the_folder(analyze, files, tmp_path):
    (tmp_path / 'out').write_text('mine')
    with pytest.raises(InputError, match='out is a file'):
        analyze(files['wide'], '--out-dir', tmp_path / 'out')
    assert (tmp_path / 'out').read_text() == 'mine'


def test_bad_input_ends_with_one_sentence_and_no_files(tool, files, tmp_path, monkeypatch, capsys):
    bad = tmp_path / 'cut_short.json'
    bad.write_bytes(files['wide'].read_bytes()[:1000])
    out = tmp_path / 'out'
    monkeypatch.setattr(sys, 'argv', [SCRIPT, str(files['wide']), str(bad), '--out-dir', str(out)])
    with pytest.raises(SystemExit) as error:
        tool.run_script(tool.main)
    assert error.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == '' and printed.err.count('\n') == 1
    assert printed.err.startswith('error: ') and 'cut_short.json' in printed.err
    assert not out.exists()


def test_standard_output_is_json_alone(files, tmp_path):
    done = run(sys.executable, SCRIPT, files['one'], '--json', '-', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['objects'] == 1
    assert 'One level is enough' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_failed_writing_leaves_the_old_file(tool, tmp_path, monkeypatch):
    path = tmp_path / 'scales.py'
    path.write_bytes(b'old')

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(InputError, match='scales.py: No space left'):
        tool.write_whole(path, b'new')
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]


def test_long_objects_and_holes_are_reported(analyze, tmp_path):
    boxes = np.array([[10, 10, 860, 18], [10, 40, 60, 90], [10, 100, 130, 220]], np.float32)
    data = Annotations(boxes, np.array([0, 3]), np.array([1000]), np.array([1000]))
    file = write_annotations(tmp_path / 'long.json', data)
    paper = ('--levels', '[(1400, 2000), (800, 1280), (-1, 512)]', '--valid-ranges')
    figures, report = analyze(file, *paper, '[(-1, 80), (32, 150), (120, -1)]')
    assert figures['promoted_share'] == figures['without_chip_share'] == pytest.approx(1 / 3)
    assert '1 of 3 objects (33.33%) are too long for a chip' in report
    assert figures['holes'] == [] and 'in no chip whole' not in report
    figures, report = analyze(file, *paper, '[(-1, 80), (90, 150), (120, -1)]')
    assert figures['holes'] == [[80, 90]] and 'leave out 80 to 90 px; training refuses' in report
    with pytest.raises(InputError, match='--valid-ranges must rise from fine to coarse'):
        analyze(file, *paper, '[(120, -1), (32, 150), (-1, 80)]')
