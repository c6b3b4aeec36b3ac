"""Text files as YOLO's tools read and write them."""

from __future__ import annotations

import numpy as np

from mmsniper.utils.whole_file import ENCODING, write_whole

from ..detections import ImageDetections
from .output import ImageFormat


class YoloText(ImageFormat):
    """``yolo/labels/NAME.txt``: a line ``class x y width height score`` per detection; no masks.

    The centre and the sides of the box are shares of the image's sides, and the score comes last,
    as Ultralytics writes it with ``save_conf``. ``yolo/classes.txt`` has the names, a line each,
    with a space where a name has a line break. Files of images without a detection are empty.
    """

    place = 'yolo/labels'
    ending = '.txt'

    def write(self, image: ImageDetections) -> None:
        """See :class:`ImageFormat`."""
        names = self.folder / 'yolo' / 'classes.txt'
        if not names.is_file():
            lines = [' '.join(name.splitlines()) + '\n' for name in self.classes]
            write_whole(names, ''.join(lines).encode(**ENCODING))
        super().write(image)

    def content(self, image: ImageDetections) -> str:
        """See :class:`ImageFormat`."""
        corners = image.boxes.astype(np.float64)
        sides = np.array([image.width, image.height], np.float64)
        centres = (corners[:, :2] + corners[:, 2:]) / 2 / sides
        sizes = (corners[:, 2:] - corners[:, :2]) / sides
        rows = np.concatenate([centres, sizes, image.scores[:, None].astype(np.float64)], axis=1)
        return ''.join(
            f'{label} ' + ' '.join(f'{value:.6f}' for value in row) + '\n'
            for label, row in zip(image.labels.tolist(), rows.tolist())
        )
