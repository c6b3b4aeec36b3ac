"""Using a detector: pictures, videos and huge images in; predictions, files and pictures out."""

from .detections import ImageDetections

__all__ = ['ImageDetections']
