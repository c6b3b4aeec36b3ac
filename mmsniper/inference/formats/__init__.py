"""What detections can be written as."""

from __future__ import annotations

from .coco import CocoDataset, CocoResults
from .csv_table import CsvTable
from .geojson import GeoJson
from .labelme import Labelme
from .output import CollectedFormat, ImageFormat, OutputFormat
from .yolo import YoloText

FORMATS: dict[str, type[OutputFormat]] = {
    'coco': CocoResults,
    'coco-dataset': CocoDataset,
    'csv': CsvTable,
    'yolo': YoloText,
    'labelme': Labelme,
    'geojson': GeoJson,
}

__all__ = ['FORMATS', 'CocoResults', 'CollectedFormat', 'ImageFormat', 'OutputFormat']
