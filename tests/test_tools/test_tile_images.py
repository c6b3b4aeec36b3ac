"""Tiling the pictures of an annotation file."""

import errno
import json
import os
import runpy
import sys

import cv2
import numpy as np
import pytest
from command_line import ROOT, TOOLS, run
from image_files import encoded, photograph
from mmengine.dataset import Compose

from mmsniper.errors import InputError
from mmsniper.images import read_image, tile_set
from mmsniper.images.tiled_tiff import description_of
from mmsniper.utils.claim import claim_file

SIZES = {'a.jpg': (300, 280), 'deep/b.png': (120, 90), 'deep/er/c.v2.tif': (257, 70)}


@pytest.fixture(scope='module')
def tool():
    path = str(TOOLS / 'dataset_converters' / 'tile_images.py')
    return lambda *arguments: runpy.run_path(path)['main']([str(part) for part in arguments])


@pytest.fixture
def folder(tmp_path):
    """A folder with three pictures and their annotations."""
    write(tmp_path, SIZES)
    return tmp_path


def write(folder, sizes):
    for number, (name, size) in enumerate(sizes.items()):
        path = folder / 'images' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(path.suffix, photograph(*size, seed=number)))
    images = [
        dict(id=number, file_name=name, height=size[0], width=size[1], licence='none')
        for number, (name, size) in enumerate(sizes.items())
    ]
    content = dict(
        info=dict(year=2026, ratio=0.1),
        images=images,
        annotations=[dict(id=7, image_id=0, category_id=3, bbox=[1.5, 2, 30.25, 40], more='ü')],
        categories=[dict(id=3, name='thing')],
    )
    (folder / 'train.json').write_text(json.dumps(content))


def tile(folder, **settings):
    return tile_set(folder / 'train.json', folder / 'images', folder / 'tiled', **settings)


def states(folder):
    """Every file below a folder with when it was written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_a_set_is_tiled(tool, folder, capsys):
    arguments = folder / 'train.json', '--images', folder / 'images', '--out-dir', folder / 'tiled'
    tool(*arguments, '--jobs', '2')
    out = capsys.readouterr().out
    assert '3 pictures, 0 of them from before' in out
    assert set(states(folder / 'tiled')) == {
        *('train.json', 'a.tif', 'deep/b.tif', 'deep/er/c.v2.tif')
    }
    before = json.loads((folder / 'train.json').read_text())
    after = json.loads((folder / 'tiled' / 'train.json').read_text())
    for image, tiled in zip(before['images'], after['images']):
        pixels = read_image(folder / 'images' / image['file_name'])
        found = read_image(folder / 'tiled' / tiled['file_name'])
        assert np.abs(found.astype(int) - pixels).mean() < 4
        image['file_name'] = tiled['file_name']
    assert before == after

    kept = states(folder / 'tiled')
    with pytest.raises(InputError, match=r'is not empty: .* --resume'):
        tool(*arguments)
    assert states(folder / 'tiled') == kept


def test_lossless_pictures_and_what_they_take(folder):
    tiled = tile(folder, lossless=True)
    for name in SIZES:
        path = (folder / 'tiled' / name).with_suffix('.tif')
        np.testing.assert_array_equal(read_image(path), read_image(folder / 'images' / name))
    sources = [(folder / 'images' / name).stat().st_size for name in SIZES]
    targets = [path.stat().st_size for path in (folder / 'tiled').rglob('*.tif')]
    assert (tiled.bytes_before, tiled.bytes_after) == (sum(sources), sum(targets))


def test_what_is_whole_is_kept(folder):
    tile(folder)
    before = states(folder / 'tiled')
    assert tile(folder, resume=True).num_kept == 3
    after = states(folder / 'tiled')
    assert after.pop('train.json') >= before.pop('train.json')
    assert after == before


@pytest.mark.parametrize('change', ['cut', 'newer', 'other', 'gone'])
def test_what_is_not_right_is_written_again(folder, change):
    tile(folder)
    path, source = folder / 'tiled' / 'a.tif', folder / 'images' / 'a.jpg'
    before, content = states(folder / 'tiled'), path.read_bytes()
    if change == 'cut':
        path.write_bytes(content[: len(content) // 2])
    elif change == 'newer':
        os.utime(source, ns=(0, path.stat().st_mtime_ns + 10**9))
    elif change == 'other':
        source.write_bytes(encoded('.jpg', photograph(300, 280, seed=9)))
        os.utime(source, ns=(0, 10**18))
    else:
        path.unlink()
    assert tile(folder, resume=True).num_kept == 2
    after = states(folder / 'tiled')
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {'a.tif', 'train.json'}
    picture = read_image(source).astype(int)
    assert np.abs(read_image(path) - picture).mean() < 4


def test_other_pictures_of_the_same_names_take_no_place(folder):
    tile(folder)
    kept = states(folder / 'tiled')
    other = folder / 'other'
    write(other, {'a.jpg': (200, 180)})
    (other / 'train.json').rename(other / 'val.json')
    with pytest.raises(InputError, match=r'a\.tif is a picture of .*train\.json .* --out-dir'):
        tile_set(other / 'val.json', other / 'images', folder / 'tiled', resume=True)
    assert states(folder / 'tiled') == kept
    # Nor is a set in the way that does not show them, or shows the same.
    (folder / 'tiled' / 'more.json').write_text('[1]')
    (folder / 'val.json').write_text((folder / 'train.json').read_text())
    settings = dict(resume=True, quality=50)
    tile_set(folder / 'val.json', folder / 'images', folder / 'tiled', **settings)
    (folder / 'tiled' / 'train.json').unlink()
    (folder / 'tiled' / 'val.json').unlink()
    assert tile_set(other / 'val.json', other / 'images', folder / 'tiled', resume=True)


@pytest.mark.parametrize('settings', [dict(quality=50), dict(lossless=True)])
def test_other_settings_write_all_again(folder, settings):
    tile(folder)
    assert tile(folder, resume=True, **settings).num_kept == 0
    assert tile(folder, resume=True, **settings).num_kept == 3


def test_a_killed_process_leaves_no_half_picture(folder):
    script = ROOT / 'tests' / 'helpers' / 'tiling_death.py'
    places = [folder / name for name in ('train.json', 'images', 'tiled')]
    assert run(sys.executable, script, *places, 6, cwd=folder).returncode == -9
    found = set(states(folder / 'tiled'))
    assert 'train.json' not in found
    whole = [name for name in found if name.endswith('.tif')]
    assert whole == ['a.tif']
    assert description_of(folder / 'tiled' / 'a.tif')
    assert tile(folder, resume=True).num_kept == 1
    assert set(states(folder / 'tiled')) == {
        *('train.json', 'a.tif', 'deep/b.tif', 'deep/er/c.v2.tif')
    }


def test_an_interruption_leaves_no_half_picture(folder):
    def interrupt(pictures, outcomes):
        yield next(outcomes)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tile(folder, tell=interrupt)
    assert set(states(folder / 'tiled')) == {'a.tif'}
    assert tile(folder, resume=True).num_kept == 1


def test_others_are_tiled_if_one_is_damaged(folder):
    path = folder / 'images' / 'deep' / 'b.png'
    content = path.read_bytes()
    path.write_bytes(content[:500])
    with pytest.raises(InputError, match=r'1 of 3 pictures .*train\.json was not written.*b\.png'):
        tile(folder)
    assert set(states(folder / 'tiled')) == {'a.tif', 'deep/er/c.v2.tif'}
    path.write_bytes(content)
    assert tile(folder, resume=True).num_kept == 2


def test_sizes_are_those_of_the_annotations(folder):
    content = json.loads((folder / 'train.json').read_text())
    content['images'][1]['width'] = 91
    (folder / 'train.json').write_text(json.dumps(content))
    with pytest.raises(InputError, match=r'b\.png has 90x120 pixels, but .* says 91x120'):
        tile(folder)


def test_a_full_disk_ends_the_work(folder, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    told = []

    def tell(pictures, outcomes):
        for outcome in outcomes:
            told.append(outcome)
            yield outcome

    monkeypatch.setattr('mmsniper.images.tiff_writing.TiffWriter.append', fill)
    with pytest.raises(InputError, match=r'No space left on device: make room .* --resume'):
        tile(folder, tell=tell)
    assert len(told) == 1
    assert not states(folder / 'tiled')


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['a.jpg', 'a.png'], r'a\.jpg and a\.png of .*train\.json would both become a\.tif'),
        (['../a.jpg'], r"'\.\./a\.jpg' .* is not inside of --images"),
        (['/a.jpg'], r"'/a\.jpg' .* is not inside of --images"),
        (['a.jpg', 'b.jpg', 'c.jpg'], r'b\.jpg does not exist, as 2 of 3 that'),
    ],
)
def test_names_that_cannot_be_used(tmp_path, names, message):
    (tmp_path / 'images').mkdir()
    for name in ('a.jpg', 'a.png'):
        (tmp_path / 'images' / name).write_bytes(encoded('.jpg', photograph(20, 20)))
    images = [dict(id=i, file_name=name, height=20, width=20) for i, name in enumerate(names)]
    (tmp_path / 'train.json').write_text(json.dumps(dict(images=images)))
    with pytest.raises(InputError, match=message):
        tile(tmp_path)
    assert not (tmp_path / 'tiled').exists()


def test_a_picture_that_is_listed_twice_is_tiled_once(tmp_path):
    write(tmp_path, {'a.jpg': (20, 20)})
    content = json.loads((tmp_path / 'train.json').read_text())
    content['images'].append({**content['images'][0], 'id': 5})
    (tmp_path / 'train.json').write_text(json.dumps(content))
    assert tile(tmp_path).num_pictures == 1
    images = json.loads((tmp_path / 'tiled' / 'train.json').read_text())['images']
    assert [image['file_name'] for image in images] == ['a.tif', 'a.tif']


def test_files_of_others_are_left_alone(folder):
    (folder / 'tiled').mkdir()
    (folder / 'tiled' / 'a.tif').write_text('precious')
    with pytest.raises(InputError, match=r'a\.tif is there and was not written by this tool'):
        tile(folder, resume=True)
    assert (folder / 'tiled' / 'a.tif').read_text() == 'precious'
    with pytest.raises(InputError, match='name another folder'):
        tile_set(folder / 'train.json', folder / 'images', folder, resume=True)
    # Tiled pictures would become their own sources.
    tile_set(folder / 'train.json', folder / 'images', folder / 'new')
    with pytest.raises(InputError, match=r'a\.tif is there'):
        places = folder / 'new', folder / 'images'
        (folder / 'images' / 'a.tif').symlink_to(folder / 'new' / 'a.tif')
        tile_set(places[0] / 'train.json', *places, resume=True)


def test_two_processes_do_not_write_to_one_folder(folder):
    with claim_file(folder / 'tiled' / 'train.json') as claimed:
        assert claimed is not None
        with pytest.raises(InputError, match='another process is writing'):
            tile(folder, resume=True)


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--quality', '0', '0 must be 1 or more'),
        ('--quality', '101', '101 must be 100 or less'),
        ('--quality', 'x', 'x is no whole number'),
        ('--jobs', '0', '0 must be 1 or more'),
    ],
)
def test_options_out_of_range(tool, capsys, option, value, message):
    with pytest.raises(SystemExit):
        tool('a.json', '--images', '.', '--out-dir', 'b', option, value)
    assert message in capsys.readouterr().err


def test_chips_are_loaded_from_tiled_pictures(tmp_path):
    """The annotation file and the pictures that it names are a data set."""
    write(tmp_path, {'a.jpg': (300, 280)})
    tile(tmp_path)
    content = json.loads((tmp_path / 'tiled' / 'train.json').read_text())
    path = tmp_path / 'tiled' / content['images'][0]['file_name']
    results = Compose([dict(type='LoadIntactImage')])(dict(img_path=str(path)))
    reference = cv2.imread(str(tmp_path / 'images' / 'a.jpg'))
    assert np.abs(results['img'].astype(int) - reference).mean() < 4
