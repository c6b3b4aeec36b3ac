"""Masks that become bitmaps where they are looked at: of a chip at its level, not of an image.

The bitmaps of 100 objects of 4000x3000 pixels are 1.2 GB, and all but the chip's part of them is
thrown away. As runs (see :mod:`mmsniper.merging.rle`) they are as large as their outlines are long.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
import pycocotools.mask as mask_util
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.logging import print_log

from mmsniper.datasets.segmentation import segmentation_to_runs, usable_polygons
from mmsniper.errors import InputError
from mmsniper.merging.rle import crop_runs, resize_runs, runs_to_rle


class RunLengthMasks(BitmapMasks):
    """``BitmapMasks`` that are kept as runs until they are resized or asked for their pixels.

    Args:
        runs (Sequence[np.ndarray]): The runs of each of n masks, shape (r, 3), int64.
        height (int): Height of the masks in pixels.
        width (int): Width of the masks in pixels.
    """

    def __init__(self, runs: Sequence[np.ndarray], height: int, width: int) -> None:
        self.runs = list(runs)
        self.height = int(height)
        self.width = int(width)

    @property
    def masks(self) -> np.ndarray:
        """The bitmaps, shape (n, height, width), uint8: a copy, which must not be written to."""
        bitmaps = np.zeros((len(self), self.height, self.width), np.uint8)
        for bitmap, runs in zip(bitmaps, self.runs):
            if len(runs):
                # A small object costs what it has pixels.
                left, right = runs[0, 0], runs[-1, 0] + 1
                top, bottom = runs[:, 1].min(), runs[:, 2].max()
                rle = runs_to_rle(runs - np.array([left, top, top]), (bottom - top, right - left))
                bitmap[top:bottom, left:right] = mask_util.decode(rle)
        bitmaps.flags.writeable = False  # or what is written would be lost without a word
        return bitmaps

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self):
        return iter(self.masks)

    def __getitem__(self, index) -> RunLengthMasks:
        """Some of the masks, as with ``BitmapMasks``."""
        return RunLengthMasks([self.runs[i] for i in self._rows(index)], self.height, self.width)

    def _rows(self, index) -> np.ndarray:
        return np.arange(len(self))[index].reshape(-1)

    @property
    def areas(self) -> np.ndarray:
        """Number of pixels of each mask, shape (n,), int64."""
        return np.array([(runs[:, 2] - runs[:, 1]).sum() for runs in self.runs], np.int64)

    def crop(self, bbox: np.ndarray) -> RunLengthMasks:
        """The masks in a window.

        Args:
            bbox (np.ndarray): xyxy in pixels, shape (4,), inside the masks.
        """
        left, top, right, bottom = bbox
        return RunLengthMasks(
            [crop_runs(runs, bbox) for runs in self.runs], bottom - top, right - left
        )

    def resize(self, out_shape: Sequence[int], interpolation: str = 'nearest') -> BitmapMasks:
        """Bitmaps of another size.

        Args:
            out_shape (Sequence[int]): Height and width in pixels.
            interpolation (str): Without effect: a pixel is what lies under its centre.
        """
        shape = (self.height, self.width)
        resized = [resize_runs(runs, shape, out_shape) for runs in self.runs]
        return BitmapMasks(RunLengthMasks(resized, *out_shape).masks, *out_shape)

    def rescale(self, scale, interpolation: str = 'nearest') -> BitmapMasks:
        """Bitmaps of another size that keep the aspect ratio, see ``mmcv.rescale_size``."""
        width, height = mmcv.rescale_size((self.width, self.height), scale)
        return self.resize((height, width))

    @classmethod
    def cat(cls, masks: Sequence[BitmapMasks]) -> BitmapMasks:
        """All masks behind each other; at least one object, all of the same size."""
        return BitmapMasks.cat(masks)


class AnnotatedMasks(RunLengthMasks):
    """The segmentations of an image's objects, made into masks when a chip is cut out.

    Args:
        segmentations (Sequence): Of each of n objects what its annotation says: polygons, RLE, or
            None.
        height (int): Height of the image in pixels.
        width (int): Width of the image in pixels.
        poly2mask (bool): Whether cutting gives bitmaps. Else it gives ``PolygonMasks`` wherever
            these have the same pixels. Defaults to True.
        image (str): What to call the image in messages. Defaults to ''.
    """

    def __init__(
        self,
        segmentations: Sequence[Any],
        height: int,
        width: int,
        poly2mask: bool = True,
        image: str = '',
    ) -> None:
        self.segmentations = list(segmentations)
        self.height = int(height)
        self.width = int(width)
        self.poly2mask = poly2mask
        self.image = image

    @property
    def runs(self) -> list[np.ndarray]:
        """The runs of each mask, made anew at each call."""
        try:
            return [
                segmentation_to_runs(each, (self.height, self.width)) for each in self.segmentations
            ]
        except InputError as error:
            raise InputError(
                f'{error}, in the annotations of image {self.image}: correct them'
            ) from error

    def __len__(self) -> int:
        return len(self.segmentations)

    def __getitem__(self, index) -> AnnotatedMasks:
        chosen = [self.segmentations[i] for i in self._rows(index)]
        return AnnotatedMasks(chosen, self.height, self.width, self.poly2mask, self.image)

    def crop(self, bbox: np.ndarray) -> BitmapMasks | PolygonMasks:
        """The masks in a window: ``RunLengthMasks``, or ``PolygonMasks`` of the same pixels.

        Args:
            bbox (np.ndarray): xyxy in pixels of the image, shape (4,), inside it.
        """
        bitmaps = super().crop(bbox)
        if self.poly2mask or any(isinstance(each, dict) for each in self.segmentations):
            return bitmaps
        # The triangle of no size is what MMDetection has for no polygon.
        polygons = [usable_polygons(each) or [np.zeros(6)] for each in self.segmentations]
        polygons = PolygonMasks(polygons, self.height, self.width).crop(bbox)
        return polygons if _same_pixels(polygons, bitmaps) else bitmaps

    def resize(self, out_shape, interpolation='nearest') -> BitmapMasks | PolygonMasks:
        """The masks of the whole image at another size."""
        whole = np.array([0, 0, self.width, self.height])
        return self.crop(whole).resize(out_shape)


def crop_masks(results: dict, window: np.ndarray) -> None:
    """Crop ``gt_masks`` to a chip and mark objects without a pixel in it as ignored, in place.

    Args:
        results (dict): With gt_masks, gt_ignore_flags, and where there are polygons instances.
        window (np.ndarray): The chip, xyxy in pixels of the image, shape (4,), int.

    Raises:
        InputError: Masks given as RLE were lost on the way here.
    """
    masks, image = results['gt_masks'], results.get('img_path', '')
    if isinstance(masks, PolygonMasks):
        check_no_rle_lost(results)
        masks = AnnotatedMasks(masks.masks, masks.height, masks.width, False, image)
    cropped = masks.crop(window)
    # A box can reach into a chip that none of its mask's pixels lies in.
    empty = cropped.areas == 0
    new = empty & ~results['gt_ignore_flags']
    if new.any() and isinstance(masks, AnnotatedMasks):
        num_without_pixel = int((masks[new].areas == 0).sum())
        if num_without_pixel:
            _warn_of_empty_masks(image, num_without_pixel)
    results['gt_ignore_flags'] = results['gt_ignore_flags'] | empty
    results['gt_masks'] = cropped


def check_no_rle_lost(results: dict) -> None:
    """Raise an InputError where ``LoadAnnotations(poly2mask=False)`` put nothing in place of RLE.

    It marks such objects as ignored, and crowds are marked so as well, so that no one can tell them
    apart afterwards.

    Args:
        results (dict): With gt_masks and, after loading, instances.
    """
    if not isinstance(results.get('gt_masks'), PolygonMasks):
        return
    if any(isinstance(each.get('mask'), dict) for each in results.get('instances') or ()):
        raise InputError(
            f'a mask of image {results.get("img_path")} is RLE, which '
            "MMDetection's LoadAnnotations(poly2mask=False) cannot read and ignores: load "
            'annotations with LoadChipAnnotations'
        )


def _same_pixels(polygons: PolygonMasks, bitmaps: RunLengthMasks) -> bool:
    """Whether polygons have exactly the pixels of the bitmaps."""
    shape = polygons.height, polygons.width
    return all(
        mask_util.merge(mask_util.frPyObjects(each, *shape))['counts']
        == runs_to_rle(runs, shape)['counts']
        for each, runs in zip(polygons.masks, bitmaps.runs)
    )


@functools.cache
def _warn_of_empty_masks(image: str, count: int) -> None:
    """Say once of an image that objects are ignored because their masks have no pixel."""
    print_log(
        f'Ignored {count} objects of image {image}: their segmentations cover not one pixel.',
        logger='current',
        level=logging.WARNING,
    )
