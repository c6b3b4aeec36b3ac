"""GeoJSON against GDAL, geopandas and slow references."""

import json

import numpy as np
import pycocotools.mask as mask_util
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

from mmsniper.inference import ImageDetections
from mmsniper.inference.formats.geojson import GeoJson

CLASSES = 'car', 'truck'
PIXELS = np.array([[1.0, 0, 0], [0, -1, 0]])
PLACES = {
    'projected': (NORTH_UP, UTM_33, 32633),
    'projected, rotated': (ROTATED, UTM_33, 32633),
    'degrees': (NORTH_UP_DEGREES, DEGREES, 4326),
    'degrees, rotated': (ROTATED_DEGREES, DEGREES, 4326),
}
every_place = pytest.mark.parametrize('matrix, keys, epsg', PLACES.values(), ids=PLACES)


def detections(path, masks=None):
    return ImageDetections(
        index=0,
        name='north/a.tif',
        path=None if path is None else str(path),
        width=SHAPE[1],
        height=SHAPE[0],
        boxes=np.array([[0.25, 1, 20, 25.5], [5, 5, 6, 8]], np.float32),
        scores=np.array([0.9, 0.1234567], np.float32),
        labels=np.array([1, 0]),
        levels=np.array([0, 1]),
        masks=masks,
    )


def write(folder, image):
    output = GeoJson(folder, CLASSES)
    output.write(image)
    return output.path(image)


def geotiff(folder, matrix, keys):
    pytest.importorskip('tifffile')
    return write_tiff(folder / 'a.tif', [keys_tag(**keys), *place_tags(matrix)])


def encode(bitmap):
    rle = mask_util.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    return dict(rle, counts=rle['counts'].decode())


def bitmaps():
    """A ring with an island and two holes that meet in a corner, and noise."""
    rings = np.zeros(SHAPE, bool)
    rings[2:20, 2:30] = True
    rings[5:15, 5:20] = False
    rings[8:10, 8:12] = True
    rings[15:17, 20:25] = False
    noise = np.random.default_rng(0).random(SHAPE) < 0.6
    return rings, noise


def corners(box, matrix):
    x1, y1, x2, y2 = box.tolist()
    return [tuple(matrix @ [x, y, 1]) for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))]


def doubled_area(ring):
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, ring[1:]))


def moved(ring, matrix):
    """Close to 0, so that areas of small things far away are exact enough."""
    return [(x - matrix[0, 2], y - matrix[1, 2]) for x, y in ring]


def all_rings(feature):
    geometry = feature['geometry']
    polygons = geometry['coordinates']
    return [polygons] if geometry['type'] == 'Polygon' else polygons


@every_place
def test_boxes(tmp_path, matrix, keys, epsg):
    image = detections(geotiff(tmp_path, matrix, keys))
    path = write(tmp_path / 'out', image)
    assert path == tmp_path / 'out' / 'geojson' / 'north' / 'a.geojson'
    content = json.loads(path.read_text())
    assert content['type'] == 'FeatureCollection' and len(content['features']) == 2
    first, second = (feature['properties'] for feature in content['features'])
    assert first == {'class': 'truck', 'label': 1, 'score': 0.9, 'level': 0}
    assert second == {'class': 'car', 'label': 0, 'score': 0.123457, 'level': 1}
    side = np.hypot(*matrix[:, 0])
    for feature, box in zip(content['features'], image.boxes):
        ((ring,),) = all_rings(feature)
        assert feature['geometry']['type'] == 'Polygon' and ring[0] == ring[-1] and len(ring) == 5
        assert doubled_area(moved(ring, matrix)) > 0  # counter-clockwise
        for place in corners(box, matrix):
            assert min(np.hypot(*np.subtract(each, place)) for each in ring) < 2e-3 * side


@every_place
def test_read_by_fiona(tmp_path, matrix, keys, epsg):
    fiona = pytest.importorskip('fiona')
    image = detections(geotiff(tmp_path, matrix, keys))
    with fiona.open(write(tmp_path, image)) as layer:
        assert layer.crs.to_epsg() == epsg or layer.crs.to_string() == 'OGC:CRS84'
        read = [feature.geometry.coordinates[0] for feature in layer]
    for ring, box in zip(read, image.boxes):
        expected = corners(box, matrix)
        assert np.allclose(
            np.sort(ring[:4], 0), np.sort(expected, 0), rtol=0, atol=matrix_tiny(matrix)
        )


def matrix_tiny(matrix):
    """Two thousandths of a pixel."""
    return 2e-3 * np.hypot(*matrix[:, 0])


@every_place
def test_read_by_geopandas(tmp_path, matrix, keys, epsg):
    """Masks: valid, of the mask's area, and on the right side of every pixel's centre."""
    geopandas = pytest.importorskip('geopandas')
    shapely = pytest.importorskip('shapely')
    masks = bitmaps()
    image = detections(geotiff(tmp_path, matrix, keys), [encode(mask) for mask in masks])
    table = geopandas.read_file(write(tmp_path, image))
    assert table.crs.to_epsg() == epsg or table.crs.to_string() == 'OGC:CRS84'
    assert table.crs.is_geographic == (epsg == 4326)
    assert table['class'].tolist() == ['truck', 'car'] and table['level'].tolist() == [0, 1]
    pixel = abs(np.linalg.det(matrix[:, :2]))
    centres = [matrix @ [x + 0.5, y + 0.5, 1] for y in range(SHAPE[0]) for x in range(SHAPE[1])]
    x, y = np.array(centres).T
    for shape, mask in zip(table.geometry, masks):
        assert shape.is_valid
        near = shapely.transform(shape, lambda points: points - matrix[:, 2])
        assert near.area == pytest.approx(mask.sum() * pixel, rel=1e-3)
        assert (shapely.contains_xy(shape, x, y).reshape(SHAPE) == mask).all()


@every_place
def test_burnt_into_the_image_by_gdal(tmp_path, matrix, keys, epsg):
    rasterio = pytest.importorskip('rasterio')
    features = pytest.importorskip('rasterio.features')
    masks = bitmaps()
    source = geotiff(tmp_path, matrix, keys)
    path = write(tmp_path, detections(source, [encode(mask) for mask in masks]))
    with rasterio.open(source) as file:
        transform = file.transform
    for feature, mask in zip(json.loads(path.read_text())['features'], masks):
        burnt = features.rasterize([feature['geometry']], SHAPE, transform=transform)
        assert (burnt == mask).all()


def test_masks_in_pixels(tmp_path):
    """Exactly: areas with holes, ways around, closed rings, and single parts as polygons."""
    masks = bitmaps()
    path = write(tmp_path, detections(None, [encode(mask) for mask in masks]))
    features = json.loads(path.read_text())['features']
    assert [feature['geometry']['type'] for feature in features] == ['MultiPolygon'] * 2
    for feature, mask in zip(features, masks):
        for outer, *holes in all_rings(feature):
            assert doubled_area(outer) > 0 and all(doubled_area(hole) < 0 for hole in holes)
            assert all(ring[0] == ring[-1] for ring in (outer, *holes))
        area = sum(doubled_area(ring) for rings in all_rings(feature) for ring in rings)
        assert area == 2 * mask.sum()
    square = np.zeros(SHAPE, bool)
    square[3:7, 3:7] = True
    square[4, 4] = False
    path = write(tmp_path, detections(None, [encode(square)] * 2))
    geometry = json.loads(path.read_text())['features'][0]['geometry']
    assert geometry['type'] == 'Polygon' and len(geometry['coordinates']) == 2
    assert sorted(geometry['coordinates'][1][:4]) == [[4, -5], [4, -4], [5, -5], [5, -4]]


def test_a_mask_without_a_pixel_is_its_box(tmp_path):
    empty = write(tmp_path / 'masks', detections(None, [encode(np.zeros(SHAPE))] * 2))
    assert empty.read_text() == write(tmp_path / 'boxes', detections(None)).read_text()


def test_on_no_map(tmp_path, caplog):
    """In pixels, upright where y points up, and no reader takes them for degrees."""
    fiona = pytest.importorskip('fiona')
    output = GeoJson(tmp_path, CLASSES)
    image = detections(None)

    def run():
        for _ in range(3):
            output.write(image)

    _, log = log_of(caplog, run)
    assert log.count('y = -row') == 1 and 'north/a.tif' in log
    with fiona.open(output.path(image)) as layer:
        assert layer.crs.to_wkt().startswith('LOCAL_CS["unknown"')
        assert layer.bounds == (0.25, -25.5, 20, -1)


def test_a_system_without_a_code(tmp_path, caplog):
    fiona = pytest.importorskip('fiona')
    image = detections(geotiff(tmp_path, NORTH_UP, dict(model=1, code=(3072, 32767))))
    output = GeoJson(tmp_path, CLASSES)
    _, log = log_of(caplog, lambda: [output.write(image) for _ in range(3)])
    assert log.count('without their system') == 1
    with fiona.open(output.path(image)) as layer:
        assert layer.crs.to_wkt().startswith('LOCAL_CS["unknown"')
        assert layer.bounds == (391000.125, 5819987.25, 391010, 5819999.5)


def test_another_geographic_system(tmp_path):
    """GDAL reads longitude and latitude, although the authority has them the other way."""
    fiona = pytest.importorskip('fiona')
    image = detections(geotiff(tmp_path, NORTH_UP_DEGREES, dict(model=2, code=(2048, 4258))))
    with fiona.open(write(tmp_path, image)) as layer:
        assert layer.crs.to_epsg() == 4258
        assert layer.bounds[0] == pytest.approx(13.4, abs=1e-3)


def test_no_detection(tmp_path):
    path = write(tmp_path, detections(None).of(np.zeros(2, bool)))
    assert json.loads(path.read_text())['features'] == []


def test_a_huge_image(tmp_path):
    """Its masks are not decoded: 400 MB each, a thousand times."""
    side = 20000
    runs = [[side * column + 9000, 1000] for column in range(9000, 9010)]
    counts, end = [], 0
    for start, length in runs:
        counts += [start - end, length]
        end = start + length
    rle = mask_util.frPyObjects(
        dict(size=[side, side], counts=[*counts, side**2 - end]), side, side
    )
    rle = dict(rle, counts=rle['counts'].decode())
    few = detections(None)
    many = few.of(np.zeros(1000, int))
    image = ImageDetections(**{**vars(many), 'width': side, 'height': side, 'masks': [rle] * 1000})
    features = json.loads(write(tmp_path, image).read_text())['features']
    assert all(doubled_area(all_rings(each)[0][0]) == 2 * 10 * 1000 for each in features)
