"""What is wrong with some inputs, with the disk or with names, and all else is done."""

import csv
import json
import os
import runpy

import cv2
import numpy as np
import pytest
from command_line import TOOLS
from rectangle_finder import paint, write_detector

from mmsniper.errors import InputError
from mmsniper.inference.journal import Journal
from mmsniper.utils.whole_file import temporary_of

FORMATS = '--format', 'coco', 'coco-dataset', 'csv', 'yolo', 'labelme', 'geojson', '--pictures'


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    return write_detector(tmp_path_factory.mktemp('detector'))


def infer(detector, *arguments):
    main = runpy.run_path(str(TOOLS / 'infer.py'))['main']
    options = '--device', 'cpu', '--workers', '0', '--batch-size', '3', *FORMATS
    main([str(argument) for argument in (*detector, *arguments, *options)])


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_name('plain.png')  # OpenCV ends the program over a name that is not UTF-8
    pixels = paint(plain, (120, 100), [(10, 10, 60, 60)], [0])
    plain.rename(path)
    return pixels


def video(path, num_frames=3):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 5, (120, 100))
    for _ in range(num_frames):
        writer.write(picture(path.parent / 'frame' / 'x.png'))
    writer.release()
    return path


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def images_of(out):
    with (out / 'predictions.csv').open(errors='surrogateescape', newline='') as file:
        return [row['image'] for row in csv.DictReader(file)]


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
@pytest.mark.parametrize(
    'full',
    [
        'unfinished/begun-00000000.jsonl',
        'unfinished/block-00000000.jsonl',
        'yolo/labels/1.txt',
        'pictures/1.png.jpg',
        'predictions.csv',
        'clip.avi.jsonl',
    ],
)
def test_a_full_disk_and_on_with_resume(detector, tmp_path, full, monkeypatch):
    inputs = [tmp_path / 'in']
    for number in range(4):
        picture(inputs[0] / f'{number}.png')
    inputs.append(video(tmp_path / 'clip.avi'))
    infer(detector, *inputs, '--out-dir', tmp_path / 'expected')
    out = tmp_path / 'out'
    place = out / full
    if 'begun' not in full:  # which is added to where it is
        place = temporary_of(place)

    def prepare(self, *args):
        monkeypatch.undo()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to('/dev/full')
        self.__init__(*args)

    monkeypatch.setattr(Journal, '__init__', prepare)
    with pytest.raises(InputError, match=r'out is full: make room and go on with --resume'):
        infer(detector, *inputs, '--out-dir', out)
    place.unlink(missing_ok=True)
    infer(detector, *inputs, '--out-dir', out, '--resume')
    assert contents(out) == contents(tmp_path / 'expected')


def test_leftovers_of_a_dead_process_are_gone_after_a_resume(detector, tmp_path, monkeypatch):
    picture(tmp_path / 'in' / 'a.png')
    out = tmp_path / 'out'

    def die(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, 'wait', die)
        patch.setattr(os, '_exit', lambda status: exit(status))
        with pytest.raises(SystemExit):
            infer(detector, tmp_path / 'in', '--out-dir', out)
        patch.setattr(os, 'getpid', lambda: 2**22 + 1)  # more than there can be
        left = [temporary_of(out / 'yolo/labels/a.txt'), temporary_of(out / 'c.mp4', '.mp4')]
    for path in left:
        path.write_bytes(b'half')
    infer(detector, tmp_path / 'in', '--out-dir', out, '--resume')
    assert not any(path.exists() for path in left)


def test_a_georeference_that_cannot_be_read_makes_a_broken_picture(detector, tmp_path):
    folder = tmp_path / 'in'
    for name in ('a.png', 'bad.png', 'c.png'):
        picture(folder / name)
    (folder / 'bad.pgw').write_text('1 2 3')
    (folder / 'c.pgw').write_text('2 0 0 -2 101 199')
    with pytest.raises(InputError, match=r'1 of the inputs could not .*bad\.pgw must have six'):
        infer(detector, folder, '--out-dir', tmp_path / 'out')
    files = {path.name for path in (tmp_path / 'out' / 'geojson').iterdir()}
    assert files == {'a.geojson', 'c.geojson'}
    assert images_of(tmp_path / 'out') == ['a.png', 'c.png']
    record = json.loads((tmp_path / 'out' / 'run.json').read_text())
    assert (record['images'], record['detections'], len(record['faults'])) == (2, 2, 1)


def test_hard_names(detector, tmp_path):
    names = ['classes.png', 'new\nline.png', os.fsdecode(b'latin-\xe9.png'), '-a b.png', 'r\r.png']
    long, too_long = 'y' * 240 + '.png', 'x' * 250 + '.png'
    for name in (*names, long, too_long):
        picture(tmp_path / 'in' / name)
    out = tmp_path / 'out'
    with pytest.raises(InputError, match='1 of the inputs could not .* too long for the name'):
        infer(detector, tmp_path / 'in', '--out-dir', out)
    assert sorted(images_of(out)) == sorted([*names, long])
    for name in (*names, long):
        for place, ending in (('yolo/labels', 'txt'), ('labelme', 'json'), ('geojson', 'geojson')):
            assert (out / place / f'{name[:-4]}.{ending}').is_file()
        assert (out / 'pictures' / f'{name}.jpg').is_file()
        content = json.loads((out / 'labelme' / f'{name[:-4]}.json').read_text())
        assert (out / 'labelme' / content['imagePath']).is_file()


def test_videos_with_and_without_frames(detector, tmp_path):
    clips = [video(tmp_path / f'{name}.avi', count) for name, count in (('b', 2), ('a', 3))]
    (tmp_path / 'a.wld').write_text('1 0 0 -1 5 5')  # of a picture
    empty, latin = tmp_path / 'empty.mp4', tmp_path / os.fsdecode(b'latin-\xff.avi')
    empty.touch()
    latin.write_bytes(clips[0].read_bytes())
    picture(tmp_path / 'last.png')
    out = tmp_path / 'out'
    inputs = clips[0], empty, clips[1], latin, tmp_path / 'last.png'
    with pytest.raises(InputError, match=r'2 of the inputs could not .*empty\.mp4 has no frame'):
        infer(detector, *inputs, '--out-dir', out)
    frames = ['b.avi/000000', 'b.avi/000001', *(f'a.avi/{number:06d}' for number in range(3))]
    assert images_of(out) == [*frames, 'last.png']
    for name, count in (('b.avi', 2), ('a.avi', 3)):
        lines = (out / f'{name}.jsonl').read_text().splitlines()
        assert [json.loads(line)['name'] for line in lines] == [
            frame for frame in frames if frame.startswith(name)
        ]
        assert cv2.VideoCapture(str(out / f'{name}.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == count
    assert not (out / 'empty.mp4.jsonl').exists() and not (out / 'empty.mp4').exists()
    first = json.loads((out / 'geojson' / 'a.avi' / '000000.geojson').read_text())
    assert np.array(first['features'][0]['geometry']['coordinates']).min() < 0  # y = -row


def test_the_journal_is_read_as_often_with_many_videos(detector, tmp_path, monkeypatch):
    clips = [video(tmp_path / f'{number}.avi', 1) for number in range(5)]
    read = []
    images = Journal.images
    monkeypatch.setattr(Journal, 'images', lambda self: read.append(1) or images(self))
    infer(detector, *clips, '--out-dir', tmp_path / 'many')
    many = len(read)
    infer(detector, clips[0], '--out-dir', tmp_path / 'one')
    assert len(read) == 2 * many


@pytest.mark.parametrize(
    'options, sentence',
    [
        (('--device', 'abacus'), "cannot be brought to device 'abacus'"),
        (('--out-dir', 'x' * 300), 'File name too long'),
    ],
)
def test_settings(detector, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / 'a.png')
    main = runpy.run_path(str(TOOLS / 'infer.py'))['main']
    with pytest.raises(InputError, match=sentence):
        main([*map(str, detector), 'a.png', '--out-dir', 'out', *options])


@pytest.mark.skipif(os.geteuid() == 0, reason='nothing is closed to root')
def test_a_closed_folder_is_told(detector, tmp_path):
    picture(tmp_path / 'in' / 'a.png')
    picture(tmp_path / 'in' / 'closed' / 'b.png')
    (tmp_path / 'in' / 'closed').chmod(0)
    try:
        with pytest.raises(InputError, match='1 of the inputs could not .*closed cannot be read'):
            infer(detector, tmp_path / 'in', '--out-dir', tmp_path / 'out')
        with pytest.raises(InputError, match='closed cannot be read: Permission denied'):
            infer(detector, tmp_path / 'in' / 'closed', '--out-dir', tmp_path / 'none')
    finally:
        (tmp_path / 'in' / 'closed').chmod(0o755)
    assert images_of(tmp_path / 'out') == ['a.png']
