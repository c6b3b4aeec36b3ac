"""Satellite and scientific pictures: bands, depth, values without data."""

import numpy as np
import pytest
from image_files import encoded, photograph, tiff

from mmsniper.errors import InputError
from mmsniper.images import PixelRules, read_image, read_window
from mmsniper.images.formats import jpeg_segments

tifffile = pytest.importorskip('tifffile')

HEIGHT, WIDTH = 301, 403
WINDOW = (37, 41, 250, 199)
CUT = slice(41, 199), slice(37, 250)


def _bands(count, dtype=np.uint8, seed=0):
    """(h, w, count) samples, another picture in each band."""
    pictures = [photograph(HEIGHT, WIDTH, seed + band)[:, :, 0] for band in range(count)]
    return np.stack(pictures, axis=2).astype(dtype)


def _write(path, samples, overviews=(), **kwargs):
    kwargs = dict(tile=(64, 64), photometric='minisblack', planarconfig='contig') | kwargs
    if kwargs['planarconfig'] == 'separate':
        samples = np.ascontiguousarray(samples.transpose(2, 0, 1))
    with tifffile.TiffWriter(path, byteorder=kwargs.pop('byteorder', None)) as writer:
        writer.write(samples, **kwargs)
        kwargs.pop('extratags', None)
        for overview in overviews:
            writer.write(overview, subfiletype=1, **kwargs)


@pytest.mark.parametrize('planes', ['contig', 'separate'])
@pytest.mark.parametrize('tile', [(64, 64), None])
@pytest.mark.parametrize('compression', [None, 'lzw', 'deflate', 'zstd'])
def test_bands_are_taken_in_the_order_asked_for(tmp_path, planes, tile, compression):
    samples = _bands(5)
    path = tmp_path / 'five.tif'
    _write(path, samples, planarconfig=planes, tile=tile, compression=compression)
    for bands in ((3, 2, 1), (5, 1, 4), (2, 2, 2), (1, 2, 3, 4)):
        found = read_window(path, WINDOW, rules=PixelRules(bands=bands))
        np.testing.assert_array_equal(found, samples[CUT][:, :, [band - 1 for band in bands]])
    one = read_window(path, WINDOW, rules=PixelRules(bands=(4,)))
    np.testing.assert_array_equal(one, np.repeat(samples[CUT][:, :, 3:4], 3, 2))
    grey = read_window(path, WINDOW, rules=PixelRules('grayscale', bands=(4,)))
    np.testing.assert_array_equal(grey, samples[CUT][:, :, 3])


@pytest.mark.parametrize('tile', [(64, 64), None])
@pytest.mark.parametrize('count', [3, 4, 5])
def test_bands_that_are_no_colours_ask_for_bands(tmp_path, count, tile):
    _write(tmp_path / 'grey.tif', _bands(count), tile=tile)
    with pytest.raises(InputError, match=rf'grey.tif has {count} bands .*bands=\(3, 2, 1\)'):
        read_window(tmp_path / 'grey.tif')
    with pytest.raises(InputError, match=rf'grey.tif has {count} bands .* LoadChip'):
        read_image(tmp_path / 'grey.tif')
    with pytest.raises(InputError, match=rf'{count} bands, but bands=\(6, 2, 1\) asks for band 6'):
        read_window(tmp_path / 'grey.tif', rules=PixelRules(bands=(6, 2, 1)))
    # Red, green, blue and what else there is.
    _write(tmp_path / 'colour.tif', _bands(count), photometric='rgb', tile=tile)
    found = read_window(tmp_path / 'colour.tif')
    np.testing.assert_array_equal(found, _bands(count)[:, :, 2::-1])


@pytest.mark.parametrize('tile', [(64, 64), None])
@pytest.mark.parametrize('count', [2, 3, 4])
def test_planes_of_16_bits_are_those_of_the_file(tmp_path, count, tile):
    samples = _bands(count, np.uint16) * np.uint16(257)
    kind = 'rgb' if count > 2 else 'minisblack'
    path = tmp_path / 'planes.tif'
    _write(path, samples, photometric=kind, planarconfig='separate', tile=tile)
    order = [2, 1, 0] if count > 2 else [0, 0, 0]
    found = read_window(path, WINDOW)
    np.testing.assert_array_equal(found, _bands(count)[CUT][:, :, order])
    with pytest.raises(InputError, match=rf'planes.tif has {count} bands of 16 bits .* LoadChip'):
        read_image(path)  # OpenCV alone would make noise of it


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.jpg'])
def test_bands_of_pictures_are_counted_as_in_the_file(tmp_path, suffix):
    path = tmp_path / f'picture{suffix}'
    path.write_bytes(encoded(suffix, photograph(HEIGHT, WIDTH)))
    picture = read_image(path)
    for bands, order in (((3, 2, 1), [0, 1, 2]), ((1, 2, 3), [2, 1, 0]), ((2,), [1, 1, 1])):
        found = read_window(path, WINDOW, rules=PixelRules(bands=bands))
        np.testing.assert_array_equal(found, picture[CUT][:, :, order])


def test_bands_without_the_package_for_tiffs(tmp_path, monkeypatch):
    from mmsniper.images import windows

    monkeypatch.setattr(windows, 'tifffile', None)
    path = tmp_path / 'picture.tif'
    path.write_bytes(encoded('.tif', photograph(HEIGHT, WIDTH)))
    found = read_window(path, WINDOW, rules=PixelRules(bands=(1, 2, 3)))
    np.testing.assert_array_equal(found, photograph(HEIGHT, WIDTH)[CUT][:, :, ::-1])
    _write(tmp_path / 'five.tif', _bands(5))
    with pytest.raises(InputError, match='five.tif .*tifffile'):
        read_window(tmp_path / 'five.tif', rules=PixelRules(bands=(3, 2, 1)))


@pytest.mark.parametrize('dtype', [np.uint16, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize('byteorder', ['<', '>'])
def test_a_range_is_the_same_for_all_windows(tmp_path, dtype, byteorder):
    samples = _bands(3, dtype) * dtype(9) + dtype(100)
    _write(tmp_path / 'deep.tif', samples, byteorder=byteorder, photometric='rgb')
    rules = PixelRules(depth_range=(300, 2000))
    whole = read_window(tmp_path / 'deep.tif', rules=rules)
    found = read_window(tmp_path / 'deep.tif', WINDOW, rules=rules)
    np.testing.assert_array_equal(found, whole[CUT])
    span = 1701 if np.issubdtype(dtype, np.integer) else 1700
    steps = 256 if np.issubdtype(dtype, np.integer) else 255
    exact = (samples[:, :, ::-1].astype(float) - 300) * steps / span
    expected = np.floor(exact) if np.issubdtype(dtype, np.integer) else np.rint(exact)
    np.testing.assert_array_equal(whole, expected.clip(0, 255).astype(np.uint8))


def test_percentiles_are_those_of_the_whole_image(tmp_path):
    samples = _bands(3, np.uint16) * np.arange(1, 4, dtype=np.uint16) * 50
    _write(tmp_path / 'deep.tif', samples, photometric='rgb')
    rules = PixelRules(depth_percentiles=(2, 98))
    whole = read_window(tmp_path / 'deep.tif', rules=rules)
    np.testing.assert_array_equal(
        read_window(tmp_path / 'deep.tif', WINDOW, rules=rules), whole[CUT]
    )
    for channel in range(3):
        low, high = np.percentile(samples[:, :, 2 - channel], (2, 98))
        expected = (samples[:, :, 2 - channel] - low) * 256 / (high - low + 1)
        np.testing.assert_array_equal(
            whole[:, :, channel], np.floor(expected).clip(0, 255).astype(np.uint8)
        )
    # A file of another size and none but this window would have another range.
    dark = samples.copy()
    dark[CUT] //= 8
    _write(tmp_path / 'dark.tif', dark, photometric='rgb')
    assert read_window(tmp_path / 'dark.tif', WINDOW, rules=rules).mean() < 60


def test_percentiles_come_from_an_overview_of_large_images(tmp_path):
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 1000, (1024, 1024), np.uint16)
    overview = np.full((512, 512), 500, np.uint16)
    overview[:256] = 700
    _write(tmp_path / 'large.tif', samples, [overview])
    rules = PixelRules('grayscale', depth_percentiles=(0, 100))
    found = read_window(tmp_path / 'large.tif', rules=rules)
    expected = ((samples.astype(float) - 500) * 256 / 201).clip(0, 255)
    np.testing.assert_array_equal(found, np.floor(expected).astype(np.uint8))


def test_an_image_with_a_dark_window_is_not_dark(tmp_path):
    samples = np.full((HEIGHT, WIDTH), 300, np.uint16)
    samples[250:, 300:] = 60000
    _write(tmp_path / 'a.tif', samples)
    found = read_window(tmp_path / 'a.tif', (0, 0, 50, 50), rules=PixelRules('grayscale'))
    assert (found == 1).all()
    _write(tmp_path / 'b.tif', samples // 30)
    for window in (None, (0, 0, 50, 50)):
        with pytest.raises(InputError, match=r'b.tif has 16 bits per sample, but none above 2000'):
            read_window(tmp_path / 'b.tif', window)


def test_12_bits(tmp_path):
    samples = photograph(128, 192)[:, :, 0].astype(np.uint16) * 16 + 7
    path = tmp_path / 'twelve.tif'
    for tile in (64, None):
        path.write_bytes(tiff(samples, tile=tile, bits=12))
        found = read_window(path, (20, 30, 100, 90), rules=PixelRules('grayscale'))
        np.testing.assert_array_equal(found, (samples // 16)[30:90, 20:100])


def test_numbers_that_are_none(tmp_path):
    samples = _bands(3, np.float32)
    samples[50:60, 50:60] = np.nan
    samples[70:80, 50:60, 1] = np.nan
    _write(tmp_path / 'real.tif', samples, photometric='rgb')
    rules = PixelRules(depth_range=(0, 255), nodata_fill=114)
    found = read_window(tmp_path / 'real.tif', rules=rules)
    assert (found[50:60, 50:60] == 114).all()
    assert (found[70:80, 50:60, 1] == 0).all()
    np.testing.assert_array_equal(found[100:], samples[100:, :, ::-1].astype(np.uint8))
    rules = PixelRules(depth_percentiles=(0, 100), nodata_fill=114)
    assert (read_window(tmp_path / 'real.tif', rules=rules)[50:60, 50:60] == 114).all()


def test_values_without_data(tmp_path):
    samples = _bands(3, np.uint16) + np.uint16(1)
    samples[50:60, 50:60] = 0
    samples[70:80, 50:60, 1] = 0
    tag = [(42113, 's', 0, '0', True)]
    _write(tmp_path / 'stated.tif', samples, photometric='rgb', extratags=tag)
    _write(tmp_path / 'unstated.tif', samples, photometric='rgb')
    rules = dict(depth_percentiles=(0, 100), nodata_fill=200)
    found = read_window(tmp_path / 'stated.tif', rules=PixelRules(**rules))
    assert (found[50:60, 50:60] == 200).all()
    assert (found[70:80, 50:60, 1] == 0).all()
    same = read_window(tmp_path / 'unstated.tif', rules=PixelRules(nodata=0, **rules))
    np.testing.assert_array_equal(same, found)
    other = read_window(tmp_path / 'unstated.tif', rules=PixelRules(**rules))
    assert (other[50:60, 50:60] == 0).all()


def test_eight_bits_with_values_without_data(tmp_path):
    samples = _bands(3) // 2 + 1
    samples[50:60, 50:60] = 255
    tag = [(42113, 's', 0, '255', True)]
    _write(tmp_path / 'a.tif', samples, photometric='rgb', extratags=tag)
    found = read_window(tmp_path / 'a.tif', rules=PixelRules(nodata_fill=114))
    assert (found[50:60, 50:60] == 114).all()
    np.testing.assert_array_equal(found[100:], samples[100:, :, ::-1])


def test_a_band_of_a_single_value(tmp_path):
    samples = _bands(3, np.uint16)
    samples[:, :, 1] = 77
    _write(tmp_path / 'a.tif', samples, photometric='rgb')
    found = read_window(tmp_path / 'a.tif', rules=PixelRules(depth_percentiles=(2, 98)))
    assert (found[:, :, 1] == 0).all() and found[:, :, 0].max() == 255


@pytest.mark.parametrize(
    ('rules', 'words'),
    [
        (dict(bands=()), 'bands'),
        (dict(bands=(0, 1, 2)), 'counted from 1'),
        (dict(bands=3), 'bands=3'),
        (dict(bands=(1.5,)), 'bands'),
        (dict(depth_percentiles=(98, 2)), 'lower one first'),
        (dict(depth_percentiles=(2, 101)), 'depth_percentiles'),
        (dict(depth_percentiles=2), 'depth_percentiles=2'),
        (dict(depth_percentiles=(2, 98), depth_range=(0, 1)), 'leave one'),
        (dict(nodata='none'), 'nodata'),
        (dict(nodata_fill=300), 'nodata_fill=300'),
        (dict(nodata_fill=1.5), 'nodata_fill'),
        (dict(bands=(1,), backend='pillow'), "'pillow'"),
    ],
)
def test_rules_that_cannot_be_followed(rules, words):
    with pytest.raises(InputError, match=words):
        PixelRules(**rules)


@pytest.mark.parametrize('inner', [None, 'deflate', 'zstd'])
@pytest.mark.parametrize('planes', ['contig', 'separate'])
def test_numbers_that_are_none_with_lerc(tmp_path, inner, planes):
    """LERC keeps a list of them and zeros in their place, as GDAL writes it too."""
    samples = _bands(3, np.float32)
    samples[50:60, 50:60] = np.nan
    settings = dict(compression='lerc', compressionargs=dict(compression=inner))
    _write(tmp_path / 'a.tif', samples, photometric='rgb', planarconfig=planes, **settings)
    rules = PixelRules(depth_range=(0, 255), nodata_fill=114)
    expected = samples[:, :, ::-1].copy()
    expected[50:60, 50:60] = 114
    np.testing.assert_array_equal(read_window(tmp_path / 'a.tif', rules=rules), expected)


@pytest.mark.parametrize(
    'dtype, nodata', [('u1', 255), ('u2', 7), ('i2', -1), ('f4', -9999), ('u1', -9999)]
)
def test_tiles_that_are_left_out_have_no_data(tmp_path, dtype, nodata):
    samples = np.full((128, 192, 3), 50, dtype)
    tag = [(42113, 's', 0, str(nodata), True)]
    _write(tmp_path / 'a.tif', samples, photometric='rgb', extratags=tag)
    with tifffile.TiffFile(tmp_path / 'a.tif', mode='r+b') as file:
        counts = list(file.pages[0].databytecounts)
        file.pages[0].tags['TileByteCounts'].overwrite([0, *counts[1:]])
    found = read_window(tmp_path / 'a.tif', rules=PixelRules(depth_range=(0, 255), nodata_fill=114))
    # A value that no sample can have says nothing.
    assert (found[:64, :64] == (0 if (dtype, nodata) == ('u1', -9999) else 114)).all()
    assert (found[64:] == 50).all()


def test_images_without_any_data(tmp_path):
    tag = [(42113, 's', 0, '0', True)]
    _write(tmp_path / 'a.tif', np.zeros((128, 192, 3), 'u2'), photometric='rgb', extratags=tag)
    _write(tmp_path / 'b.tif', np.full((128, 192, 3), np.nan, 'f4'), photometric='rgb')
    for rules in (dict(), dict(depth_percentiles=(2, 98)), dict(depth_range=(0, 9))):
        rules = PixelRules(nodata_fill=114, **rules)
        assert (read_window(tmp_path / 'a.tif', rules=rules) == 114).all()
        if rules.depth_percentiles or rules.depth_range:
            assert (read_window(tmp_path / 'b.tif', rules=rules) == 114).all()
    with pytest.raises(InputError, match='b.tif has samples of type float32: give .*depth_range'):
        read_window(tmp_path / 'b.tif')


@pytest.mark.parametrize('nodata', ['inf', '-inf', 'nan', '1e999', '0.5', '-1', '1e30', ''])
def test_values_without_data_that_no_sample_has(tmp_path, nodata):
    samples = _bands(3)
    tag = [(42113, 's', 0, nodata, True)]
    _write(tmp_path / 'a.tif', samples, photometric='rgb', extratags=tag)
    np.testing.assert_array_equal(read_window(tmp_path / 'a.tif'), samples[:, :, ::-1])


def test_planes_of_jpeg_with_tables_in_common(tmp_path):
    """As GDAL writes them with INTERLEAVE=BAND."""
    planes = _bands(3)[:256, :384].transpose(2, 0, 1)
    pieces = []
    for plane in planes:
        for top in range(0, 256, 128):
            for left in range(0, 384, 128):
                whole = encoded('.jpg', plane[top : top + 128, left : left + 128].copy())
                segments = list(jpeg_segments(whole))
                parts = {marker: b'' for marker, _, _ in segments}
                for marker, start, end in segments:
                    parts[marker] += whole[start - 4 : end]
                pieces.append(b'\xff\xd8' + parts[0xC0] + whole[segments[-1][2] :])
    tables = b'\xff\xd8' + parts[0xDB] + parts[0xC4] + b'\xff\xd9'
    tifffile.imwrite(
        tmp_path / 'a.tif',
        iter(pieces),
        shape=planes.shape,
        dtype=np.uint8,
        tile=(128, 128),
        photometric='rgb',
        planarconfig='separate',
        compression='jpeg',
        jpegtables=tables,
    )
    found = read_window(tmp_path / 'a.tif', (20, 30, 300, 250))
    np.testing.assert_array_equal(found, read_image(tmp_path / 'a.tif')[30:250, 20:300])
    assert np.abs(found - planes[::-1].transpose(1, 2, 0)[30:250, 20:300].astype(float)).mean() < 4


def test_shapes_that_windows_cannot_be_cut_from(tmp_path):
    planes = np.ascontiguousarray(_bands(3).transpose(2, 0, 1))
    tifffile.imwrite(tmp_path / 'a.tif', planes, photometric='rgb', planarconfig='separate')
    with pytest.raises(
        InputError, match=r"a.tif of 403x301 .*'tifffile' in the shape \(3, 301, 403"
    ):
        read_window(tmp_path / 'a.tif', WINDOW, rules=PixelRules('unchanged', backend='tifffile'))
