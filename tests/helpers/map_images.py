"""GeoTIFFs with known places on the map."""

import math

import numpy as np

SHAPE = 30, 40  # height and width of the images, pixels
UTM_33 = dict(model=1, code=(3072, 32633))
DEGREES = dict(model=2, code=(2048, 4326))
# From pixels' corner coordinates to the map.
NORTH_UP = np.array([[0.5, 0, 391000.0], [0, -0.5, 5820000.0]])
COS, SIN = 0.3 * math.cos(math.radians(25)), 0.3 * math.sin(math.radians(25))
ROTATED = np.array([[COS, SIN, 391000.25], [SIN, -COS, 5820000.75]])
NORTH_UP_DEGREES = np.array([[2e-6, 0, 13.4], [0, -1e-6, 52.5]])
ROTATED_DEGREES = np.array([[COS * 1e-5, SIN * 1e-5, 13.4], [SIN * 1e-5, -COS * 1e-5, 52.5]])


def keys_tag(model, code, raster=1, more=()):
    """The GeoKeyDirectory as an extra tag of tifffile."""
    keys = [(1024, model), (1025, raster), code, *more]
    values = [1, 1, 0, len(keys)]
    for key, value in sorted(keys):
        values += [key, 0, 1, value]
    return (34735, 'H', len(values), values, True)


def place_tags(matrix, tie=(0, 0), as_matrix=False):
    """Tags for a matrix: scale and a tie point where they will do, or all of the matrix."""
    if as_matrix or matrix[0, 1] or matrix[1, 0]:
        values = [*matrix[0, :2], 0, matrix[0, 2], *matrix[1, :2], 0, matrix[1, 2]]
        values += [0, 0, 0, 0, 0, 0, 0, 1]
        return [(34264, 'd', 16, [float(value) for value in values], True)]
    x, y = matrix @ [*tie, 1]
    scale, tied = [matrix[0, 0], -matrix[1, 1], 0.0], [*map(float, tie), 0.0, x, y, 0.0]
    return [(33550, 'd', 3, scale, True), (33922, 'd', 6, tied, True)]


def write_tiff(path, tags=(), shape=SHAPE):
    """A grey TIFF with extra tags."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.zeros(shape, np.uint8), extratags=tags, metadata=None)
    return path
