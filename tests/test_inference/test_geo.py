"""Where images lie on the map, against the places that were written and against GDAL."""

from contextlib import suppress

import cv2
import numpy as np
import pytest
from log_capture import log_of
from map_images import (
    DEGREES,
    NORTH_UP,
    NORTH_UP_DEGREES,
    ROTATED,
    ROTATED_DEGREES,
    SHAPE,
    UTM_33,
    keys_tag,
    place_tags,
    write_tiff,
)

from mmsniper.errors import InputError
from mmsniper.images.orientation import turn_upright
from mmsniper.inference.geo import map_transform

pytest.importorskip('tifffile')

PLACES = [
    (NORTH_UP, UTM_33, 32633),
    (ROTATED, UTM_33, 32633),
    (NORTH_UP_DEGREES, DEGREES, 4326),
    (ROTATED_DEGREES, DEGREES, 4326),
]


def same(found, matrix):
    # A millionth of a pixel.
    return np.abs(found.matrix - matrix).max() < 1e-6 * found.pixel_side


def gdal_matrix(path):
    rasterio = pytest.importorskip('rasterio')
    with rasterio.open(path) as file:
        return np.array(file.transform).reshape(3, 3)[:2], file.crs and file.crs.to_epsg()


@pytest.mark.parametrize('matrix, keys, epsg', PLACES)
@pytest.mark.parametrize('options', [{}, dict(tie=(10, 20)), dict(as_matrix=True)])
def test_geotiff(tmp_path, matrix, keys, epsg, options):
    path = write_tiff(tmp_path / 'a.tif', [keys_tag(**keys), *place_tags(matrix, **options)])
    found = map_transform(path)
    assert same(found, matrix) and found.epsg == epsg
    expected, code = gdal_matrix(path)
    assert same(found, expected) and found.epsg == code


@pytest.mark.parametrize('matrix', [NORTH_UP, ROTATED])
def test_pixel_is_point(tmp_path, matrix):
    path = write_tiff(tmp_path / 'a.tif', [keys_tag(**UTM_33, raster=2), *place_tags(matrix)])
    found = map_transform(path)
    # The tags are about centres.
    assert np.allclose(found.to_map([0.5, 0.5]), matrix[:, 2], rtol=0, atol=1e-6)
    assert np.allclose(found.to_map([7.5, 3.5]), matrix @ [7, 3, 1], rtol=0, atol=1e-6)
    assert same(found, gdal_matrix(path)[0])


def test_negative_height_as_gdal_takes_it(tmp_path):
    tags = [(33550, 'd', 3, [0.5, -0.5, 0.0], True)]
    tags += [(33922, 'd', 6, [0.0, 0, 0, 391000, 5820000, 0], True)]
    path = write_tiff(tmp_path / 'a.tif', [keys_tag(**UTM_33), *tags])
    assert same(map_transform(path), NORTH_UP) and same(map_transform(path), gdal_matrix(path)[0])


def test_user_defined_system(tmp_path):
    """The geographic system that it is based on is not its own."""
    keys = keys_tag(1, (3072, 32767), more=[(2048, 4326)])
    path = write_tiff(tmp_path / 'a.tif', [keys, *place_tags(NORTH_UP)])
    found = map_transform(path)
    assert found.epsg is None and same(found, NORTH_UP)


def test_geographic_system_below_a_projected_one(tmp_path):
    keys = keys_tag(**UTM_33, more=[(2048, 4326)])
    path = write_tiff(tmp_path / 'a.tif', [keys, *place_tags(NORTH_UP)])
    assert map_transform(path).epsg == 32633


def write_world_file(path, matrix):
    (xx, xy, x), (yx, yy, y) = matrix
    x, y = x + (xx + xy) / 2, y + (yx + yy) / 2  # the first pixel's centre
    path.write_text(''.join(f'{float(value)!r}\n' for value in (xx, yx, xy, yy, x, y)))


@pytest.mark.parametrize(
    'image, world',
    [
        ('a.tif', 'a.tfw'),
        ('a.tiff', 'a.tfw'),
        ('a.jpg', 'a.jgw'),
        ('a.jpeg', 'a.jgw'),
        ('a.png', 'a.pgw'),
        ('a.png', 'a.PGW'),
        ('a.jpg', 'a.jpgw'),
        ('a.jpg', 'a.wld'),
        ('b.c.JPG', 'b.c.jgw'),
    ],
)
def test_world_file(tmp_path, image, world):
    cv2.imwrite(str(tmp_path / image), np.zeros((*SHAPE, 3), np.uint8))
    assert map_transform(tmp_path / image) is None
    write_world_file(tmp_path / world, ROTATED)
    found = map_transform(str(tmp_path / image))
    assert same(found, ROTATED) and found.epsg is None
    assert same(found, gdal_matrix(tmp_path / image)[0])


def test_tags_go_before_a_world_file(tmp_path):
    path = write_tiff(tmp_path / 'a.tif', [keys_tag(**UTM_33), *place_tags(NORTH_UP)])
    write_world_file(tmp_path / 'a.tfw', ROTATED)
    assert same(map_transform(path), NORTH_UP) and same(map_transform(path), gdal_matrix(path)[0])


def test_world_file_of_a_tiff_that_names_its_system(tmp_path):
    path = write_tiff(tmp_path / 'a.tif', [keys_tag(**UTM_33)])
    assert map_transform(path) is None
    write_world_file(tmp_path / 'a.tfw', ROTATED)
    found = map_transform(path)
    assert same(found, ROTATED) and found.epsg == 32633


@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientation(tmp_path, orientation):
    """Each pixel of the upright image lies where it did as it was stored."""
    oriented = (274, 'H', 1, orientation, True)
    tags = [keys_tag(**UTM_33), *place_tags(ROTATED), oriented]
    found = map_transform(write_tiff(tmp_path / 'a.tif', tags))
    height, width = SHAPE
    stored = np.array(
        [[ROTATED @ [x + 0.5, y + 0.5, 1] for x in range(width)] for y in range(height)]
    )
    upright = turn_upright(stored, orientation)
    rows, columns = np.mgrid[: upright.shape[0], : upright.shape[1]]
    places = found.to_map(np.stack([columns + 0.5, rows + 0.5], axis=-1))
    assert np.allclose(places, upright, rtol=0, atol=1e-6)
    assert found.is_mirrored == (orientation in (1, 3, 6, 8))


def test_orientation_of_a_jpeg_with_a_world_file(tmp_path):
    image = pytest.importorskip('PIL.Image')
    exif = image.Exif()
    exif[274] = 6  # the camera lay on its side: the stored left is the upper side
    image.new('RGB', SHAPE[::-1]).save(tmp_path / 'a.jpg', exif=exif)
    write_world_file(tmp_path / 'a.jgw', NORTH_UP)
    found = map_transform(tmp_path / 'a.jpg')
    assert np.allclose(found.to_map([SHAPE[0], 0]), NORTH_UP[:, 2], rtol=0, atol=1e-6)


def test_none(tmp_path):
    assert map_transform(write_tiff(tmp_path / 'a.tif')) is None
    assert map_transform('s3://bucket/a.tif') is None


def test_control_points_are_told(tmp_path, caplog):
    points = [float(value) for value in range(24)]
    path = write_tiff(tmp_path / 'a.tif', [(33922, 'd', 24, points, True)])
    found, log = log_of(caplog, lambda: map_transform(path))
    assert found is None and f'control points of {path} are not used' in log


@pytest.mark.parametrize('text', ['', '1\n2\n3\n4\n5\n', '1\n0\n0\nno\n5\n6\n', '1 2 3 4 5 6 7'])
def test_bad_world_file(tmp_path, text):
    path = write_tiff(tmp_path / 'a.tif')
    (tmp_path / 'a.tfw').write_text(text)
    with pytest.raises(InputError, match=r'a\.tfw must have six numbers'):
        map_transform(path)


@pytest.mark.parametrize('text', ['0\n0\n0\n0\n5\n6\n', 'nan\n0\n0\n1\n5\n6\n', '1 2 2 4 0 0'])
def test_no_inverse(tmp_path, text):
    path = write_tiff(tmp_path / 'a.tif')
    (tmp_path / 'a.tfw').write_text(text)
    with pytest.raises(InputError, match=r'a\.tfw has no inverse'):
        map_transform(path)


def test_bad_tags(tmp_path):
    path = write_tiff(tmp_path / 'a.tif', [(33550, 's', 0, 'abc', True)])
    with pytest.raises(InputError, match=r'the GeoTIFF tags of .*a\.tif cannot be understood'):
        map_transform(path)


@pytest.mark.parametrize('place', range(8, 300, 7))
def test_damaged_tags(tmp_path, place):
    """Whatever stands there: a place, none, or a sentence that says what is wrong."""
    path = write_tiff(tmp_path / 'a.tif', [keys_tag(**UTM_33), *place_tags(NORTH_UP)])
    content = bytearray(path.read_bytes())
    for value in (0, 1, 127, 255):
        content[place] = value
        path.write_bytes(content)
        with suppress(InputError):
            found = map_transform(path)
            assert found is None or np.isfinite(found.matrix).all()


def test_a_video_is_on_no_map(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'frames')
    write_world_file(tmp_path / 'a.wld', ROTATED)
    assert map_transform(tmp_path / 'a.mp4') is None
