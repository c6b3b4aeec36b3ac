"""One result of an image out of those of its views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmsniper.evaluation.merging_evaluator import check_merging
from mmsniper.merging import RLEMasks, map_view, merge_instances

from .batches import ImageToSee, View
from .detections import ImageDetections
from .sources import Source


@dataclass(frozen=True)
class Merging:
    """What becomes of detections.

    Args:
        nms: How those of several views become one, see :func:`mmsniper.merging.check_nms`.
        score_thr: Those below are left out, in the views and of what merging makes of them.
        labels: The classes that are wanted; None for all.
        class_agnostic: Whether boxes of different classes meet in merging.
        border_margin: How close to a tile's inner border a box may come, in pixels of the level.
        max_per_image: The most of an image, -1 for all.

    Raises:
        InputError: A setting is impossible.
    """

    nms: Mapping[str, Any] = field(default_factory=lambda: dict(type='nms', iou_threshold=0.5))
    score_thr: float = 0.3
    labels: tuple[int, ...] | None = None
    class_agnostic: bool = False
    border_margin: float = 1.0
    max_per_image: int = -1

    def __post_init__(self) -> None:
        nms = check_merging(
            'PyramidInferencer',
            self.nms,
            self.max_per_image,
            self.border_margin,
            self.class_agnostic,
        )
        object.__setattr__(self, 'nms', nms)

    def of_view(self, view: View, sample: DetDataSample) -> tuple[ImageDetections, Counter]:
        """What a view found, in pixels of the image, and what was left out of it."""
        chosen = self._wanted(sample.pred_instances)
        wanted = sample.new(data=dict(pred_instances=sample.pred_instances[chosen]))
        instances, counts = map_view(wanted, self.border_margin)
        levels = np.full(len(instances), view.level)
        return _as_arrays(view.image, view.source, view.shape, instances, levels), counts

    def of_image(
        self, image: ImageToSee, found: Sequence[ImageDetections]
    ) -> tuple[ImageDetections, Counter]:
        """The merged result of an image.

        Args:
            image: The image.
            found: Of each of its views, in order, as of :meth:`of_view`.

        Returns:
            The result, and how many detections merging and the limit left out.
        """
        views = [_as_instances(each) for each in found if len(each)]
        if not views:
            views = [_as_instances(ImageDetections.broken(image.index, '', None, ''))]
        suppressed = cut = 0
        if len(found) > 1:
            merged, suppressed, cut = merge_instances(
                views, self.nms, self.max_per_image, self.class_agnostic
            )
        else:
            order = views[0].scores.sort(descending=True, stable=True).indices
            merged = views[0][order if self.max_per_image < 0 else order[: self.max_per_image]]
        merged = merged[merged.scores >= self.score_thr]  # which merging may lower
        counts = Counter(merging=suppressed, limit=cut)
        levels = merged.levels.numpy()
        return _as_arrays(image.index, image.source, image.shape, merged, levels), counts

    def _wanted(self, instances: InstanceData) -> torch.Tensor:
        chosen = instances.scores >= self.score_thr
        # What is not finite is left out later, and counted.
        chosen |= ~instances.scores.isfinite()
        if self.labels is not None:
            labels = torch.tensor(self.labels, device=instances.labels.device)
            chosen &= torch.isin(instances.labels, labels)
        return chosen


def _as_arrays(
    index: int,
    source: Source,
    shape: tuple[int, int],
    instances: InstanceData,
    levels: np.ndarray,
) -> ImageDetections:
    masks = instances.get('masks')
    return ImageDetections(
        index=index,
        name=source.name,
        path=source.path,
        width=shape[1],
        height=shape[0],
        boxes=instances.bboxes.detach().float().cpu().numpy().reshape(-1, 4),
        scores=instances.scores.detach().float().cpu().numpy(),
        labels=instances.labels.detach().cpu().numpy().astype(np.int64),
        levels=levels.astype(np.int64),
        masks=None if masks is None else [_with_text(mask) for mask in masks],
    )


def _as_instances(image: ImageDetections) -> InstanceData:
    instances = InstanceData(
        bboxes=torch.from_numpy(image.boxes),
        scores=torch.from_numpy(image.scores),
        labels=torch.from_numpy(image.labels),
        levels=torch.from_numpy(image.levels),
    )
    if image.masks is not None:
        instances.masks = RLEMasks(image.masks, (image.height, image.width))
    return instances


def _with_text(mask: Mapping[str, Any]) -> dict[str, Any]:
    """An RLE that can be written as JSON; pycocotools reads both."""
    counts = mask['counts']
    text = counts.decode() if isinstance(counts, bytes) else counts
    return dict(size=[int(side) for side in mask['size']], counts=text)
