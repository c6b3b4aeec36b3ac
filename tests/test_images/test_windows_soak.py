"""Many windows of many files: what is kept stays within its bound."""

import os

import numpy as np
import pytest
from image_files import encoded, photograph

from mmsniper.images import ImageCache, jpeg_file, read_window

tifffile = pytest.importorskip('tifffile')


def _resident_bytes():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='needs /proc')
def test_memory_does_not_grow_beyond_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(jpeg_file, '_SMALL', 0)
    paths = []
    for number in range(50):
        picture = photograph(600 + number, 1400 + number, seed=number)
        suffix = ('.jpg', '.tif', '.png', '.tif', '.jpg')[number % 5]
        path = tmp_path / f'{number}{suffix}'
        if suffix == '.tif':
            options = dict(photometric='rgb', tile=(128, 128), compression='jpeg')
            tifffile.imwrite(path, picture[:, :, ::-1], **options)
        else:
            path.write_bytes(encoded(suffix, picture))
        paths.append(path)
    cache = ImageCache(max_bytes=20_000_000)
    rng = np.random.default_rng(0)
    sizes = []
    for count in range(20_000):
        left, top = rng.integers(0, 1000), rng.integers(0, 400)
        window = (int(left), int(top), int(left) + 400, int(top) + 200)
        size = (None, (200, 100), (150, 75))[count % 3]
        read_window(paths[rng.integers(50)], window, size, cache=cache, more=bool(count % 7 == 0))
        assert cache.num_bytes <= cache.max_bytes
        if count % 1000 == 999:
            sizes.append(_resident_bytes())
    # The first thousands fill the cache, the list of open files and what allocators keep.
    assert max(sizes[5:]) < max(sizes[:5]) + cache.max_bytes
    assert len(os.listdir('/proc/self/fd')) < 100
