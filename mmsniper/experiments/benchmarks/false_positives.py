"""False positives beside COCO's figures."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from mmdet.datasets.api_wrappers import COCOeval
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS

FALSE_POSITIVES = 'false_positives'


@METRICS.register_module()
class FalsePositiveCocoMetric(CocoMetric):
    """COCO's figures, and how many false positives an image has in the mean.

    ``false_positives`` are the detections of ``score_thr`` and more, per image, that COCO's
    evaluation matches to no object at an IoU of 0.5, nor to a crowd. AP shows little of them: it
    asks for the order of the detections, and false ones behind the last true one cost nothing.

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
            dict[str, float]: Those of ``CocoMetric``, and ``false_positives``; without any
            detection none at all, as with ``CocoMetric``.
        """
        figures = super().compute_metrics(results)
        if figures:  # else there are no detections, or no figures are wanted
            figures[FALSE_POSITIVES] = self._false_positives([found for _, found in results])
        return figures

    def _false_positives(self, images: Sequence[dict]) -> float:
        """Per image, by the matches of COCO's own evaluation."""
        boxes = [
            dict(
                image_id=found['img_id'],
                category_id=self.cat_ids[label],
                bbox=self.xyxy2xywh(box),
                score=float(score),
            )
            for found in images
            for box, score, label in zip(found['bboxes'], found['scores'], found['labels'])
            if score >= self.score_thr
        ]
        if not boxes:
            return 0.0
        evaluation = COCOeval(self._coco_api, self._coco_api.loadRes(boxes), 'bbox')
        evaluation.params.imgIds = self.img_ids
        evaluation.params.catIds = self.cat_ids
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ['all']
        evaluation.params.maxDets = [len(boxes)]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
        found = [each for each in evaluation.evalImgs if each is not None]
        number = sum(
            int(((each['dtMatches'] == 0) & (each['dtIgnore'] == 0)).sum()) for each in found
        )
        return number / len(images)
