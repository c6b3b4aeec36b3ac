"""A scene of one object that is in range and one that is not, for the check of ignoring."""

from __future__ import annotations

import numpy as np
import torch
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

# Left, top, right, bottom in 256ths of the side. The corners overlap, and what is out of range is
# so by little: proposals on it can be in range.
IN_RANGE = (16, 16, 80, 80)
OUT_OF_RANGE = (72, 72, 216, 216)
VALID_RANGE = (32, 140)
# Pixel values, half-open, that tell the background and the two objects apart.
BACKGROUND, ORDINARY, UNIQUE = (0, 100), (100, 150), (150, 250)


class IgnoreScene:
    """An image with both objects, as the training pipeline makes it a chip.

    Args:
        size (int): Side of the image in pixels.
        seed (int): Of the pixels.

    Attributes:
        in_range, out_of_range (np.ndarray): Their boxes, xyxy in pixels, shape (4,), float32.
        image (np.ndarray): Shape (size, size, 3), uint8.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.in_range, self.out_of_range = (
            np.rint(np.array(box, np.float32) * size / 256) for box in (IN_RANGE, OUT_OF_RANGE)
        )
        rng = np.random.default_rng(seed)
        self.image = self._noise(rng, BACKGROUND)
        for box, values in ((self.out_of_range, UNIQUE), (self.in_range, ORDINARY)):
            inside = self._pixels(box)
            self.image[inside] = self._noise(rng, values)[inside]

    def chip(
        self,
        mode: str,
        labels: tuple[int, int] = (0, 0),
        with_masks: bool = False,
        with_segmentation: bool = False,
    ) -> dict:
        """What the training pipeline makes of the scene: ``inputs`` and ``data_samples``.

        Args:
            mode (str): Of ``ScaleNormalize``.
            labels (tuple[int, int]): The classes of the object in range and of the other one.
            with_masks (bool): Whether the objects have masks, which fill their boxes.
            with_segmentation (bool): Whether there is a segmentation map.
        """
        boxes = np.stack([self.in_range, self.out_of_range])
        masks = np.stack([self._pixels(box) for box in boxes]).astype(np.uint8)
        low, high = (bound * self.size / 256 for bound in VALID_RANGE)
        results = dict(
            img=self.image.copy(),
            img_id=0,
            img_path='',
            height=self.size,
            width=self.size,
            gt_bboxes=HorizontalBoxes(boxes),
            gt_bboxes_labels=np.array(labels, np.int64),
            gt_ignore_flags=np.zeros(2, bool),
            proposals=self.proposals().numpy(),
            proposals_scores=np.ones(len(self.proposals()), np.float32),
            chip=np.array([0, 0, self.size, self.size], np.float32),
            chip_level=0,
            chip_scale=1.0,
            valid_range=(low, high),
        )
        if with_masks:
            results['gt_masks'] = BitmapMasks(masks, self.size, self.size)
        if with_segmentation:
            results['gt_seg_map'] = masks.max(0)
        for step in (
            dict(type='ChipSample'),
            dict(type='ScaleNormalize', mode=mode),
            dict(type='PackChipInputs'),
        ):
            results = TRANSFORMS.build(step)(results)
        return results

    def proposals(self) -> torch.Tensor:
        """Proposals close to either object, and some on the background, shape (n, 4), float32."""
        boxes = [
            self._inner(box, shift)
            for box in (self.in_range, self.out_of_range)
            for shift in ((0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5))
        ]
        side = self.size * 0.25
        boxes += [(self.size - side, 0, self.size, side), (0, self.size - side, side, self.size)]
        return torch.tensor(np.array(boxes), dtype=torch.float32)

    def pixels_left_out(self, chip: dict) -> bool:
        """Whether no pixel of the object out of range is in the input, other than in the other."""
        image = chip['inputs'].permute(1, 2, 0).numpy()
        return not (image >= UNIQUE[0]).any(-1)[~self._pixels(self.in_range)].any()

    def pixels_kept(self, chip: dict) -> bool:
        """Whether all pixels of the object in range are in the input as they were."""
        image = chip['inputs'].permute(1, 2, 0).numpy()
        inside = self._pixels(self.in_range)
        return bool((image[inside] == self.image[inside]).all())

    def _inner(self, box: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
        """A box of 11 twelfths of the sides, at the given share of what remains."""
        size = box[2:] - box[:2]
        corner = box[:2] + size / 12 * np.array(shift)
        return np.concatenate([corner, corner + size * 11 / 12])

    def _pixels(self, box: np.ndarray) -> np.ndarray:
        left, top, right, bottom = box.astype(int)
        inside = np.zeros((self.size, self.size), bool)
        inside[top:bottom, left:right] = True
        return inside

    def _noise(self, rng: np.random.Generator, values: tuple[int, int]) -> np.ndarray:
        return rng.integers(*values, (self.size, self.size, 3), dtype=np.uint8)
