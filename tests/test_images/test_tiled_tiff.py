"""Tiled TIFFs against the pictures that they were made from."""

import errno
import io
import os

import cv2
import numpy as np
import pytest
from image_files import OPENCV, encoded, photograph, tiff
from PIL import Image

from mmsniper.errors import InputError
from mmsniper.images import BrokenImageError, read_image, read_window, strips, write_tiled_tiff
from mmsniper.images.decoding import COLOR_TYPES
from mmsniper.images.tiff import TiffTags
from mmsniper.images.tiff_writing import TiffWriter
from mmsniper.images.tiled_tiff import description_of, halved


@pytest.fixture(params=['streamed', 'decoded'])
def way(request, monkeypatch):
    """With libvips, and without."""
    if request.param == 'decoded':
        monkeypatch.setattr(strips, 'pyvips', None)
    elif strips.pyvips is None:
        pytest.skip('pyvips is not installed')
    return request.param


def tile(folder, name, content, **settings):
    source, target = folder / name, folder / 'tiled' / f'{name}.tif'
    source.write_bytes(content)
    write_tiled_tiff(source, target, **settings)
    assert sorted(path.name for path in target.parent.iterdir()) == [target.name]
    target = target.rename(folder / target.name)
    target.parent.joinpath('tiled').rmdir()
    return target


def pages(path):
    """All levels as they are stored, colour in OpenCV's order."""
    found, levels = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)
    assert found
    return levels


def means(image):
    """Two by two pixels, rounded half up; slow and plain."""
    height, width = image.shape[:2]
    half = np.zeros((height // 2, width // 2, *image.shape[2:]), image.dtype)
    for y in range(len(half)):
        for x in range(len(half[0])):
            square = image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(np.float64)
            mean = square.mean(axis=(0, 1))
            half[y, x] = mean if image.dtype.kind == 'f' else np.floor(mean + 0.5)
    return half


def similarity(image, other):
    """Peak signal to noise ratio in decibels."""
    error = np.mean((image.astype(np.float64) - other) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


@pytest.mark.parametrize(
    ('size', 'num_levels'),
    [
        ((1, 1), 1),
        ((256, 256), 1),
        ((255, 257), 2),
        ((257, 3), 2),
        ((70, 1025), 3),
        ((1, 300), 1),
        ((514, 511), 3),
    ],
)
def test_levels_are_means_of_two_by_two(tmp_path, way, size, num_levels):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    levels = pages(tile(tmp_path, 'a.png', encoded('.png', image), lossless=True))
    assert len(levels) == num_levels
    np.testing.assert_array_equal(levels[0], image)
    for finer, level in zip(levels, levels[1:]):
        np.testing.assert_array_equal(level, means(finer))


@pytest.mark.parametrize('size', [(1, 1), (257, 255), (300, 520)])
@pytest.mark.parametrize('bands', [1, 3])
def test_jpeg_is_near(tmp_path, way, size, bands):
    image = cv2.GaussianBlur(photograph(*size), (5, 5), 0)[:, :, :bands]
    levels = pages(tile(tmp_path, 'a.png', encoded('.png', image)))
    assert similarity(levels[0].reshape(image.shape), image) > 44
    if len(levels) > 1:
        # Of the picture as it was, not as JPEG has it.
        assert similarity(levels[1], means(image.squeeze())) > 42


def test_a_large_picture_of_odd_size(tmp_path):
    image = cv2.resize(photograph(301, 401), (4001, 3001), interpolation=cv2.INTER_LINEAR)
    levels = pages(tile(tmp_path, 'a.jpg', encoded('.jpg', image)))
    sizes = [(3001, 4001), (1500, 2000), (750, 1000), (375, 500), (187, 250)]
    assert [level.shape[:2] for level in levels] == sizes
    expected = read_image(tmp_path / 'a.jpg')
    for level in levels:
        assert similarity(level, expected) > 38
        expected = halved(expected)


def test_small_objects_keep_their_colour(tmp_path):
    image = np.full((64, 64, 3), 90, np.uint8)
    image[20:26, 31:37] = 0, 0, 255
    level = pages(tile(tmp_path, 'a.png', encoded('.png', image)))[0]
    assert np.abs(level[20:26, 31:37].astype(int) - (0, 0, 255)).max() < 25


def test_quality_and_lossless_change_the_size(tmp_path):
    content = encoded('.png', photograph())
    sizes = [
        tile(tmp_path, 'a.png', content, **settings).stat().st_size
        for settings in (dict(quality=50), dict(quality=95), dict(lossless=True))
    ]
    assert sizes[0] < sizes[1] / 2 < sizes[2] / 3


IMAGE = photograph(300, 280)
DEEP = IMAGE.astype(np.uint16) * 257
ALPHA = np.dstack([IMAGE, IMAGE[:, :, 0]])


def pillow(mode, suffix, **settings):
    """The bytes of a picture that Pillow writes."""
    file = io.BytesIO()
    Image.fromarray(IMAGE).convert(mode).save(file, suffix, **settings)
    return file.getvalue()


LOSSLESS = {
    'color.bmp': encoded('.bmp', IMAGE),
    'color.gif': pillow('P', 'GIF'),
    'palette.png': pillow('P', 'PNG'),
    'bits.png': pillow('1', 'PNG'),
    'bits.tif': pillow('1', 'TIFF'),
    'ink.jpg': pillow('CMYK', 'JPEG'),
    'ink.tif': pillow('CMYK', 'TIFF'),
    'grey_alpha.png': pillow('LA', 'PNG'),
    'alpha.png': encoded('.png', ALPHA),
    'alpha.tif': tiff(ALPHA, t338=[2]),
    'multiplied_alpha.tif': tiff(ALPHA, t338=[1]),
    'unknown_band.tif': tiff(ALPHA, t338=[0]),
    'deep.png': encoded('.png', DEEP),
    'deep_grey.tif': tiff(DEEP[:, :, 0], order='>', big=True),
    'deep_alpha.tif': tiff(ALPHA.astype(np.uint16) * 257, t338=[2]),
    'whole.tif': tiff(IMAGE[:, :, 0].astype(np.uint32) * 70000),
    'signed.tif': tiff(DEEP[:, :, 0].astype(np.uint16), t339=[2]),
    'real.tif': encoded('.tif', IMAGE.astype(np.float32) / 7),
    'double.tif': encoded('.tif', IMAGE[:, :, 0].astype(np.float64) / 7),
    'tiles.tif': tiff(IMAGE[:256, :256], tile=64),
}


# Whole numbers of 32 bits are no image to OpenCV 4.
ONLY_5 = pytest.mark.skipif(OPENCV < 5, reason='OpenCV 4 does not decode it')


@pytest.mark.parametrize(
    'name',
    [pytest.param(name, marks=ONLY_5) if name == 'whole.tif' else name for name in LOSSLESS],
)
def test_what_is_stored_stays(tmp_path, way, name):
    path = tile(tmp_path, name, LOSSLESS[name], lossless=True)
    for color_type in ('color', 'unchanged'):
        expected, image = (
            read_image(file, color_type=color_type, depth_range=(0, 50000))
            for file in (tmp_path / name, path)
        )
        assert image.dtype == expected.dtype
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize('name', ['deep.png', 'alpha.png', 'real.tif'])
def test_what_jpeg_cannot_hold_is_lossless_unasked(tmp_path, name):
    path = tile(tmp_path, name, LOSSLESS[name])
    expected = read_image(tmp_path / name, color_type='unchanged')
    np.testing.assert_array_equal(read_image(path, color_type='unchanged'), expected)
    assert TiffTags(path.read_bytes()).numbers(259).tolist() == [8]


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_orientation_is_kept(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[274] = orientation
    settings = dict(lossless=True) if suffix == 'WEBP' else {}
    content = pillow('RGB', suffix, exif=exif, **settings)
    path = tile(tmp_path, f'a.{suffix.lower()}', content, lossless=True)
    for color_type in COLOR_TYPES:
        expected, image = (
            read_image(file, color_type=color_type)
            for file in (tmp_path / f'a.{suffix.lower()}', path)
        )
        assert image.shape == expected.shape
        # Decoders make grey of colour in ways of their own.
        most = 1 if color_type.startswith('grayscale') else 0
        assert np.abs(image.astype(int) - expected).mean() <= most


@pytest.mark.parametrize('size', [(280, 300), (300, 280)])
def test_the_size_is_that_of_the_annotation_turned_or_not(tmp_path, size):
    exif = Image.Exif()
    exif[274] = 6
    path = tile(tmp_path, 'a.jpg', pillow('RGB', 'JPEG', exif=exif), size=size)
    assert description_of(path, size) == ''
    assert description_of(path, (300, 281)) is None


def test_another_size_is_refused(tmp_path):
    (tmp_path / 'a.png').write_bytes(encoded('.png', IMAGE))
    with pytest.raises(InputError, match=r'a\.png has 280x300 pixels, but .* says 300x280'):
        write_tiled_tiff(tmp_path / 'a.png', tmp_path / 'b.tif', (300, 280))
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


GEO = {
    33550: np.array([0.5, 0.5, 0]),
    33922: np.array([0, 0, 0, 100.5, 200.5, 0]),
    34735: np.array([1, 1, 0, 1, 1024, 0, 1, 1], np.uint16),
    34737: b'WGS 84|',
    42112: b'<GDALMetadata></GDALMetadata>',
    42113: b'-9999',
}


def test_places_and_missing_data_are_kept(tmp_path):
    image = np.full((300, 290), 10, np.float32)
    image[:, 100:] = -9999
    image[7, 7:9] = np.nan, 30
    with (tmp_path / 'a.tif').open('wb') as file:
        writer = TiffWriter(file)
        numbers = {256: 290, 257: 300, 258: 32, 259: 1, 262: 1, 277: 1, 278: 300, 339: 3}
        tags = {tag: np.array([value], np.uint16) for tag, value in numbers.items()}
        tags[273] = np.array([writer.append(image.tobytes())], np.uint64)
        writer.finish([{**tags, 279: np.array([image.nbytes], np.uint32), **GEO}])
    path = tile(tmp_path, 'b.tif', (tmp_path / 'a.tif').read_bytes())
    with Image.open(path) as picture:
        for tag, value in GEO.items():
            expected = value.decode() if isinstance(value, bytes) else tuple(value.tolist())
            assert picture.tag_v2[tag] == expected
    full, half = pages(path)
    np.testing.assert_array_equal(full, image)
    assert half[3, 3] == 10  # one of the four is NaN
    assert half[3, 4] == np.float32(15)
    assert set(half[:, 50:].ravel()) == {-9999}
    assert set(half[:, 5:50].ravel()) == {10}


def test_pictures_with_missing_data_are_lossless(tmp_path):
    image = np.zeros((20, 30), np.uint8)
    with (tmp_path / 'a.tif').open('wb') as file:
        writer = TiffWriter(file)
        numbers = {256: 30, 257: 20, 258: 8, 259: 1, 262: 1, 277: 1, 278: 20}
        tags = {tag: np.array([value], np.uint16) for tag, value in numbers.items()}
        tags[273] = np.array([writer.append(image.tobytes())], np.uint64)
        writer.finish([{**tags, 279: np.array([600], np.uint32), 42113: b'0'}])
    path = tile(tmp_path, 'b.tif', (tmp_path / 'a.tif').read_bytes())
    assert TiffTags(path.read_bytes()).numbers(259).tolist() == [8]


def test_means_leave_missing_data_out():
    image = np.array([[1, 2, 9, 9, 9], [4, 9, 9, 9, 9]], np.int16)[:, :, None]
    np.testing.assert_array_equal(halved(image, 9)[:, :, 0], [[2, 9]])
    np.testing.assert_array_equal(halved(image)[:, :, 0], [[4, 9]])


@pytest.mark.parametrize('dtype', ['u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'f4', 'f8'])
def test_means_of_all_types(dtype):
    image = (np.random.default_rng(0).random((7, 10, 5)) * 120).astype(dtype)
    np.testing.assert_allclose(halved(image), means(image), rtol=1e-6)


def damaged(content):
    middle = len(content) // 2
    return content[:middle] + bytes(len(content) // 8) + content[middle + len(content) // 8 :]


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
@pytest.mark.parametrize('damage', [damaged, lambda content: content[: len(content) // 2]])
def test_damage_is_told_with_the_file(tmp_path, way, suffix, damage):
    settings = [cv2.IMWRITE_TIFF_COMPRESSION, 8] if suffix == '.tif' else []
    (tmp_path / f'a{suffix}').write_bytes(damage(encoded(suffix, IMAGE, *settings)))
    with pytest.raises(BrokenImageError, match=rf'a\{suffix}'):
        write_tiled_tiff(tmp_path / f'a{suffix}', tmp_path / 'tiled' / 'a.tif')
    assert not list(tmp_path.glob('tiled/*'))


@pytest.mark.parametrize('content', [b'', b'no picture', None])
def test_what_is_no_picture_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(BrokenImageError, match=r'a\.jpg'):
        write_tiled_tiff(tmp_path / 'a.jpg', tmp_path / 'a.tif')
    assert not list(tmp_path.glob('*a.tif*'))


def test_padding_of_cameras_is_no_damage(tmp_path):
    content = encoded('.jpg', IMAGE)
    path = tile(tmp_path, 'a.jpg', content[:-2] + bytes(300) + content[-2:], lossless=True)
    np.testing.assert_array_equal(read_image(path), read_image(tmp_path / 'a.jpg'))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / 'a.png').write_bytes(encoded('.png', IMAGE))

    def fill(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(TiffWriter, 'append', fill)
    with pytest.raises(InputError, match=r'cannot write .*b\.tif: No space left on device'):
        write_tiled_tiff(tmp_path / 'a.png', tmp_path / 'b.tif')
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def test_descriptions_are_those_of_whole_tiled_files(tmp_path):
    path = tile(tmp_path, 'a.png', encoded('.png', IMAGE), description='of a grüne Wiese')
    assert description_of(path) == 'of a grüne Wiese'
    content = path.read_bytes()
    for length in (0, 3, 16, len(content) // 2, len(content) - 20):
        path.write_bytes(content[:length])
        assert description_of(path) is None
    assert description_of(tmp_path / 'a.png') is None
    assert description_of(tmp_path / 'gone.tif') is None
    path.write_bytes(tiff(IMAGE))
    assert description_of(path) is None


@pytest.mark.parametrize('size', [(1000, 1300), (999, 1301)])
def test_windows_of_levels_are_means(tmp_path, size):
    """Windows begin where a pixel of the level does, whatever the size of the picture."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    path = tile(tmp_path, 'a.png', encoded('.png', image), lossless=True)
    for level in (1, 2):
        expected = halved(image if level == 1 else halved(image))
        step = 2**level
        window = 100 * step, 50 * step, 260 * step, 200 * step
        pixels = read_window(path, window, (160, 150))
        np.testing.assert_array_equal(pixels, expected[50:200, 100:260])
