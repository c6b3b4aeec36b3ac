"""Where the pixels of an image lie on the map: GeoTIFF's tags and world files."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmsniper.errors import InputError

from ..images.formats import is_tiff
from ..images.orientation import UPRIGHT
from ..images.tiff import ORIENTATION, TiffTags
from ..images.windows import image_orientation, image_size
from .videos import is_video

# GeoTIFF's tags, its keys and their values.
PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735
_MODEL_TYPE, _RASTER_TYPE, _GEOGRAPHIC, _PROJECTED = 1024, 1025, 2048, 3072
_IS_GEOGRAPHIC = 2
_PIXEL_IS_POINT = 2
_NO_CODE = (0, 32767)  # undefined, and defined by other keys


@dataclass(frozen=True, eq=False)
class GeoReference:
    """How an image lies on the map.

    Attributes:
        matrix: Shape (2, 3), float64: ``matrix @ (x, y, 1)`` is the place on the map of a point
            of the upright image, in pixels from its upper left corner. Of geographic coordinates
            the first is the longitude.
        epsg: The coordinate reference system's code; None if the file names none.
    """

    matrix: np.ndarray
    epsg: int | None = None

    def to_map(self, points: np.ndarray) -> np.ndarray:
        """Places on the map.

        Args:
            points: Shape (..., 2), x, y in pixels of the upright image.

        Returns:
            np.ndarray: Shape (..., 2), float64.
        """
        return np.asarray(points, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]

    @property
    def is_mirrored(self) -> bool:
        """Whether what runs clockwise in the image does so on the map: if north is up, it does.

        The image's y points down and the map's up.
        """
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)

    @property
    def pixel_side(self) -> float:
        """The shorter side of a pixel, in units of the map."""
        return float(np.linalg.norm(self.matrix[:, :2], axis=0).min())


def map_transform(path: str | Path) -> GeoReference | None:
    """The georeference of an image file; None if it has none.

    It comes from the tags of a GeoTIFF, or else from a world file next to the image, such as
    ``a.tfw`` of ``a.tif`` or ``a.jgw`` of ``a.jpg``, or ``a.wld`` of either. As in GDAL, both are
    about the pixels as they are stored. Videos have none, nor have files elsewhere than on a local
    disk.

    Raises:
        InputError: The georeference cannot be read, or cannot be that of an image.
    """
    path = Path(path)
    if is_video(str(path)) or not path.is_file():
        return None
    try:
        tags = _read_tags(path)
        keys = _geo_keys(tags)
        matrix = _matrix_of_tags(tags, keys)
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise InputError(
            f'the GeoTIFF tags of {path} cannot be understood ({error}); repair or remove them'
        ) from error
    source = path
    if matrix is None:
        source = next(filter(Path.is_file, _world_files(path)), None)
        if source is None:
            if len(tags.get(TIE_POINTS, ())):
                print_log(
                    f'the ground control points of {path} are not used; warp it, such as with '
                    'gdalwarp, to have its detections on the map',
                    'current',
                )
            return None
        matrix = _read_world_file(source)
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:, :2]) == 0:
        raise InputError(
            f'the georeference in {source} has no inverse, so no image can have it; repair or '
            'remove it'
        )
    return GeoReference(_of_upright(matrix, path, tags), _epsg(keys))


def _read_tags(path: Path) -> dict[int, np.ndarray]:
    """The numbers in the tags of a TIFF's first image, none of those that it lacks.

    Of other files there are no tags.

    Raises:
        ValueError: They cannot be understood.
    """
    with path.open('rb') as file:
        if not is_tiff(file.read(16)):
            return {}
        tags = TiffTags(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    places = PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS
    return {ORIENTATION: tags.numbers(ORIENTATION), **{tag: tags.floats(tag) for tag in places}}


def _geo_keys(tags: Mapping[int, np.ndarray]) -> dict[int, int]:
    """The keys whose values are whole numbers; others have theirs in another tag."""
    entries = tags.get(GEO_KEYS, np.zeros(0)).astype(np.int64)
    entries = entries[4 : len(entries) // 4 * 4].reshape(-1, 4).tolist()
    return {key: value for key, place, _, value in entries if place == 0}


def _epsg(keys: Mapping[int, int]) -> int | None:
    # A projected system names the geographic one that it is based on, too.
    is_geographic = keys.get(_MODEL_TYPE) == _IS_GEOGRAPHIC or (
        _MODEL_TYPE not in keys and _PROJECTED not in keys
    )
    code = keys.get(_GEOGRAPHIC if is_geographic else _PROJECTED, 0)
    return None if code in _NO_CODE else code


def _matrix_of_tags(tags: Mapping[int, np.ndarray], keys: Mapping[int, int]) -> np.ndarray | None:
    """(2, 3), from stored pixels' corner coordinates to the map."""
    scale, tie, whole = (
        tags.get(tag, np.zeros(0)) for tag in (PIXEL_SCALE, TIE_POINTS, TRANSFORMATION)
    )
    if len(scale) >= 2 and scale[:2].all() and len(tie) >= 6:
        # GDAL takes a negative height of pixels for a mistake, too.
        width, height = scale[0], -abs(scale[1])
        column, row, _, x, y, _ = tie[:6]
        matrix = np.array([[width, 0, x - width * column], [0, height, y - height * row]])
    elif len(whole) == 16:
        matrix = whole.reshape(4, 4)[:2, [0, 1, 3]]
    else:
        return None
    return _from_centres(matrix) if keys.get(_RASTER_TYPE) == _PIXEL_IS_POINT else matrix


def _from_centres(matrix: np.ndarray) -> np.ndarray:
    """For corner coordinates, of a matrix for which the first pixel's centre is 0, 0."""
    return matrix @ np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])


def _world_files(path: Path) -> list[Path]:
    """Where a world file may be: the ending's first and last letter or all of it, and a 'w'."""
    ending = path.suffix[1:]
    endings = [ending[:1] + ending[-1:] + 'w', ending + 'w', 'wld']
    return [
        path.with_suffix('.' + each)
        for name in endings
        for each in dict.fromkeys((name, name.lower(), name.upper()))
    ]


def _read_world_file(path: Path) -> np.ndarray:
    try:
        lines = path.read_text(encoding='utf-8-sig').split()
        column_x, column_y, row_x, row_y, x, y = (float(line) for line in lines)
    except (OSError, ValueError) as error:
        raise InputError(
            f'the world file {path} must have six numbers, one a line ({error}); repair or remove '
            'it'
        ) from error
    return _from_centres(np.array([[column_x, row_x, x], [column_y, row_y, y]]))


def _of_upright(matrix: np.ndarray, path: Path, tags: Mapping[int, np.ndarray]) -> np.ndarray:
    """A matrix for points of the image as it was stored, for those of the upright one."""
    orientation = next(iter(tags[ORIENTATION]), UPRIGHT) if tags else image_orientation(path)
    if orientation == UPRIGHT or orientation not in range(1, 9):
        return matrix
    width, height = image_size(path)
    back = np.eye(3)
    # What turn_upright does, in reverse; ``back`` is (x, y, 1) of the upright to the stored image.
    if orientation in (3, 4, 7, 8):
        back = np.array([[1, 0, 0], [0, -1, height], [0, 0, 1]]) @ back
    if orientation in (2, 3, 6, 7):
        back = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]]) @ back
    if orientation >= 5:
        back = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]) @ back
    return matrix @ back
