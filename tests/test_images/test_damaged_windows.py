"""Damage is noticed in windows as it is in whole pictures, and never ends in another error."""

import cv2
import numpy as np
import pytest
from image_files import DAMAGE_SHOWS, encoded, photograph

from mmsniper.errors import InputError
from mmsniper.images import (
    BrokenImageError,
    ImageCache,
    jpeg_file,
    read_image,
    read_window,
    write_tiled_tiff,
)

PICTURE = photograph(400, 500)
WINDOW = 200, 150, 300, 250


@pytest.fixture(autouse=True)
def cut_small_images(monkeypatch):
    monkeypatch.setattr(jpeg_file, '_SMALL', 0)


def _jpeg(interval):
    return encoded('.jpg', PICTURE, cv2.IMWRITE_JPEG_RST_INTERVAL, interval)


def _noise(content, start, rng):
    return content[:start] + rng.bytes(128) + content[start + 128 :]


def _missing(content, start, rng):
    return content[:start] + content[start + 512 :]


def _zeros(content, start, rng):
    return content[:start] + bytes(512) + content[start + 512 :]


def _end(content, start, rng):
    return content[:start] + b'\xff\xd9' + content[start + 2 :]


def _another_image(content, start, rng):
    return content[:start] + encoded('.jpg', PICTURE[:100, :100])


@pytest.mark.parametrize('interval', [0, 7])
@pytest.mark.parametrize('damage', [_noise, _missing, _zeros, _end, _another_image])
def test_windows_of_damaged_jpegs(tmp_path, interval, damage):
    content, rng, path = _jpeg(interval), np.random.default_rng(0), tmp_path / 'image.jpg'
    num_broken = 0
    for start in np.linspace(1000, len(content) - 1000, 12, dtype=int):
        damaged = damage(content, start, rng)
        path.write_bytes(damaged)
        try:
            whole = read_image(path)
        except BrokenImageError as error:
            num_broken += 1
            with pytest.raises(BrokenImageError, match='is damaged') as raised:
                read_window(path, WINDOW, cache=ImageCache())
            assert str(raised.value) == str(error)
        else:
            left, top, right, bottom = WINDOW
            np.testing.assert_array_equal(
                read_window(path, WINDOW, cache=ImageCache()), whole[top:bottom, left:right]
            )
    assert num_broken >= 6


def _restarts(content):
    return [i for i in range(len(content)) if content[i] == 255 and 0xD0 <= content[i + 1] <= 0xD7]


@pytest.mark.parametrize('what', ['number', 'interval'])
def test_restart_markers_are_counted(tmp_path, what):
    content, path = _jpeg(7), tmp_path / 'image.jpg'
    first, second = _restarts(content)[30:32]
    if what == 'number':
        content = content[: first + 1] + b'\xd0' + content[first + 2 :]
    else:
        content = content[:first] + content[second:]
    path.write_bytes(content)
    with pytest.raises(BrokenImageError, match='is damaged'):
        read_image(path)
    with pytest.raises(BrokenImageError, match='is damaged'):
        read_window(path, WINDOW)


def test_jpegs_that_are_whole_are_still_cut(tmp_path, monkeypatch):
    """Whatever stands behind their end, and fill bytes and padding before it are no damage."""
    sizes = []
    original = jpeg_file.decode_image

    def noted(content, *args, **kwargs):
        sizes.append(len(content))
        return original(content, *args, **kwargs)

    monkeypatch.setattr(jpeg_file, 'decode_image', noted)
    path = tmp_path / 'image.jpg'
    for interval in (0, 7):
        content = _jpeg(interval)
        filled = bytearray(content)
        for start in _restarts(content)[::-1]:
            filled[start:start] = b'\xff\xff'
        for whole in (
            content + encoded('.jpg', PICTURE[:100, :100]),
            content + bytes(range(256)) * 9 + b'\xff\xd9.',
            content[:-2] + bytes(40) + content[-2:],
            content[:-2] + b'\xff\xff' + content[-2:],
            bytes(filled),
        ):
            path.write_bytes(whole)
            left, top, right, bottom = WINDOW
            expected = read_image(path)[top:bottom, left:right]
            np.testing.assert_array_equal(read_window(path, WINDOW, cache=ImageCache()), expected)
            assert sizes.pop() < len(content) / 2


def test_codes_are_followed_to_the_end_once(tmp_path, monkeypatch):
    """So that what a process does not keep of thousands of files is enough for their windows."""
    checked = []
    original = jpeg_file.JpegCutter.check
    monkeypatch.setattr(
        jpeg_file.JpegCutter, 'check', lambda self: checked.append(1) or original(self)
    )
    path = tmp_path / 'image.jpg'
    path.write_bytes(_jpeg(0))
    for _ in range(3):
        read_window(path, WINDOW, cache=ImageCache())
    assert len(checked) == 1
    path.write_bytes(_jpeg(7))
    read_window(path, WINDOW, cache=ImageCache())
    assert len(checked) == 2


def _tiles(kind, folder):
    """A TIFF with tiles of JPEG, and where each of them begins and how long it is."""
    tifffile = pytest.importorskip('tifffile')
    path = folder / f'{kind}.tif'
    if kind == 'ours':
        (folder / 'image.png').write_bytes(encoded('.png', PICTURE))
        write_tiled_tiff(folder / 'image.png', path)
    else:
        image = PICTURE[:, :, 0] if kind == 'grey' else PICTURE[:, :, ::-1]
        settings = dict(photometric=dict(grey='minisblack', ycbcr='ycbcr').get(kind, 'rgb'))
        if kind == 'rgb':
            settings['subsampling'] = (1, 1)
        elif kind == 'planes':
            image, settings['planarconfig'] = image.transpose(2, 0, 1), 'separate'
        tifffile.imwrite(path, image, tile=(128, 128), compression='jpeg', **settings)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        return path, list(page.dataoffsets), list(page.databytecounts)


@DAMAGE_SHOWS
@pytest.mark.parametrize('kind', ['ours', 'grey', 'ycbcr', 'rgb', 'planes'])
def test_tiles_of_damaged_jpeg(tmp_path, kind):
    path, starts, counts = _tiles(kind, tmp_path)
    content, rng, num_broken = path.read_bytes(), np.random.default_rng(0), 0
    whole = read_window(path, cache=ImageCache())
    assert np.abs(whole.astype(int) - read_image(path)).mean() < 1
    for start, count in zip(starts, counts):
        begin = start + count // 2
        path.write_bytes(content[:begin] + rng.bytes(64) + content[begin + 64 :])
        try:
            read_image(path)
        except BrokenImageError as error:
            if ' 1 extraneous' in str(error):  # padding in the eyes of one of them
                continue
            num_broken += 1
            with pytest.raises(BrokenImageError, match='is damaged'):
                read_window(path, cache=ImageCache())
    assert num_broken >= len(starts) / 2


@pytest.mark.parametrize('tile', [(64, 48), None])
@pytest.mark.parametrize('compression', [None, 'zstd', 'jpeg', 'lerc'])
def test_structures_that_make_no_sense(tmp_path, tile, compression):
    tifffile = pytest.importorskip('tifffile')
    path = tmp_path / 'image.tif'
    layout = dict(rowsperstrip=17) if tile is None else dict(tile=tile)
    # With tiles the list of tags stands in front of them.
    tifffile.imwrite(
        path, PICTURE[:100, :120], photometric='rgb', compression=compression, **layout
    )
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        for position in rng.integers(4, 300, rng.integers(1, 4)):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            found = read_window(path, (0, 0, 60, 50), cache=ImageCache())
        except InputError:
            continue
        assert found.shape == (50, 60, 3)
