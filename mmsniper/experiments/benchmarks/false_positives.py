"""False positives beside COCO's figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.functional import bbox_overlaps
from mmdet.evaluation.functional.mean_ap import tpfp_default
from mmdet.registry import METRICS

FALSE_POSITIVES = 'false_positives'


@METRICS.register_module()
class FalsePositiveCocoMetric(CocoMetric):
    """COCO's figures, and how many false positives an image has in the mean.

    ``false_positives`` are the detections of ``score_thr`` and more, per image, that match no
    object of their class by an IoU of 0.5 which no better detection has matched. Those of which
    half lies on a crowd of their class are none. AP shows little of them: it asks for the order of
    the detections, and false ones behind the last true one cost nothing.

    Args:
        *args: Of ``CocoMetric``.
        score_thr (float): The least score of a detection that counts. Defaults to 0.3.
        **kwargs: Of ``CocoMetric``.
    """

    def __init__(self, *args, score_thr: float = 0.3, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.score_thr = score_thr

    def compute_metrics(self, results: Sequence[tuple[dict, dict]]) -> dict[str, float]:
        """The figures.

        Args:
            results (Sequence[tuple[dict, dict]]): What ``process`` kept of each image.

        Returns:
            dict[str, float]: Those of ``CocoMetric``, and ``false_positives``.
        """
        figures = super().compute_metrics(results)
        found = [self._false_positives(detections) for _, detections in results]
        figures[FALSE_POSITIVES] = float(np.mean(found))
        return figures

    def _false_positives(self, detections: dict) -> int:
        """Of an image."""
        confident = detections['scores'] >= self.score_thr
        boxes, labels = detections['bboxes'][confident], detections['labels'][confident]
        scored = np.column_stack([boxes, detections['scores'][confident]]).astype(np.float32)
        objects = self._coco_api.load_anns(self._coco_api.get_ann_ids([detections['img_id']]))
        number = 0
        for label in np.unique(labels):
            of_class = [each for each in objects if each['category_id'] == self.cat_ids[label]]
            single, crowds = (
                _corners([each for each in of_class if bool(each.get('iscrowd')) == is_crowd])
                for is_crowd in (False, True)
            )
            ours, nothing = scored[labels == label], np.zeros((0, 4), np.float32)
            _, wrong = tpfp_default(ours, single, nothing, iou_thr=0.5)
            on_crowd = bbox_overlaps(ours[:, :4], crowds, mode='iof') >= 0.5
            number += int((wrong[0].astype(bool) & ~on_crowd.any(axis=1)).sum())
        return number


def _corners(objects: Sequence[dict]) -> np.ndarray:
    boxes = np.array([each['bbox'] for each in objects], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
