"""The evaluator that turns the views of an image into one result for the metrics behind it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.dist import all_reduce, get_dist_info
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import print_log
from mmengine.structures import InstanceData

from ..errors import InputError
from ..focus import CoarseToFine
from ..focus.looked_at import LookedAt
from ..focus.predictions import FOCUS_MAP, marks_of
from ..merging.instances import merge_instances
from ..merging.settings import check_nms
from ..merging.views import map_view
from ..utils.settings import check_limit, check_number, check_switch, check_whole
from .images_in_order import ImagesInOrder, ImageUnderWay

REQUIRED_KEYS = (
    'img_id',
    'scale_factor',
    'image_shape',
    'chip',
    'valid_range',
    'num_views',
    'view',
)
# What tells of the view: still true after mapping it to the image, meaningless when merged.
_VIEW_KEYS = ('image_shape', 'chip', 'chip_level', 'chip_scale', 'valid_range', 'num_views', 'view')
# What tells of the network's input: true of neither.
_INPUT_KEYS = ('flip', 'flip_direction', 'pad_shape', 'batch_input_shape')
_COUNTS = ('images', 'views', 'detections', 'not_finite', 'range', 'border', 'merging', 'limit')


class MergingEvaluator(Evaluator):
    """Stands in front of an evaluator and hands it one data sample per image, not one per view.

    Each view's detections are mapped to the image (flip, offset), those that are not finite, not in
    the level's valid range or cut by a tile's border are dropped, and when the last view of an
    image has arrived the rest is merged. An image with a single view is not merged or cut
    again: with an open range it gives exactly what MMDetection's own test gives.

    Views may come in any order, those of several images mixed (see :class:`ViewSampler`). Images
    are handed on in the order of their first views, which is that of the images, whatever the
    number of workers. So memory holds the detections of unfinished images and the merged results of
    finished ones that wait for an image before them: with W workers at most W - 1 for each view of
    the largest image, and none with one worker; and the images that :class:`ViewSampler`
    deals together.

    The list given to :meth:`process` is updated in place, because hooks that draw results get the
    same list after it: every view is replaced with its detections in the image, the view that
    completes an image with the merged result. Fields other than ``pred_instances`` come from the
    view with the highest number; ground truth must be loaded in image pixels, that is with
    ``LoadAnnotations`` after the resizing, as everywhere in MMDetection's test pipelines.

    Where the views of an image depend on what coarser ones saw, whoever plans them calls
    :meth:`begin` for each image first (see :class:`mmsniper.engine.CoarseToFineLoader`).

    The images that the last call of :meth:`process` handed on are in ``finished``, a dict of their
    merged results by how many images of all ranks come before each. Images that a rank is given so
    that all have equally many go to the metrics, which leave them out themselves, but are neither
    there nor counted in the log.

    Args:
        evaluator: The evaluator behind it, which computes the metrics.
        num_images: The number of images of the dataset, on all ranks together.
        nms: How detections are merged, see :func:`mmsniper.merging.check_nms`. Defaults to
            ``dict(type='nms', iou_threshold=0.5)``.
        max_per_image: The most detections of a merged image; -1 for no limit.
        border_margin: How close to a tile's inner border a box may come, in pixels of the level.
        class_agnostic: Whether boxes of different classes meet in merging.
        unflip: Whether predictions are still flipped when the view was. False behind a test-time
            augmentation model, which has flipped them back itself.

    Raises:
        InputError: If a setting is impossible.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        num_images: int,
        nms: Mapping | None = None,
        max_per_image: int = 100,
        border_margin: float = 1.0,
        class_agnostic: bool = False,
        unflip: bool = True,
    ) -> None:
        check_whole('MergingEvaluator', 'num_images', num_images, 0)
        check_switch('MergingEvaluator', 'unflip', unflip)
        self.evaluator = evaluator
        self.num_images = num_images
        self.nms = check_merging(
            'MergingEvaluator', nms, max_per_image, border_margin, class_agnostic
        )
        self.max_per_image = max_per_image
        self.border_margin = border_margin
        self.class_agnostic = class_agnostic
        self.unflip = unflip
        self._reset()

    def _reset(self) -> None:
        self.finished: dict[int, DetDataSample] = {}
        self._images = ImagesInOrder()
        self._counts: Counter = Counter()
        self._looked_at = LookedAt()
        # Ranks take turns with the images (see ViewSampler), which start anew after the last one.
        self._next_image, self._image_step = get_dist_info()

    @property
    def num_unfinished(self) -> int:
        """How many images wait for more views on this rank."""
        return self._images.num_unfinished

    @property
    def num_not_finite(self) -> int:
        """How many detections this rank dropped so far because they are NaN or infinite."""
        return self._counts['not_finite']

    @property
    def metrics(self) -> list[BaseMetric]:
        """The metrics of the evaluator behind it."""
        return self.evaluator.metrics

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the dataset, shared with the evaluator behind it."""
        return self.evaluator.dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self.evaluator.dataset_meta = dataset_meta

    def begin(self, img_id: Any, img_path: str | None, search: CoarseToFine) -> None:
        """Be told of an image whose views a search decides on, in the order of the images.

        Args:
            img_id: As its samples will have it.
            img_path: Likewise.
            search: What decides; it is shown what each view saw.
        """
        self._images.begin((img_id, img_path), search)

    def process(self, data_samples: Sequence[DetDataSample], data_batch: Any | None = None) -> None:
        """Takes the predictions of a batch of views and passes on the images whose turn it is now.

        Args:
            data_samples: One per view, ``pred_instances`` in pixels of the crop at original
                resolution. A list is updated in place, see the class.
            data_batch: The batch of the dataloader, passed on as it is.

        Raises:
            InputError: If a sample lacks meta keys or predictions, or has masks that do not fit.
        """
        for position, sample in enumerate(data_samples):
            result = self._add(sample)
            if isinstance(data_samples, list):
                data_samples[position] = result
        handed_on = []
        self.finished = {}
        for image in self._images.take_finished():
            if self._next_image < self.num_images:
                self.finished[self._next_image] = image.merged
                self._counts.update(image.counts)
                if image.search is not None:
                    self._looked_at.add(image.search)
            self._next_image += self._image_step
            handed_on.append(image.merged)
        if handed_on:
            self.evaluator.process(data_samples=handed_on, data_batch=data_batch)

    def evaluate(self, size: int) -> dict:
        """Computes the metrics on the merged images.

        Args:
            size: The number of views of the dataset, which is ignored: metrics get the number of
                images.

        Raises:
            InputError: On every rank, if views of an image are missing on any of them.
        """
        counts = [self._counts[name] for name in _COUNTS]
        totals = torch.tensor([self.num_unfinished, *counts], dtype=torch.int64)
        all_reduce(totals)  # all ranks must fail together: one alone would leave the others waiting
        unfinished, *counts = totals.tolist()
        looked_at = self._looked_at.of_all_ranks()
        self._reset()
        if unfinished:
            raise InputError(
                f'{unfinished} images did not get all their views on one rank: use '
                "sampler=dict(type='ViewSampler') in the dataloader, with drop_last=False."
            )
        count = dict(zip(_COUNTS, counts))
        print_log(
            'Merged {views} views of {images} images: {detections} detections, dropped {range} by '
            'valid range, {border} at tile borders, {merging} by merging, {limit} by '
            'max_per_image.'.format(**count),
            logger='current',
        )
        if sentence := looked_at.sentence:
            print_log(sentence, logger='current')
        warn_of_not_finite(count['not_finite'])
        return self.evaluator.evaluate(self.num_images)

    def _has_all_views(self, image: ImageUnderWay, sample: DetDataSample) -> bool:
        """Whether the view that was just added is the last one of its image."""
        if image.search is None:
            return len(image.views) == int(sample.num_views)
        image.search.see(marks_of(image.search, sample, sample.chip, self.unflip))
        return not image.search.views

    def _add(self, sample: DetDataSample) -> DetDataSample:
        """Adds a view; returns the sample to show for it, that of the image if it is complete."""
        _check_sample(sample)
        meta = sample.metainfo
        # Ids are unique in one annotation file only, and datasets may be concatenated.
        key = (meta['img_id'], meta.get('img_path'))
        image = self._images.find(key, int(meta['view']))
        instances, counts = map_view(sample, self.border_margin, self.unflip)
        image.counts.update(counts)
        shown = image_sample(sample, instances, keep=_VIEW_KEYS)
        image.add(shown, instances)
        image.counts['views'] += 1
        if not self._has_all_views(image, sample):
            return shown
        image.counts['images'] += 1
        if len(image.views) > 1:
            instances, suppressed, cut = merge_instances(
                image.instances_in_order, self.nms, self.max_per_image, self.class_agnostic
            )
            image.counts['merging'] += suppressed
            image.counts['limit'] += cut
        merged = image_sample(image.last, instances)
        self._images.finish(key, image, merged)
        return merged


def check_merging(
    owner: str,
    nms: Mapping | None,
    max_per_image: int,
    border_margin: float = 1.0,
    class_agnostic: bool = False,
) -> dict:
    """Raise an InputError in the owner's name if a setting of the merging is impossible.

    Returns:
        dict: The settings ``nms``, those by default if there are none.
    """
    check_limit(owner, 'max_per_image', max_per_image, 'detections')
    check_number(owner, 'border_margin', border_margin, unit='pixels')
    check_switch(owner, 'class_agnostic', class_agnostic)
    return check_nms(dict(type='nms', iou_threshold=0.5) if nms is None else nms)


def warn_of_not_finite(count: int) -> None:
    """Says in the log how many detections were dropped because they are NaN or infinite, if any."""
    if count:
        print_log(
            f'{count} detections were NaN or infinite and are dropped: the weights are likely '
            'damaged, or the training diverged.',
            logger='current',
            level=logging.WARNING,
        )


def check_meta_keys(keys: Iterable[str]) -> None:
    """Raise an InputError unless all that merging needs to know of a view is among the keys."""
    missing = set(REQUIRED_KEYS).difference(keys)
    if missing:
        raise InputError(
            f'test samples lack the meta keys {", ".join(sorted(missing))}: end the test pipeline '
            'with PackChipInputs, or add them to the meta_keys of PackDetInputs.'
        )


def _check_sample(sample: DetDataSample) -> None:
    check_meta_keys(sample.metainfo)
    if 'pred_instances' not in sample:
        raise InputError(
            f'image {sample.metainfo["img_id"]} has no pred_instances to merge: use a detector '
            'that predicts boxes.'
        )


def image_sample(
    sample: DetDataSample, instances: InstanceData, keep: Sequence[str] = ()
) -> DetDataSample:
    """A copy of a view's sample that is about the whole image.

    Args:
        sample: The prediction of a view.
        instances: What was found, in pixels of the image.
        keep: What of the view's meta information stays in it.
    """
    dropped = set(_VIEW_KEYS + _INPUT_KEYS).difference(keep)
    meta = {key: value for key, value in sample.metainfo.items() if key not in dropped}
    height, width = (int(value) for value in sample.metainfo['image_shape'])
    meta.update(ori_shape=(height, width), img_shape=(height, width), scale_factor=(1.0, 1.0))
    result = sample.new(metainfo=meta)
    result.pop(FOCUS_MAP, None)
    result.pred_instances = instances
    return result
