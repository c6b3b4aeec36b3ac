"""What detections can be written as."""

from __future__ import annotations

from .coco import CocoDataset, CocoResults
from .csv_table import CsvTable
from .output import CollectedFormat, ImageFormat, OutputFormat
from .yolo import YoloText

FORMATS: dict[str, type[OutputFormat]] = {
    'coco': CocoResults,
    'coco-dataset': CocoDataset,
    'csv': CsvTable,
    'yolo': YoloText,
}

__all__ = ['FORMATS', 'CollectedFormat', 'ImageFormat', 'OutputFormat']
