"""JSON files that labelme opens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import numpy as np

from ..detections import ImageDetections
from ..outlines import join_holes, mask_polygons
from ..videos import is_video
from .output import BOX_DIGITS, SCORE_DIGITS, ImageFormat

VERSION = '5.4.1'


class Labelme(ImageFormat):
    """``labelme/NAME.json``: a shape per detection, to be looked at and corrected in labelme.

    Boxes are rectangles. A mask is a polygon along the edges of its pixels; labelme knows no holes,
    so the polygon goes to each of them and back the same way. The parts of a mask are polygons of
    the same ``group_id``. Of a mask without a pixel there is the box. Scores are in the
    descriptions, which labelme shows, and as numbers under ``score``, which it keeps. A frame of a
    video is looked for as ``000012.jpg`` beside its file.
    """

    place = 'labelme'
    ending = '.json'

    def content(self, image: ImageDetections) -> str:
        """See :class:`ImageFormat`."""
        boxes = image.boxes.astype(np.float64).round(BOX_DIGITS).reshape(-1, 2, 2).tolist()
        scores = image.scores.astype(np.float64).round(SCORE_DIGITS).tolist()
        shapes = []
        for index, (box, score, label) in enumerate(zip(boxes, scores, image.labels.tolist())):
            shape = dict(
                label=self.classes[label],
                points=box,
                group_id=None,
                description=f'score {score:.3f}',
                shape_type='rectangle',
                flags={},
                mask=None,
                score=score,
            )
            rings = [] if image.masks is None else _rings(image.masks[index])
            for ring in rings:
                group = index if len(rings) > 1 else None
                shapes.append(dict(shape, points=ring, group_id=group, shape_type='polygon'))
            if not rings:
                shapes.append(shape)
        content = dict(
            version=VERSION,
            flags={},
            shapes=shapes,
            imagePath=self._path_to(image),
            imageData=None,
            imageHeight=image.height,
            imageWidth=image.width,
        )
        return json.dumps(content, indent=1) + '\n'

    def _path_to(self, image: ImageDetections) -> str:
        """The image's path from the folder of its JSON file; an address stays as it is."""
        if image.path is None or '://' in image.path:
            return image.path or image.name
        if is_video(image.path):
            return f'{self.path(image).stem}.jpg'
        # '..' leads out of what a link points to, so links in the way there are followed.
        folder, name = os.path.split(image.path)
        file = os.path.join(os.path.realpath(folder), name)
        try:
            path = os.path.relpath(file, os.path.realpath(self.path(image).parent))
        except ValueError:  # on another drive
            path = file
        return path.replace(os.sep, '/')


def _rings(mask: Mapping) -> list[list]:
    return [join_holes(rings).tolist() for rings in mask_polygons(mask)]
