"""What would stop a run only after its first epoch, found before it."""

from __future__ import annotations

from mmengine.runner.base_loop import BaseLoop

from ..datasets.first_pictures import check_first_pictures
from ..utils.coco_entries import complete_annotations


def look_ahead(loop: BaseLoop) -> None:
    """Look for the first pictures of a loop, and give its metrics what the datasets have too.

    ``CocoMetric`` reads the annotation file once more, and needs the areas and crowds that a
    :class:`ChipDataset` fills in where the file does not have them.

    Args:
        loop (BaseLoop): A loop of training, validation or test.

    Raises:
        InputError: A picture does not exist.
    """
    check_first_pictures(loop.dataloader.dataset)
    for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
        coco = getattr(metric, '_coco_api', None)
        if coco is not None:
            complete_annotations(coco.dataset.get('annotations', []))
