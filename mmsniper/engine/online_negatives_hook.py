"""Negative chips from the detector's own mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ..apis import extract_proposals
from ..chips.negative import read_min_proposals
from ..datasets import ChipDataset
from ..datasets.announced_negatives import announce_room
from ..datasets.nesting import is_chip_dataset
from ..errors import InputError
from ..merging.settings import check_nms
from ..utils.settings import check_limit, check_number, check_whole
from .loop_data import chip_datasets

FOLDER = 'online_negatives'
# With its negative chips SNIPER has about 5 chips per image on COCO instead of 4.7.
NEGATIVES_PER_IMAGE = 0.3
DATALOADERS = 'val_dataloader', 'test_dataloader'


@HOOKS.register_module()
class OnlineNegativesHook(Hook):
    """Every few epochs take the detector's confident false positives as proposals.

    SNIPER (arXiv:1805.09300, section 3.2) finds negative chips with an RPN that is trained before.
    Here the detector in training looks at all training images at the levels and through the
    pipeline of ``val_dataloader``, and what it is sure of where nothing is becomes the proposals of
    the next epochs. So no RPN is needed, and the chips follow what the detector still gets wrong.

    ``ChipDataset`` keeps room for 0.3 negative chips per image then, about as many as SNIPER has on
    COCO, or for its ``room_for_negatives``; if there are more, some are left out.

    The proposals are kept in ``online_negatives/epoch_{n}.npz`` in the work folder, which a resumed
    training reads, so that its chips are those of an uninterrupted one.

    Args:
        interval (int): After every how many epochs to look. Defaults to 2.
        score_thr (float): A false positive with a lower score does not count. Defaults to 0.3.
        iou_thr (float): A detection that has this IoU with an object of any class, or lies to this
            share in a crowd or other ignored region, is no false positive. Defaults to 0.5.
        min_proposals (int | Sequence[int]): The fewest false positives of a negative chip, for all
            levels or for each; it takes the place of that of ``ChipDataset``. Defaults to 1: there
            are far fewer of them than of an RPN's proposals.
        nms (Mapping, optional): How the levels are merged. Defaults to NMS at IoU 0.5.
        max_per_image (int): The most detections of an image that are looked at. Defaults to 100.
        batch_size (int): Views per forward pass. Defaults to 1.
        num_workers (int): Processes that load images. Defaults to 2.
        dataloader (str): Whose levels and pipeline these are, 'val_dataloader' or, where a training
            is validated at fewer levels than it is tested at, 'test_dataloader'. What the detector
            gets wrong at other levels is not found. Defaults to 'val_dataloader'.

    Raises:
        InputError: A setting is impossible, the training does not count epochs or has not exactly
            one ``ChipDataset``, or the dataloader has none.
    """

    # Before CheckpointHook: no checkpoint without the proposals of the epochs to come.
    priority = 'NORMAL'

    def __init__(
        self,
        interval: int = 2,
        score_thr: float = 0.3,
        iou_thr: float = 0.5,
        min_proposals: int | Sequence[int] = 1,
        nms: Mapping | None = None,
        max_per_image: int = 100,
        batch_size: int = 1,
        num_workers: int = 2,
        dataloader: str = 'val_dataloader',
    ) -> None:
        owner = 'OnlineNegativesHook'
        if dataloader not in DATALOADERS:
            raise InputError(
                f'dataloader of {owner} must be {" or ".join(DATALOADERS)}, but is {dataloader!r}'
            )
        check_whole(owner, 'interval', interval, 1, 'epochs')
        check_number(owner, 'score_thr', score_thr, most=1)
        check_number(owner, 'iou_thr', iou_thr, most=1)
        check_limit(owner, 'max_per_image', max_per_image, 'detections')
        check_whole(owner, 'batch_size', batch_size, 1, 'views')
        check_whole(owner, 'num_workers', num_workers, 0)
        nms = check_nms(dict(type='nms', iou_threshold=0.5) if nms is None else nms)
        self.interval = interval
        self.score_thr = score_thr
        self.iou_thr = iou_thr
        self.min_proposals = min_proposals
        self.dataloader = dataloader
        self.detection = dict(
            nms=nms,
            max_per_image=max_per_image,
            batch_size=batch_size,
            num_workers=num_workers,
        )
        announce_room(NEGATIVES_PER_IMAGE)

    def before_run(self, runner: Runner) -> None:
        """Take the announcement back: the run's datasets are built now."""
        announce_room(0)

    def before_train(self, runner: Runner) -> None:
        """Read the proposals that a resumed training had at this epoch."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise InputError(
                'OnlineNegativesHook needs a training by epochs: use '
                "train_cfg=dict(type='EpochBasedTrainLoop', ...)"
            )
        self._test_dataset(runner)
        read_min_proposals(self.min_proposals, _chip_dataset(runner).pyramid.num_levels)
        made_after = runner.epoch // self.interval * self.interval
        if made_after == 0:
            return
        path = _proposal_path(runner, made_after)
        if path.is_file():
            self._use(runner, path)
        else:
            runner.logger.warning(
                f'OnlineNegativesHook: {path} of the interrupted training does not exist, so '
                'negative chips are looked for again'
            )
            self._look(runner, path)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look for false positives, unless the training is over."""
        finished = runner.epoch + 1
        if finished % self.interval == 0 and finished < runner.max_epochs:
            self._look(runner, _proposal_path(runner, finished))

    def _look(self, runner: Runner, path: Path) -> None:
        images = _chip_dataset(runner).dataset
        extract_proposals(
            runner.model,
            images,
            self._test_dataset(runner),
            path,
            fingerprint=dict(epoch=runner.epoch),
            select=lambda index, sample: self._false_positives(images, index, sample),
            anew=True,  # what an interrupted run has left is of other weights
            **self.detection,
        )
        self._use(runner, path)

    def _use(self, runner: Runner, path: Path) -> None:
        dataset = _chip_dataset(runner)
        dataset.set_proposals(str(path), self.min_proposals)
        runner.logger.info(f'OnlineNegativesHook: negative chips now come from {path}')

    def _test_dataset(self, runner: Runner) -> Mapping:
        loader = runner.cfg.get(self.dataloader) or {}
        if not is_chip_dataset(loader.get('dataset')):
            raise InputError(
                f'OnlineNegativesHook detects at the levels of {self.dataloader}.dataset, which '
                'must be a ChipDataset with test_mode=True'
            )
        return loader['dataset']

    def _false_positives(self, images, index: int, sample: DetDataSample) -> np.ndarray:
        """Which detections of an image are confident and on no object, (n,) bool."""
        found = sample.pred_instances
        instances = images.get_data_info(index).get('instances', [])
        objects = [part['bbox'] for part in instances if not part.get('ignore_flag')]
        regions = [part['bbox'] for part in instances if part.get('ignore_flag')]
        return find_false_positives(
            found.bboxes.cpu(), found.scores.cpu(), objects, regions, self.score_thr, self.iou_thr
        ).numpy()


def find_false_positives(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    objects: Sequence,
    ignored_regions: Sequence,
    score_thr: float,
    iou_thr: float,
) -> torch.Tensor:
    """Which detections are confident although there is nothing.

    Args:
        boxes (torch.Tensor): (n, 4) floats xyxy in pixels of the original image.
        scores (torch.Tensor): (n,) floats.
        objects (Sequence): Boxes of objects, xyxy in the same pixels.
        ignored_regions (Sequence): Boxes of crowds and the like.
        score_thr (float): The least score that counts.
        iou_thr (float): The least IoU with an object, or share of a detection's area in a region,
            of a detection that is none.

    Returns:
        torch.Tensor: (n,) bool.
    """
    wrong = scores >= score_thr
    for others, mode in ((objects, 'iou'), (ignored_regions, 'iof')):
        if len(others) and len(boxes):
            others = boxes.new_tensor(np.array(others, np.float32))
            wrong &= bbox_overlaps(boxes, others, mode=mode).max(dim=1).values < iou_thr
    return wrong


def _chip_dataset(runner: Runner) -> ChipDataset:
    found = chip_datasets(runner.train_loop)
    if len(found) != 1:
        raise InputError(
            f'OnlineNegativesHook found {len(found)} ChipDatasets in train_dataloader.dataset and '
            'needs one: put ConcatDataset inside of it'
        )
    return found[0]


def _proposal_path(runner: Runner, epoch: int) -> Path:
    return Path(runner.work_dir).resolve() / FOLDER / f'epoch_{epoch}.npz'
