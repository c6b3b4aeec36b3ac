"""Windows of files that are not on a disk, or that several threads read at once."""

import multiprocessing
import threading
import time

import numpy as np
import pytest
from image_files import encoded, photograph
from mmengine.fileio import BaseStorageBackend, LocalBackend
from mmengine.fileio.backends.registry_utils import backends

from mmsniper.images import ImageCache, image_size, jpeg_file, read_image, read_window

PICTURE = photograph(301, 403)


class Shelf(BaseStorageBackend):
    """Files in memory, several sets of them under the same names."""

    files: dict = {}
    num_made = 0

    def __init__(self, number=0):
        type(self).num_made += 1
        self.number = number

    def get(self, filepath):
        return self.files[self.number, str(filepath)]

    def get_text(self, filepath, encoding='utf-8'):
        return self.get(filepath).decode(encoding)


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setitem(backends, 'shelf', Shelf)
    monkeypatch.setattr(Shelf, 'files', {})
    return Shelf.files


def test_the_same_name_in_two_places(shelf):
    shelf[1, 'a.png'] = encoded('.png', PICTURE)
    shelf[2, 'a.png'] = encoded('.png', PICTURE[::-1])
    for number, picture in ((1, PICTURE), (2, PICTURE[::-1])):
        found = read_window(
            'a.png', (0, 0, 60, 50), backend_args=dict(backend='shelf', number=number)
        )
        np.testing.assert_array_equal(found, picture[:50, :60])


def test_backends_are_made_once(shelf):
    """Some of them connect to a server then."""
    shelf[3, 'a.png'] = encoded('.png', PICTURE)
    args, cache = dict(backend_args=dict(backend='shelf', number=3)), ImageCache()
    before = Shelf.num_made
    for _ in range(3):
        image_size('a.png', cache=cache, **args)
        read_window('a.png', (0, 0, 60, 50), cache=cache, **args)
    assert Shelf.num_made <= before + 1


def test_a_jpeg_that_changes_behind_an_address(shelf, monkeypatch):
    """The rows of the old one are not where those of the new one are."""
    monkeypatch.setattr(jpeg_file, '_SMALL', 0)
    args, cache = dict(backend_args=dict(backend='shelf')), ImageCache()
    shelf[0, 'b.png'] = encoded('.png', PICTURE)
    for picture in (PICTURE, PICTURE[::-1], PICTURE[:, ::-1]):
        shelf[0, 'a.jpg'] = encoded('.jpg', picture)
        expected = read_image('a.jpg', **args)
        found = read_window('a.jpg', (50, 200, 90, 240), cache=cache, **args)
        np.testing.assert_array_equal(found, expected[200:240, 50:90])
        image_size('b.png', cache=cache, **args)  # of which the bytes are kept instead


def test_backends_that_read_files_in_their_own_way(tmp_path, monkeypatch):
    class Reversed(LocalBackend):
        def get(self, filepath):
            return super().get(filepath)[::-1]

    monkeypatch.setitem(backends, 'reversed', Reversed)
    (tmp_path / 'a.png').write_bytes(encoded('.png', PICTURE)[::-1])
    found = read_window(tmp_path / 'a.png', backend_args=dict(backend='reversed'))
    np.testing.assert_array_equal(found, PICTURE)


# Threads.


def _in_threads(target, count=4):
    threads = [threading.Thread(target=target, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_read_tiles_of_one_file(tmp_path, monkeypatch):
    tifffile = pytest.importorskip('tifffile')
    path, cache, found = tmp_path / 'a.tif', ImageCache(), {}
    tifffile.imwrite(path, PICTURE[:, :, ::-1], tile=(64, 64), photometric='rgb')
    original = tifffile.FileHandle.seek

    def slow(self, *args):
        original(self, *args)
        time.sleep(0.002)  # so that others come between this and reading

    monkeypatch.setattr(tifffile.FileHandle, 'seek', slow)

    def read(number):
        left = 64 * number
        found[number] = read_window(path, (left, 0, left + 64, 200), cache=cache)

    read(0)
    _in_threads(read)
    for number, pixels in found.items():
        np.testing.assert_array_equal(pixels, PICTURE[:200, 64 * number : 64 * number + 64])


def test_threads_that_share_a_small_cache(tmp_path, monkeypatch):
    cache, failures = ImageCache(3 * PICTURE.nbytes), []
    for number in range(8):
        (tmp_path / f'{number}.png').write_bytes(encoded('.png', PICTURE))
    original = ImageCache._make_room

    def slow(self, num_bytes):
        time.sleep(0.001)
        original(self, num_bytes)
        time.sleep(0.001)

    monkeypatch.setattr(ImageCache, '_make_room', slow)

    def read(number):
        try:
            for turn in range(16):
                read_window(tmp_path / f'{(turn * 3 + number) % 8}.png', (0, 0, 9, 9), cache=cache)
                assert cache.num_bytes <= cache.max_bytes
        except Exception as error:
            failures.append(error)

    _in_threads(read)
    assert not failures


@pytest.mark.skipif('fork' not in multiprocessing.get_all_start_methods(), reason='needs fork')
def test_a_process_that_is_forked_while_a_thread_reads(tmp_path):
    (tmp_path / 'a.png').write_bytes(encoded('.png', PICTURE))
    stop = threading.Event()

    def read():
        while not stop.is_set():
            read_window(tmp_path / 'a.png', cache=ImageCache())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(5):
            child = multiprocessing.get_context('fork').Process(
                target=read_window, args=(tmp_path / 'a.png',)
            )
            child.start()
            child.join(20)
            assert child.exitcode == 0
    finally:
        stop.set()
        thread.join()
