"""GeoJSON: detections on the map."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from ..detections import ImageDetections
from ..geo import GeoReference, map_transform
from ..outlines import mask_polygons
from ..sources import Source
from .output import BOX_DIGITS, SCORE_DIGITS, ImageFormat

# Upright in programs for maps, whose y points up.
PIXELS = GeoReference(np.array([[1.0, 0, 0], [0, -1, 0]]))
_WGS84 = 4326
_UNKNOWN_SYSTEM = 'LOCAL_CS["unknown",UNIT["unknown",1]]'


class GeoJson(ImageFormat):
    """``geojson/NAME.geojson``: a FeatureCollection with a feature per detection.

    The geometry is the box, as a polygon of four corners, or the mask along the edges of its
    pixels, a polygon with its holes or a MultiPolygon; of a mask without a pixel it is the box.
    Properties are ``class``, ``label``, ``score`` and ``level``.

    Coordinates are those of the map on which the image lies (see ``mmsniper/inference/geo.py``),
    in the image's own coordinate reference system, which the member ``crs`` names. That is how
    GeoJSON was before RFC 7946: GDAL, QGIS and geopandas go by it, while readers that know the RFC
    only take all coordinates for degrees of WGS 84 (``ogr2ogr -t_srs EPSG:4326 -lco RFC7946=YES``
    makes a file for them). Of EPSG:4326 they are longitude and latitude, which both understand.

    Of an image without a georeference, x is the column and y the row below 0 (``y = -row``), in
    pixels from the upper left corner, so that a map shows it upright, and over the image itself
    in QGIS. Where no system is known, ``crs`` is a local one that is nowhere on the Earth, since
    GDAL takes files without the member, or with null, to be in degrees. The log says both once.
    """

    place = 'geojson'
    ending = '.geojson'

    def __init__(
        self, folder: Path, classes: Sequence[str], whole_names: Collection[str] = ()
    ) -> None:
        super().__init__(folder, classes, whole_names)
        self._told: set[str] = set()

    def check(self, source: Source) -> None:
        """See :class:`OutputFormat`: the image's georeference cannot be read."""
        super().check(source)
        if source.path is not None:
            map_transform(source.path)

    def content(self, image: ImageDetections) -> str:
        """See :class:`ImageFormat`.

        Raises:
            InputError: The image's georeference cannot be read.
        """
        reference = None if image.path is None else map_transform(image.path)
        if reference is None:
            self._tell_once('in pixels, with y = -row: the image has no georeference', image.name)
            reference = PIXELS
        elif reference.epsg is None:
            self._tell_once(
                "in the map's coordinates without their system: the image names none with an EPSG "
                'code',
                image.name,
            )
        features = ',\n'.join(json.dumps(each) for each in self._features(image, reference))
        crs = json.dumps(_crs(reference.epsg))
        return f'{{"type": "FeatureCollection", "crs": {crs}, "features": [\n{features}\n]}}\n'

    def _features(self, image: ImageDetections, reference: GeoReference) -> list[dict]:
        # A thousandth of a pixel, whatever the unit of the map.
        digits = BOX_DIGITS - math.floor(math.log10(reference.pixel_side))
        scores = image.scores.astype(np.float64).round(SCORE_DIGITS).tolist()
        masks: Sequence[Mapping | None] = image.masks or [None] * len(image)
        # Around the box as mask_polygons goes around masks.
        boxes = image.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        features = []
        for box, score, label, level, mask in zip(
            boxes, scores, image.labels.tolist(), image.levels.tolist(), masks
        ):
            polygons = ([] if mask is None else mask_polygons(mask)) or [[box]]
            properties = {
                'class': self.classes[label],
                'label': label,
                'score': score,
                'level': level,
            }
            geometry = _geometry(polygons, reference, digits)
            features.append(dict(type='Feature', properties=properties, geometry=geometry))
        return features

    def _tell_once(self, what: str, name: str) -> None:
        if what not in self._told:
            self._told.add(what)
            print_log(f'GeoJSON is written {what} (such as {name}; this is said once)', 'current')


def _geometry(
    polygons: Sequence[Sequence[np.ndarray]], reference: GeoReference, digits: int
) -> dict:
    coordinates = [[_closed(ring, reference, digits) for ring in rings] for rings in polygons]
    if len(coordinates) == 1:
        return dict(type='Polygon', coordinates=coordinates[0])
    return dict(type='MultiPolygon', coordinates=coordinates)


def _closed(ring: np.ndarray, reference: GeoReference, digits: int) -> list[list[float]]:
    """A ring on the map: outer ones run counter-clockwise, holes clockwise."""
    # -0.0 becomes 0.0.
    places = reference.to_map(ring).round(digits) + 0.0
    if reference.is_mirrored:
        places = places[::-1]
    return np.concatenate([places, places[:1]]).tolist()


def _crs(epsg: int | None) -> dict:
    name = f'urn:ogc:def:crs:EPSG::{epsg}'
    if epsg is None:
        name = _UNKNOWN_SYSTEM
    elif epsg == _WGS84:
        name = 'urn:ogc:def:crs:OGC:1.3:CRS84'
    return dict(type='name', properties=dict(name=name))
