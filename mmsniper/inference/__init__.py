"""Using a detector: pictures, videos and huge images in; predictions, files and pictures out."""

from .detections import ImageDetections
from .detector import Detector, load_detector
from .merging import Merging, as_instances, class_labels, merging_of
from .pictures import Pictures
from .sources import Inputs, Source, Sources
from .stream import DetectionStream, Record
from .videos import VIDEO_SUFFIXES, VideoFrames, VideoWriter
from .view_plan import ViewPlan

__all__ = [
    'VIDEO_SUFFIXES',
    'DetectionStream',
    'Detector',
    'ImageDetections',
    'Inputs',
    'Merging',
    'Pictures',
    'Record',
    'Source',
    'Sources',
    'VideoFrames',
    'VideoWriter',
    'ViewPlan',
    'as_instances',
    'class_labels',
    'load_detector',
    'merging_of',
]
