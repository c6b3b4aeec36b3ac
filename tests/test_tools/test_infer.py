"""Detections to a folder, by one process or several, at once or after interruptions."""

import csv
import json
import runpy

import cv2
import numpy as np
import pytest
from command_line import TOOLS, run
from pycocotools.coco import COCO
from rectangle_finder import CLASSES, paint, random_boxes, write_detector
from web_server import served

from mmsniper.errors import InputError
from mmsniper.inference import VideoFrames
from mmsniper.inference.formats.output import CollectedFormat, ImageFormat
from mmsniper.inference.journal import Journal

FORMATS = '--format', 'coco', 'coco-dataset', 'csv', 'yolo'
SIZES = [(400, 300), (160, 160), (500, 200), (90, 90)] * 9


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
    """Config, weights, and a folder of pictures."""
    folder = tmp_path_factory.mktemp('inputs')
    for number, size in enumerate(SIZES):
        boxes, labels = random_boxes(size, number % 7, seed=number)
        paint(folder / 'in' / f'{number % 3}' / f'{number}.png', size, boxes, labels)
    return *write_detector(folder), folder / 'in'


def infer(*arguments):
    main = runpy.run_path(str(TOOLS / 'infer.py'))['main']
    options = '--device', 'cpu', '--workers', '0', '--batch-size', '3'
    main([str(argument) for argument in (*arguments, *options)])


def contents(folder):
    """All files and what is in them, but not where they are."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def expected(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp('expected') / 'out'
    infer(*inputs, '--out-dir', out, *FORMATS, '--pictures')
    return contents(out)


def test_all_formats_tell_the_same(inputs, expected, tmp_path):
    names = {path.relative_to(inputs[2]).as_posix() for path in inputs[2].rglob('*.png')}
    rows = list(csv.DictReader(expected['predictions.csv'].decode().splitlines()))
    results = json.loads(expected['predictions.json'])
    assert len(rows) == len(results) > 50
    for row, result in zip(rows, results):
        left, top, right, bottom = (float(row[key]) for key in ('x1', 'y1', 'x2', 'y2'))
        assert result['bbox'] == pytest.approx([left, top, right - left, bottom - top], abs=2e-3)
        assert result['score'] == float(row['score'])
        assert CLASSES[result['category_id'] - 1] == row['class']
        assert int(row['label']) == result['category_id'] - 1
    (tmp_path / 'dataset.json').write_bytes(expected['dataset.json'])
    data = COCO(tmp_path / 'dataset.json')
    assert {image['file_name'] for image in data.dataset['images']} == names
    loaded = data.loadRes(results)
    for ours, theirs in zip(data.dataset['annotations'], loaded.dataset['annotations']):
        assert ours['bbox'] == theirs['bbox'] and ours['image_id'] == theirs['image_id']
        assert ours['area'] == pytest.approx(theirs['area'], abs=1e-3)
    for image in data.dataset['images']:
        lines = expected[f'yolo/labels/{image["file_name"][:-4]}.txt'].decode().splitlines()
        entries = data.imgToAnns[image['id']]
        assert len(lines) == len(entries)
        for line, entry in zip(lines, entries):
            label, x, y, width, height, score = map(float, line.split())
            assert label == entry['category_id'] - 1 and score == entry['score']
            size = np.array([image['width'], image['height']] * 2)
            box = np.array([x - width / 2, y - height / 2, width, height]) * size
            assert box == pytest.approx(entry['bbox'], abs=2e-3)
    assert expected['yolo/classes.txt'].decode().split() == list(CLASSES)
    assert {name for name in expected if name.startswith('pictures/')} == {
        f'pictures/{name}.jpg' for name in names
    }


def test_weights_from_a_server(inputs, expected, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    config, weights, pictures = inputs
    with served(weights.parent) as address:
        command = f'{address}/{weights.name}', pictures, '--out-dir', tmp_path / 'out', *FORMATS
        infer(config, *command, '--pictures')
    infer(config, *command, '--pictures', '--resume')  # what was fetched is kept
    assert contents(tmp_path / 'out') == expected


def test_weights_that_cannot_be_fetched_by_several_processes(inputs, tmp_path):
    launch = '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', 2
    with served(tmp_path) as address:
        command = TOOLS / 'infer.py', inputs[0], f'{address}/none.pth', inputs[2]
        options = '--out-dir', 'out', '--launcher', 'pytorch', '--device', 'cpu'
        done = run('python', *launch, *command, *options, cwd=tmp_path)
    sentence = f'error: checkpoint {address}/none.pth cannot be fetched: HTTPError: HTTP Error 404'
    assert done.returncode != 0 and done.stderr.count(sentence) == 2
    assert 'Traceback' not in done.stderr.split('ChildFailedError')[0].split(sentence)[0]


class Death(BaseException):
    """Nobody catches it."""


def dying_after(calls, function):
    """The function, which ends the process in its place at its so many-th call."""
    left = [calls]

    def dying(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise Death
        return function(*args, **kwargs)

    return dying


@pytest.mark.parametrize(
    'owner, method, moments',
    [
        (Journal, 'add', (0, 1, 7)),
        (Journal, 'finish', (0, 2)),
        (ImageFormat, 'write', (5, 30)),
        (CollectedFormat, 'write_all', (0, 2)),
        (Journal, 'remove', (0,)),
    ],
)
def test_a_run_goes_on(inputs, expected, tmp_path, monkeypatch, owner, method, moments):
    out = tmp_path / 'out'
    arguments = *inputs, '--out-dir', out, *FORMATS, '--pictures', '--resume'
    for calls in moments:
        with monkeypatch.context() as patch:
            patch.setattr(owner, method, dying_after(calls, getattr(owner, method)))
            with pytest.raises(Death):
                infer(*arguments)
    for begun in out.glob('unfinished/begun-*'):
        with begun.open('a') as file:  # as a line that death has cut short
            file.write('{"batch": 1, "vie')
    infer(*arguments)
    assert contents(out) == expected
    infer(*arguments)  # once more, when nothing is left to do
    assert contents(out) == expected


def test_two_runs_in_one_folder(inputs, expected, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    arguments = *inputs, '--out-dir', out, *FORMATS, '--pictures'
    real = Journal.add

    def add(self, block, batch, found):
        monkeypatch.setattr(Journal, 'add', real)
        for more in ((), ('--resume',), ('--resume', '--batch-size', '2')):
            with pytest.raises(InputError, match='another process is at work in .*out: wait for'):
                infer(*arguments, *more)
        real(self, block, batch, found)

    monkeypatch.setattr(Journal, 'add', add)
    infer(*arguments)
    assert Journal.add is real and contents(out) == expected


@pytest.mark.parametrize('name, is_foreign', [('.run.json.lock', False), ('a.txt', True)])
def test_what_a_new_folder_may_hold(inputs, expected, tmp_path, name, is_foreign):
    out = tmp_path / 'out'
    out.mkdir()
    (out / name).touch()  # the lock is what a run leaves that was killed at once
    arguments = *inputs, '--out-dir', out, *FORMATS, '--pictures'
    if is_foreign:
        with pytest.raises(InputError, match='it holds something else'):
            infer(*arguments)
        assert contents(out) == {name: b''}
    else:
        infer(*arguments)
        assert contents(out) == expected


def test_several_processes(inputs, expected, tmp_path):
    launch = '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', 3
    script = TOOLS / 'infer.py', *inputs, '--out-dir', 'out', *FORMATS, '--pictures'
    options = '--launcher', 'pytorch', '--batch-size', 3, '--workers', 1, '--device', 'cpu'
    done = run('python', *launch, *script, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / 'out') == expected
    again = run('python', *launch, *script, *options, cwd=tmp_path)
    assert again.returncode != 0 and 'out is there already' in again.stderr
    assert contents(tmp_path / 'out') == expected


def test_from_coarse_to_fine(inputs, tmp_path, monkeypatch):
    options = *FORMATS, '--levels', '1', '0.5', '--focus-threshold', '0.3'
    infer(*inputs, '--out-dir', tmp_path / 'expected', *options)
    resumed = *inputs, '--out-dir', tmp_path / 'out', *options, '--resume'
    for calls in (0, 1, 4):
        with monkeypatch.context() as patch:
            patch.setattr(Journal, 'add', dying_after(calls, Journal.add))
            with pytest.raises(Death):
                infer(*resumed)
    infer(*resumed)
    launch = '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', 2
    script = TOOLS / 'infer.py', *inputs, '--out-dir', 'two', *options, '--launcher', 'pytorch'
    done = run(
        'python',
        *launch,
        *script,
        '--batch-size',
        3,
        '--workers',
        1,
        '--device',
        'cpu',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert 'of the pixels of the pyramid' in done.stdout
    assert contents(tmp_path / 'out') == contents(tmp_path / 'expected')
    assert contents(tmp_path / 'two') == contents(tmp_path / 'expected')


def test_ids_of_an_annotation_file(inputs, tmp_path):
    names = sorted(path.relative_to(inputs[2]).as_posix() for path in inputs[2].rglob('*.png'))
    content = dict(
        images=[dict(id=1000 - place, file_name=name) for place, name in enumerate(names)],
        categories=[dict(id=90 - place, name=name) for place, name in enumerate(CLASSES)],
    )
    (tmp_path / 'ids.json').write_text(json.dumps(content))
    infer(*inputs, '--out-dir', tmp_path / 'out', '--ids-of', tmp_path / 'ids.json')
    results = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    assert {each['category_id'] for each in results} == {88, 89, 90}
    assert {each['image_id'] for each in results} <= {1000 - place for place in range(36)}
    for missing in ('images', 'categories'):
        less = dict(content, **{missing: content[missing][:1]})
        (tmp_path / 'less.json').write_text(json.dumps(less))
        with pytest.raises(InputError, match=r'less\.json has no'):
            infer(*inputs, '--out-dir', tmp_path / missing, '--ids-of', tmp_path / 'less.json')


def test_videos(inputs, tmp_path):
    writer = cv2.VideoWriter(
        str(tmp_path / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (320, 240)
    )
    for number in range(7):
        left = 20 + 30 * number
        writer.write(paint(tmp_path / 'x.png', (320, 240), [(left, 50, left + 60, 110)], [2]))
    writer.release()
    infer(*inputs[:2], tmp_path / 'clip.avi', '--out-dir', tmp_path / 'out', '--pictures')
    lines = (tmp_path / 'out' / 'clip.avi.jsonl').read_text().splitlines()
    frames = [json.loads(line) for line in lines]
    assert [frame['frame'] for frame in frames] == list(range(7))
    for number, frame in enumerate(frames):
        assert frame['labels'] == [2]
        assert frame['boxes'][0] == pytest.approx(
            [20 + 30 * number, 50, 80 + 30 * number, 110], abs=3
        )
    drawn = VideoFrames(tmp_path / 'out' / 'clip.avi.mp4')
    assert drawn.size == (320, 240) and len(list(drawn)) == 7


def test_broken_pictures_are_named_and_the_rest_is_done(inputs, tmp_path):
    good = tmp_path / 'in' / 'good.png'
    paint(good, (100, 100), [(10, 10, 50, 50)], [0])
    (tmp_path / 'in' / 'bad.png').write_bytes(good.read_bytes()[:100])
    out = tmp_path / 'out'
    with pytest.raises(InputError, match=r'1 of the inputs could not.*bad\.png'):
        infer(*inputs[:2], tmp_path / 'in', '--out-dir', out, '--format', 'csv', '--pictures')
    assert len((out / 'predictions.csv').read_text().splitlines()) == 2
    assert (out / 'pictures' / 'good.png.jpg').is_file()


def test_bad_input(inputs, tmp_path):
    out = tmp_path / 'out'
    infer(*inputs, '--out-dir', out)
    before = contents(out)
    with pytest.raises(InputError, match='out is there already'):
        infer(*inputs, '--out-dir', out)
    with pytest.raises(InputError, match='another merging'):
        infer(*inputs, '--out-dir', out, '--resume', '--score-thr', '0.6')
    assert contents(out) == before
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'file').touch()
    with pytest.raises(InputError, match='it holds something else'):
        infer(*inputs, '--out-dir', tmp_path / 'other', '--resume')
    with pytest.raises(InputError, match="no class 'cat'"):
        infer(*inputs, '--out-dir', tmp_path / 'new', '--classes', 'cat')
    assert not (tmp_path / 'new').exists()
