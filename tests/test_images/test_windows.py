import multiprocessing
import os
import zlib

import cv2
import numpy as np
import pytest
from image_files import encoded, photograph, tiff
from PIL import Image

from mmsniper.errors import InputError
from mmsniper.images import (
    BrokenImageError,
    ImageCache,
    PixelRules,
    image_size,
    jpeg_file,
    memory,
    read_image,
    read_window,
    windows,
)
from mmsniper.images import tiff_file as tiff_module

tifffile = pytest.importorskip('tifffile')

PICTURE = photograph(301, 403)
BIG = photograph(1101, 1403)


def _with_exif(content, orientation):
    """A JPEG that says how it is to be turned."""
    exif = Image.Exif()
    exif[274] = orientation
    block = exif.tobytes()
    return content[:2] + b'\xff\xe1' + (len(block) + 2).to_bytes(2, 'big') + block + content[2:]


def _tiled(path, image, **kwargs):
    kwargs = {'tile': (64, 48), 'photometric': 'rgb' if image.ndim == 3 else 'minisblack'} | kwargs
    tifffile.imwrite(path, image[:, :, ::-1] if image.ndim == 3 else image, **kwargs)


def _files(folder):
    """Names of files of all kinds."""
    grey = BIG[:, :, 1].copy()
    fine = [cv2.IMWRITE_JPEG_QUALITY, 95]
    four = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    contents = {
        'plain.jpg': encoded('.jpg', BIG),
        'fine.jpg': encoded('.jpg', BIG, *fine, *four),
        'small.jpg': encoded('.jpg', PICTURE),
        'grey.jpg': encoded('.jpg', grey),
        'progressive.jpg': encoded('.jpg', BIG, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        'restarts.jpg': encoded('.jpg', BIG, cv2.IMWRITE_JPEG_RST_INTERVAL, 7),
        'plain.png': encoded('.png', PICTURE),
        'grey.png': encoded('.png', PICTURE[:, :, 0].copy()),
        'deep.png': encoded('.png', PICTURE.astype(np.uint16) * 257),
        'alpha.png': encoded('.png', np.dstack([PICTURE, PICTURE[:, :, 0]])),
        'plain.webp': encoded('.webp', PICTURE),
        'plain.bmp': encoded('.bmp', PICTURE),
        'strips.tif': encoded('.tif', PICTURE),
    }
    contents |= {f'turned{o}.jpg': _with_exif(contents['plain.jpg'], o) for o in range(2, 9)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    for compression in (None, 'lzw', 'deflate', 'packbits', 'jpeg'):
        _tiled(folder / f'tiled_{compression}.tif', PICTURE, compression=compression)
    _tiled(folder / 'tiled_grey.tif', PICTURE[:, :, 0], compression='jpeg')
    _tiled(folder / 'tiled_white.tif', PICTURE[:, :, 0], photometric='miniswhite')
    _tiled(folder / 'tiled_predictor.tif', PICTURE, compression='deflate', predictor=True)
    _tiled(folder / 'tiled_big.tif', PICTURE, bigtiff=True)
    _tiled(folder / 'tiled_deep.tif', PICTURE.astype(np.uint16) * 257, byteorder='>')
    rgba = np.dstack([PICTURE[:, :, 0], PICTURE])
    _tiled(folder / 'tiled_alpha.tif', rgba, extrasamples=['unassalpha'])
    _tiled(folder / 'tiled_multiplied.tif', rgba, extrasamples=['assocalpha'])
    for orientation in range(2, 9):
        tag = [(274, 'H', 1, orientation, True)]
        _tiled(folder / f'tiled_turned{orientation}.tif', PICTURE, extratags=tag)
    return sorted([*contents, *(path.name for path in folder.glob('tiled_*'))])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('files')
    _files(folder)
    return folder


@pytest.fixture(autouse=True)
def cut_small_images(monkeypatch):
    monkeypatch.setattr(jpeg_file, '_SMALL', 0)


@pytest.fixture
def no_packages(monkeypatch):
    monkeypatch.setattr(windows, 'tifffile', None)


def _random_windows(shape, count, seed):
    rng = np.random.default_rng(seed)
    height, width = shape[:2]
    for _ in range(count):
        left, right = np.sort(rng.choice(width + 1, 2, replace=False)).tolist()
        top, bottom = np.sort(rng.choice(height + 1, 2, replace=False)).tolist()
        yield left, top, right, bottom
    yield 0, 0, width, height
    yield width - 1, height - 1, width, height


def _check_every_file(folder, color_type):
    rules = PixelRules(color_type)
    for number, name in enumerate(sorted(path.name for path in folder.iterdir())):
        path = str(folder / name)
        expected = read_image(path, color_type=color_type)
        assert image_size(path, rules=rules) == expected.shape[1::-1], name
        for window in _random_windows(expected.shape, 5, number):
            left, top, right, bottom = window
            found = read_window(path, window, rules=rules)
            assert found.dtype == expected.dtype, name
            np.testing.assert_array_equal(found, expected[top:bottom, left:right], str(name))
            found[...] = 0  # belongs to who asked


@pytest.mark.parametrize(
    'color_type', ['color', 'grayscale', 'color_ignore_orientation', 'unchanged']
)
def test_windows_are_cuts_of_the_whole_to_the_last_digit(folder, color_type):
    _check_every_file(folder, color_type)


def test_so_they_are_without_optional_packages(folder, no_packages):
    _check_every_file(folder, 'color')


def test_parts_are_decoded(folder, monkeypatch):
    """Or the tests above would compare OpenCV with itself."""
    decoded = []
    original = jpeg_file.decode_image

    def noted(content, *args, **kwargs):
        decoded.append(len(content))
        return original(content, *args, **kwargs)

    monkeypatch.setattr(jpeg_file, 'decode_image', noted)
    for name in ('plain.jpg', 'fine.jpg', 'grey.jpg', 'restarts.jpg', 'turned6.jpg'):
        for size in (None, (100, 90)):
            read_window(folder / name, (100, 20, 300, 200), size, cache=ImageCache())
            assert decoded.pop() < 0.1 * (folder / name).stat().st_size
            read_window(folder / name, (100, 20, 300, 200), size, cache=ImageCache(), more=True)
            assert decoded.pop() == (folder / name).stat().st_size
    read_window(folder / 'progressive.jpg', (100, 20, 300, 200), cache=ImageCache())
    assert decoded == [(folder / 'progressive.jpg').stat().st_size]


def test_small_images_are_decoded_whole_and_kept(folder, monkeypatch):
    monkeypatch.setattr(jpeg_file, '_SMALL', 2_000_000)
    decoded = []
    original = jpeg_file.decode_image
    monkeypatch.setattr(
        jpeg_file,
        'decode_image',
        lambda *args, **kw: decoded.append(args[1]) or original(*args, **kw),
    )
    cache = ImageCache()
    for window in _random_windows(PICTURE.shape, 4, 0):
        read_window(folder / 'small.jpg', window, cache=cache)
    assert len(decoded) == 1


@pytest.mark.parametrize('orientation', range(2, 9))
def test_every_orientation_of_a_reduced_window(folder, tmp_path, orientation):
    half = BIG[:1100, :1402].reshape(550, 2, 701, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    tag = [(274, 'H', 1, orientation, True)]
    with tifffile.TiffWriter(tmp_path / 'image.tif') as writer:
        options = dict(photometric='rgb', tile=(128, 128), extratags=tag)
        writer.write(BIG[:, :, ::-1], **options)
        writer.write(half[:, :, ::-1], subfiletype=1, **options)
    for path in (folder / f'turned{orientation}.jpg', tmp_path / 'image.tif'):
        whole = read_image(path)
        height, width = whole.shape[:2]
        left, top = width // 3, height // 5
        right, bottom = left + width // 2, top + height // 2
        size = int((right - left) / 2.3), int((bottom - top) / 2.3)
        found = read_window(path, (left, top, right, bottom), size, exact=False).astype(float)
        expected = cv2.resize(whole[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
        assert np.abs(found - expected).mean() < 2, path


# Marks, and where they are found.


def _marked(height, width, marks, radius):
    """A grey picture with soft spots at exact places, in pixels (x, y) from the corner."""
    ys, xs = np.mgrid[:height, :width] + 0.5
    image = np.full((height, width), 30.0)
    for x, y in marks:
        image += 200 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * radius**2))
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, 2)


def _found_at(pixels, expected, reach):
    """The middle of brightness around a place, (x, y) in pixels from the corner."""
    x, y = expected
    x0, y0 = max(0, int(x - reach)), max(0, int(y - reach))
    part = pixels[y0 : int(y + reach) + 1, x0 : int(x + reach) + 1, 0].astype(float)
    part = (part - 30).clip(0)
    ys, xs = np.mgrid[: part.shape[0], : part.shape[1]] + 0.5
    return x0 + (part * xs).sum() / part.sum(), y0 + (part * ys).sum() / part.sum()


def _pyramid(path, image, sizes, resampling):
    with tifffile.TiffWriter(path) as writer:
        options = dict(photometric='rgb', tile=(128, 128), compression='deflate')
        writer.write(image, **options)
        for size in sizes:
            writer.write(resampling(size), subfiletype=1, **options)


def _gdal_like(image):
    """Overviews that are rounded up and stretched over all of the image."""

    def resampling(size):
        width, height = size
        matrix = np.array([[image.shape[1] / width, 0, 0], [0, image.shape[0] / height, 0]])
        for axis in (0, 1):
            matrix[axis, 2] = 0.5 * matrix[axis, axis] - 0.5
        blurred = cv2.GaussianBlur(image, (0, 0), 0.3 * matrix[0, 0])
        return cv2.warpAffine(
            blurred,
            matrix,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )

    return resampling


def _libvips_like(image):
    """Overviews that are halved, without what remains."""

    def resampling(size):
        ratio = image.shape[1] // size[0]
        whole = image[: size[1] * ratio, : size[0] * ratio]
        parts = whole.reshape(size[1], ratio, size[0], ratio, 3).astype(float)
        return np.rint(parts.mean(axis=(1, 3))).astype(np.uint8)

    return resampling


@pytest.mark.parametrize('kind', ['jpeg', 'gdal', 'libvips', 'libvips itself', 'plain'])
@pytest.mark.parametrize('more', [False, True])
def test_marks_lie_where_they_were_drawn(kind, more, tmp_path):
    height, width = 1203, 1607
    rng = np.random.default_rng(0)
    marks = [(x + rng.random(), y + rng.random()) for x in (60, 800, 1550) for y in (50, 620, 1150)]
    image = _marked(height, width, marks, 12)
    path = tmp_path / ('image.jpg' if kind == 'jpeg' else 'image.tif')
    if kind == 'jpeg':
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 98])
    elif kind == 'gdal':
        _pyramid(path, image, [(804, 602), (402, 301), (201, 151)], _gdal_like(image))
    elif kind == 'libvips':
        _pyramid(path, image, [(803, 601), (401, 300), (200, 150)], _libvips_like(image))
    elif kind == 'libvips itself':
        pyvips = pytest.importorskip('pyvips')
        pyvips.Image.new_from_array(image).tiffsave(str(path), tile=True, pyramid=True)
    else:
        cv2.imwrite(str(path), image)
    for left, top, right, bottom in ((0, 0, 1607, 1203), (31, 17, 1607, 1203), (5, 3, 1590, 1190)):
        for factor in (1, 0.5, 0.41, 0.25, 0.2, 0.125):
            size = round((right - left) * factor), round((bottom - top) * factor)
            found = read_window(path, (left, top, right, bottom), size, more=more)
            assert found.shape[1::-1] == size
            for x, y in marks:
                place = (
                    (x - left) * size[0] / (right - left),
                    (y - top) * size[1] / (bottom - top),
                )
                error = np.subtract(_found_at(found, place, 36 * factor), place)
                assert np.abs(error).max() < 0.25, (factor, (x, y), error)


def test_levels_that_are_just_fine_enough(tmp_path):
    """Marked by their colours, so that it shows which one was read."""
    path = tmp_path / 'image.tif'
    image = np.full((1024, 1280, 3), 10, np.uint8)

    def painted(size):
        return np.full((size[1], size[0], 3), 10 + 1280 // size[0], np.uint8)

    _pyramid(path, image, [(640, 512), (320, 256), (160, 128)], painted)
    for factor, ratio in ((1, 0), (0.7, 0), (0.51, 0), (0.5, 2), (0.3, 2), (0.25, 4), (0.05, 8)):
        size = round(960 * factor), round(640 * factor)
        found = read_window(path, (64, 128, 1024, 768), size)
        assert (found == 10 + ratio).all(), factor
        if factor < 1:
            own = read_window(path, (64, 128, 1024, 768), size, exact=False)
            assert own.shape[1::-1] == ((960, 640) if ratio == 0 else size)
    # Between the pixels of the level, one finer is read.
    assert (read_window(path, (65, 128, 1025, 768), (480, 320)) == 10).all()


@pytest.mark.parametrize('name', ['plain.jpg', 'pyramid.tif'])
def test_reduced_windows_differ_little_from_resized_ones(folder, tmp_path, name):
    if name == 'pyramid.tif':
        sizes = [(701, 550), (350, 275), (175, 137)]
        _pyramid(tmp_path / name, BIG[:, :, ::-1], sizes, _libvips_like(BIG[:, :, ::-1]))
        folder = tmp_path
    whole = read_image(folder / name)
    for index, window in enumerate(_random_windows(whole.shape, 12, 0)):
        left, top, right, bottom = window
        if min(right - left, bottom - top) < 30:
            continue
        factor = (0.5, 0.45, 0.33, 0.25, 0.2, 0.13)[index % 6]
        size = round((right - left) * factor), round((bottom - top) * factor)
        expected = cv2.resize(whole[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
        for more in (False, True):
            found = read_window(folder / name, window, size, more=more)
            difference = np.abs(found.astype(float) - expected).mean()
            assert difference < 2, (window, factor, more, difference)


# What is kept.


def test_images_are_decoded_once_within_a_bound_of_bytes(folder, monkeypatch):
    decoded = []
    original = windows.PlainFile._decode

    def counted(self, rules):
        decoded.append(self.name)
        return original(self, rules)

    monkeypatch.setattr(windows.PlainFile, '_decode', counted)
    cache = ImageCache(max_bytes=2 * PICTURE.nbytes + 10)
    names = ['plain.png', 'alpha.png', 'plain.webp']
    for name in (*names[:2], *names[:2], names[2], names[2], names[0]):
        read_window(folder / name, (0, 0, 5, 5), cache=cache)
        assert cache.num_bytes <= cache.max_bytes
    assert [os.path.basename(name) for name in decoded] == [*names, names[0]]


def test_one_image_larger_than_the_bound_is_kept_alone(folder):
    cache = ImageCache(max_bytes=100)
    read_window(folder / 'plain.png', (0, 0, 5, 5), cache=cache)
    read_window(folder / 'alpha.png', (0, 0, 5, 5), cache=cache)
    assert cache.num_bytes == PICTURE.nbytes


def test_a_picture_that_changes_on_disk_is_read_anew(tmp_path):
    for name, write in (
        ('a.png', cv2.imwrite),
        ('a.jpg', cv2.imwrite),
        ('a.tif', lambda path, image: _tiled(path, image)),
    ):
        path = str(tmp_path / name)
        write(path, np.full((300, 400, 3), 50, np.uint8))
        assert abs(int(read_window(path, (0, 0, 9, 9)).mean()) - 50) < 2
        write(path, np.full((350, 500, 3), 200, np.uint8))
        assert abs(int(read_window(path, (410, 310, 450, 340), more=True).mean()) - 200) < 2
        assert image_size(path) == (500, 350)


def _checksums(paths):
    return [
        zlib.crc32(read_window(path, (30, 40, 230, 260), size, more=more).tobytes())
        for path in paths
        for size in (None, (100, 110))
        for more in (False, True)
    ]


def test_processes_that_are_forked_from_one_that_has_read(folder):
    paths = [str(folder / name) for name in ('plain.jpg', 'tiled_jpeg.tif', 'plain.png')]
    expected = _checksums(paths)
    with multiprocessing.get_context('fork').Pool(2) as pool:
        found = pool.map_async(_checksums, [paths] * 4).get(timeout=1500)
    assert found == [expected] * 4


# What cannot be read.


def test_windows_outside(folder):
    for window in ((-1, 0, 5, 5), (0, 0, 404, 5), (5, 5, 5, 9), (0, 300, 5, 302)):
        with pytest.raises(
            InputError, match=r'window .* is not inside image .*plain.png of 403x301'
        ):
            read_window(folder / 'plain.png', window)


def test_missing_and_empty_files(tmp_path):
    (tmp_path / 'empty.jpg').write_bytes(b'')
    (tmp_path / 'text.tif').write_bytes(b'II*\0 this is no TIFF')
    for name in ('missing.jpg', 'empty.jpg', 'text.tif'):
        for read in (read_window, image_size):
            with pytest.raises(BrokenImageError, match=name):
                read(tmp_path / name)
    with pytest.raises(BrokenImageError, match='cannot be read'):
        read_window(tmp_path)


@pytest.mark.parametrize(
    'name',
    ['plain.jpg', 'progressive.jpg', 'plain.png', 'strips.tif', 'tiled_lzw.tif', 'tiled_jpeg.tif'],
)
def test_files_cut_short(folder, tmp_path, name):
    content = (folder / name).read_bytes()
    for share in (0.02, 0.4, 0.9):
        path = tmp_path / name
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(BrokenImageError, match=name):
            read_window(path)


@pytest.mark.parametrize('more', [False, True])
@pytest.mark.parametrize('size', [None, (60, 50)])
@pytest.mark.parametrize('name', ['plain.jpg', 'tiled_lzw.tif', 'tiled_deflate.tif'])
def test_damage_inside_of_the_window(folder, tmp_path, name, size, more):
    content = bytearray((folder / name).read_bytes())
    rng = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.5):
        damaged = content.copy()
        start = int(len(content) * share)
        damaged[start : start + 512] = rng.integers(0, 256, 512, np.uint8).tobytes()
        path = tmp_path / name
        path.write_bytes(damaged)
        with pytest.raises(BrokenImageError, match=f'{name} is damaged'):
            read_window(path, None, size, more=more)


def test_damage_elsewhere_is_no_matter(folder, tmp_path):
    content = bytearray((folder / 'tiled_lzw.tif').read_bytes())
    content[len(content) // 2 : len(content) // 2 + 512] = bytes(512)
    path = tmp_path / 'image.tif'
    path.write_bytes(content)
    np.testing.assert_array_equal(read_window(path, (0, 0, 60, 50)), PICTURE[:50, :60])


def test_an_image_larger_than_memory_is_named_before_it_is_decoded(folder, monkeypatch):
    monkeypatch.setattr(memory, 'memory_size', lambda: 1e5)
    for name in ('plain.png', 'strips.tif', 'plain.bmp'):
        with pytest.raises(
            InputError, match=rf'{name} of 403x301 pixels has to be decoded whole, .*tile_images'
        ):
            read_window(folder / name, (0, 0, 5, 5), cache=ImageCache())
    with pytest.raises(InputError, match='whole'):
        read_window(folder / 'plain.jpg', (0, 0, 5, 5), cache=ImageCache(), more=True)
    # From these only the window is read.
    assert read_window(folder / 'plain.jpg', (0, 0, 5, 5), cache=ImageCache()).shape == (5, 5, 3)
    assert read_window(folder / 'tiled_lzw.tif', (0, 0, 5, 5), cache=ImageCache()).any()


def test_more_pixels_than_opencv_decodes(tmp_path):
    header = encoded('.png', np.zeros((4, 4, 3), np.uint8))
    chunk = b'IHDR' + (40000).to_bytes(4, 'big') * 2 + header[24:29]
    content = header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, 'big') + header[33:]
    (tmp_path / 'huge.png').write_bytes(content)
    with pytest.raises(InputError, match='40000x40000 pixels .* OpenCV'):
        read_window(tmp_path / 'huge.png', (0, 0, 5, 5))


# Overviews of a file.


def test_masks_and_other_pages_are_no_overviews(tmp_path):
    path = tmp_path / 'image.tif'
    with tifffile.TiffWriter(path) as writer:
        options = dict(tile=(64, 64), compression='deflate')
        writer.write(PICTURE, photometric='rgb', **options)
        writer.write(np.zeros((301, 403), bool), photometric='mask', subfiletype=4, tile=(64, 64))
        writer.write(np.zeros((150, 201), bool), photometric='mask', subfiletype=5, tile=(64, 64))
        writer.write(np.zeros((150, 201, 3), np.uint8), photometric='rgb', **options)
        writer.write(
            np.zeros((150, 201), np.uint8), photometric='minisblack', subfiletype=1, **options
        )
    found = read_window(path, None, (200, 150))
    assert np.abs(found.astype(float) - cv2.resize(PICTURE[:, :, ::-1], (200, 150))).mean() < 2


@pytest.mark.parametrize('size', [(100, 100), (150, 300), (300, 900)])
def test_labels_and_thumbnails_with_a_margin_are_no_overviews(tmp_path, size):
    """Scanners of slides write them as smaller copies too."""
    path = tmp_path / 'image.tif'
    with tifffile.TiffWriter(path) as writer:
        options = dict(photometric='rgb', tile=(64, 64))
        writer.write(PICTURE[:, :, ::-1], **options)
        writer.write(np.zeros((*size[::-1], 3), np.uint8), subfiletype=1, **options)
    found = read_window(path, (0, 0, 403, 301), (101, 75))
    assert np.abs(found.astype(float) - cv2.resize(PICTURE, (101, 75))).mean() < 2


def test_pyramids_in_sub_images(tmp_path):
    pyvips = pytest.importorskip('pyvips')
    path = tmp_path / 'image.tif'
    picture = pyvips.Image.new_from_array(BIG[:, :, ::-1].copy())
    picture.tiffsave(str(path), tile=True, pyramid=True, subifd=True)
    file = tiff_module.TiffFile(path, 'image')
    assert file.level_sizes == [(1403, 1101), (701, 550), (350, 275), (175, 137), (87, 68)]
    assert file.ratios == [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16)]


def test_uncompressed_tiles_of_old(tmp_path):
    image = photograph(128, 192)
    for order in '<>':
        for big in (False, True):
            path = tmp_path / 'image.tif'
            path.write_bytes(tiff(image[:, :, ::-1], order, big, tile=64))
            np.testing.assert_array_equal(
                read_window(path, (50, 30, 190, 99)), image[30:99, 50:190]
            )
