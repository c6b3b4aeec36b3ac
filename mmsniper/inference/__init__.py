"""Using a detector: pictures, folders, videos and huge images in; predictions, files, pictures out."""

from .detections import ImageDetections

__all__ = ['ImageDetections']
