"""Counting the objects that have no mask before the first mask is loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mmengine.logging import print_log

from mmsniper.errors import InputError

from .segmentation import has_mask
from .transforms.load_annotations import LoadChipAnnotations, no_mask_message


class MaskCensus:
    """Looks at all objects once and says how many cannot be learnt from for want of a mask.

    Args:
        pipeline (Callable): Composed transforms. Unless a ``LoadChipAnnotations`` that loads masks
            is among them, nothing is looked at.
    """

    def __init__(self, pipeline: Callable) -> None:
        self.without_mask = next(
            (
                step.without_mask
                for step in getattr(pipeline, 'transforms', ())
                if isinstance(step, LoadChipAnnotations) and step.with_mask
            ),
            None,
        )
        self.num_objects = 0
        self.num_without = 0
        self._first = ''

    def look_at(self, info: dict) -> None:
        """Count an image's objects, and mark those without a mask as ignored, in place.

        Args:
            info (dict): What the dataset knows of an image.
        """
        if self.without_mask is None:
            return
        shape = info['height'], info['width']
        for instance in info.get('instances', ()):
            if instance.get('ignore_flag'):
                continue
            self.num_objects += 1
            if not has_mask(instance.get('mask'), shape):
                if not self.num_without:
                    self._first = no_mask_message(info.get('img_path', ''), instance)
                self.num_without += 1
                instance['ignore_flag'] = 1

    def report(self) -> None:
        """Name what was found: in the log, or, unless it is to be ignored, in an error.

        Raises:
            InputError: There are objects without a mask, and ``without_mask`` is 'error'.
        """
        if not self.num_without:
            return
        count = f'{self.num_without} of {self.num_objects} objects have no mask'
        if self.without_mask == 'error':
            raise InputError(f'{count}; {self._first}')
        first = self._first.partition(':')[0]
        print_log(f'Ignored: {count}; {first}.', logger='current', level=logging.WARNING)
