"""Annotations in the formats of others, made into COCO annotation files with horizontal boxes.

A module for each format lists what there is and reads what belongs to one picture; sizes of
pictures, checks, counts, ids and the file that comes out are the same for all of them
(:mod:`mmsniper.foreign_formats.conversion`).
"""

from .conversion import Conversion, convert
from .dota import dota_source
from .labelme import labelme_source
from .visdrone import visdrone_source
from .voc import voc_source
from .xview import xview_source
from .yolo import yolo_source

__all__ = [
    'Conversion',
    'convert',
    'dota_source',
    'labelme_source',
    'visdrone_source',
    'voc_source',
    'xview_source',
    'yolo_source',
]
