"""Cropping an image and everything on it to a chip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from mmsniper.chips import Pyramid, box_levels, positive_chips
from mmsniper.errors import InputError

from .chip_masks import crop_masks
from .chip_window import chip_window, whole_shape
from .instances import select_instances
from .moving import check_image_size, check_unmoved


@TRANSFORMS.register_module()
class ChipSample(BaseTransform):
    """Crop the image, its instances, segmentation map and proposals to a chip.

    The chip is ``results['chip']``, which :class:`mmsniper.datasets.ChipDataset` sets. Without that
    wrapper, in a plain pipeline, the transform generates the positive chips of the image itself and
    takes one of them at random (a random position at a random level where there is none); it then
    needs ``levels`` and ``valid_ranges``.

    Instances whose visible share is below ``min_visible`` become ignored, those that are wholly
    outside are removed, and the others are clipped to the chip (arXiv:1805.09300, section 3.2).

    Required keys: img, and where present gt_bboxes, gt_bboxes_labels, gt_ignore_flags, gt_masks,
    gt_seg_map, proposals, proposals_scores.

    Modified keys: those, img_shape and ori_shape (both the chip's height and width in pixels of the
    original image, so that detectors which rescale their results give them in these pixels).

    Added keys:

    - gt_box_sizes (np.ndarray): sqrt(w*h) of each box before the crop, clipped to the image, in
      pixels of the original image, shape (n,), float32. ``ScaleNormalize`` takes it out again.
    - gt_promoted (np.ndarray): which boxes count whatever their size, because they fit no chip of
      the levels that it is valid at, shape (n,), bool; where there are any. It goes likewise.
    - gt_crowds (np.ndarray): which objects the annotations ignore, shape (n,), bool. It goes
      likewise.
    - image_shape (tuple[int, int]): height and width of the original image.
    - chip, chip_level, chip_scale, valid_range, if ``ChipDataset`` has not set them.

    Args:
        min_visible (float): Share of a box's area that has to be in the chip for the box to count.
            Defaults to 0.5.
        levels (Sequence, optional): Pyramid levels, needed without ``ChipDataset`` only.
        valid_ranges (Sequence, optional): The valid range of each level, likewise.
        chip_size (int): Side of a chip in pixels of its level, likewise. Defaults to 512.
        stride (int): Distance of candidate chips in pixels of their level, likewise. Defaults to
            32.
        allow_holes (bool): Whether ``valid_ranges`` may leave out sizes between the smallest and
            the largest. Defaults to False.

    Raises:
        MovedImageError: The image or its boxes are no longer as in the file and its annotation.
        InputError: The image's size is not what the annotations say, the chip is not inside the
            image, there is neither a chip nor levels, or the ranges have a hole.
    """

    def __init__(
        self,
        min_visible: float = 0.5,
        levels: Sequence | None = None,
        valid_ranges: Sequence | None = None,
        chip_size: int = 512,
        stride: int = 32,
        allow_holes: bool = False,
    ) -> None:
        if not 0 <= min_visible <= 1:
            raise InputError(f'min_visible must lie between 0 and 1, but is {min_visible}')
        if (levels is None) != (valid_ranges is None):
            raise InputError('ChipSample needs both levels and valid_ranges, or neither of them')
        self.min_visible = min_visible
        self.pyramid = None if levels is None else Pyramid(levels, valid_ranges)
        if self.pyramid:
            self.pyramid.check_ranges('ChipSample', allow_holes)
        self.chip_size = chip_size
        self.stride = stride

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Crop ``results`` to its chip."""
        height, width = shape = whole_shape(results)
        if 'chip' in results:
            check_unmoved(results)
        check_image_size(results, shape)
        boxes = results.get('gt_bboxes')
        if boxes is not None:
            boxes.clip_(shape)
            results['gt_box_sizes'] = boxes.areas.clamp(min=0).sqrt().numpy().astype(np.float32)
        if 'chip' not in results:
            self._sample(results)
        promoted = results.pop('promoted_boxes', None)
        if promoted is not None and boxes is not None:
            # By value, because a transform may have removed or reordered instances.
            same = boxes.numpy()[:, None] == promoted
            results['gt_promoted'] = same.all(axis=2).any(axis=1)
        left, top, right, bottom = chip_window(results, shape)
        loaded = results.get('loaded_window')
        if loaded is None:
            results['img'] = results['img'][top:bottom, left:right]
        elif loaded != (left, top, right, bottom):
            raise InputError(
                f'the chip of image {results.get("img_path")} is {(left, top, right, bottom)}, but '
                f'was {loaded} when LoadChip loaded it: put what changes chips before LoadChip, or '
                'load whole images with LoadIntactImage'
            )
        results['image_shape'] = (height, width)
        results['img_shape'] = results['ori_shape'] = (bottom - top, right - left)
        _record_translation(results, left, top)
        window = np.array([left, top, right, bottom])
        if boxes is not None:
            self._crop_instances(results, window)
        if results.get('gt_seg_map') is not None:
            results['gt_seg_map'] = results['gt_seg_map'][top:bottom, left:right]
        if results.get('proposals') is not None:
            _crop_proposals(results, window)
        return results

    def _crop_instances(self, results: dict, window: np.ndarray) -> None:
        boxes = results['gt_bboxes']
        areas = boxes.areas.numpy()
        boxes.translate_([-int(window[0]), -int(window[1])])
        boxes.clip_(results['img_shape'])
        visible_areas = np.where(
            (boxes.widths > 0).numpy() & (boxes.heights > 0).numpy(), boxes.areas.numpy(), 0
        )
        visible = visible_areas / np.maximum(areas, np.finfo(np.float32).tiny)
        ignored = results.get('gt_ignore_flags')
        ignored = np.zeros(len(boxes), bool) if ignored is None else ignored.astype(bool)
        results['gt_crowds'] = ignored
        results['gt_ignore_flags'] = ignored | (visible < self.min_visible)
        select_instances(results, visible > 0)
        if results.get('gt_masks') is not None:
            crop_masks(results, window)

    def _sample(self, results: dict) -> None:
        if self.pyramid is None:
            raise InputError(
                'ChipSample found no chip: wrap the dataset in ChipDataset, or give ChipSample its '
                'own levels and valid_ranges; to detect on pictures use tools/infer.py or '
                'mmsniper.apis.PyramidInferencer'
            )
        height, width = whole_shape(results)
        boxes = results.get('gt_bboxes')
        boxes = np.zeros((0, 4), np.float32) if boxes is None else boxes.numpy()
        usable = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        if results.get('gt_ignore_flags') is not None:
            usable &= results['gt_ignore_flags'] == 0
        boxes = boxes[usable]
        seed, choice, *position = self._random_numbers()
        image = boxes, np.array([0, len(boxes)]), np.array([height]), np.array([width])
        levels = box_levels(*image, self.pyramid, self.chip_size)
        chips = positive_chips(
            *image, self.pyramid, self.chip_size, self.stride, seed, valid=levels.valid
        )
        scales = self.pyramid.scale_factors(np.array([height]), np.array([width]))[0]
        if len(chips):
            index = int(choice * len(chips))
            level, chip = int(chips.level[index]), chips.boxes[index]
        else:
            level = int(choice * self.pyramid.num_levels)
            image_size = np.array([width, height])
            size = np.minimum(image_size, max(1, int(self.chip_size / scales[level] + 1e-6)))
            corner = np.floor(np.array(position) * (image_size - size + 1))
            chip = np.concatenate([corner, corner + size]).astype(np.float32)
        results['chip'] = chip
        results['chip_level'] = level
        results['chip_scale'] = float(scales[level])
        results['valid_range'] = self.pyramid.valid_ranges[level]
        results['promoted_boxes'] = boxes[levels.promoted_to(level)]

    @cache_randomness
    def _random_numbers(self) -> tuple:
        return (np.random.randint(2**31), *np.random.random_sample(3))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(min_visible={self.min_visible}, pyramid={self.pyramid}, '
            f'chip_size={self.chip_size}, stride={self.stride})'
        )


def _crop_proposals(results: dict, window: np.ndarray) -> None:
    """Crop the proposals, an (n, 4) array or boxes of MMDetection, and drop those outside."""
    proposals = results['proposals']
    left, top, right, bottom = (int(value) for value in window)
    if isinstance(proposals, np.ndarray):
        proposals = proposals - np.array([left, top, left, top], proposals.dtype)
        proposals[:, 0::2] = proposals[:, 0::2].clip(0, right - left)
        proposals[:, 1::2] = proposals[:, 1::2].clip(0, bottom - top)
        keep = (proposals[:, 2] > proposals[:, 0]) & (proposals[:, 3] > proposals[:, 1])
    else:
        proposals.translate_([-left, -top])
        proposals.clip_((bottom - top, right - left))
        keep = ((proposals.widths > 0) & (proposals.heights > 0)).numpy()
    results['proposals'] = proposals[keep]
    if results.get('proposals_scores') is not None:
        results['proposals_scores'] = results['proposals_scores'][keep]


def _record_translation(results: dict, left: int, top: int) -> None:
    matrix = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float32)
    previous = results.get('homography_matrix')
    results['homography_matrix'] = matrix if previous is None else matrix @ previous
