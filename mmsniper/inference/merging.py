"""One result of an image out of those of its views."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmsniper.errors import InputError
from mmsniper.evaluation.merging_evaluator import check_merging
from mmsniper.merging import RLEMasks, map_view, merge_instances
from mmsniper.utils.settings import check_number

from .batches import ImageToSee, View
from .detections import ImageDetections
from .sources import Source

_FROM_HOOK = ('nms', 'class_agnostic', 'border_margin')
_THRESHOLDS = {'wbf': 0.55}  # where it was found best, arXiv:1910.13302


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
        wanted = DetDataSample(metainfo=sample.metainfo)
        wanted.pred_instances = sample.pred_instances[chosen]
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
        views = [as_instances(each) for each in found if len(each)]
        if not views:
            views = [as_instances(ImageDetections.broken(image.index, '', None, ''))]
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


def as_instances(image: ImageDetections) -> InstanceData:
    """Detections as MMDetection has them, with their levels; masks are ``RLEMasks``."""
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


def merging_of(
    configured: Mapping[str, Any],
    merge: str | Mapping[str, Any] | None,
    score_thr: float,
    labels: tuple[int, ...] | None = None,
) -> Merging:
    """The merging that is asked for.

    Args:
        configured: What the detector's config sets of ``ChipMergeHook``. Its limit of detections is
            made for photographs and does not count.
        merge: A type of ``nms``, or all of its settings; None for that of the config.
        score_thr: See :class:`Merging`.
        labels: Likewise.

    Raises:
        InputError: A setting is impossible.
    """
    kept = {key: configured[key] for key in _FROM_HOOK if configured.get(key) is not None}
    if isinstance(merge, Mapping):
        kept['nms'] = dict(merge)
    elif merge is not None and kept.get('nms', {}).get('type', 'nms') != merge:
        # The threshold of another kind of merging says nothing about this one.
        kept['nms'] = dict(type=merge, iou_threshold=_THRESHOLDS.get(merge, 0.5))
    check_number('PyramidInferencer', 'score_thr', score_thr, 0, 1)
    return Merging(score_thr=score_thr, labels=labels, **kept)


def class_labels(
    wanted: Sequence[str] | str | None, classes: Sequence[str]
) -> tuple[int, ...] | None:
    """The labels of some classes by name; None for all.

    Raises:
        InputError: The detector has no class of a name; those that come near are named.
    """
    if wanted is None:
        return None
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in wanted:
        if name not in classes:
            near = difflib.get_close_matches(str(name), [str(each) for each in classes], n=3)
            known = f'did you mean {" or ".join(near)}' if near else f'it has {_few(classes)}'
            raise InputError(f'the detector has no class {name!r}: {known}')
    if not wanted:
        raise InputError('classes is empty: name those that are wanted, or leave it out for all')
    return tuple(classes.index(name) for name in dict.fromkeys(wanted))


def _few(names: Sequence[str]) -> str:
    shown = ', '.join(map(str, names[:20]))
    return shown if len(names) <= 20 else f'{shown} and {len(names) - 20} more'
