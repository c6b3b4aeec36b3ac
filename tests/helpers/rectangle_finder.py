"""A detector that finds painted rectangles just where they are, and pictures of such rectangles."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.registry import MODELS
from mmengine.structures import InstanceData

CLASSES = ('red', 'green', 'blue')
COLOURS = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)  # BGR

CONFIG = """
custom_imports = dict(imports=['mmsniper', 'rectangle_finder'], allow_failed_imports=False)
default_scope = 'mmdet'
model = dict(
    type='RectangleFinder', data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32))
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(160, 160), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs')]
test_dataloader = dict(
    dataset=dict(type='CocoDataset', metainfo=dict(classes=('red', 'green', 'blue')),
    ann_file='none.json', pipeline=pipeline))
"""
CHIPS_CONFIG = """
custom_imports = dict(imports=['mmsniper', 'rectangle_finder'], allow_failed_imports=False)
default_scope = 'mmdet'
model = dict(
    type='RectangleFinder', least=4,
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32))
test_dataloader = dict(dataset=dict(
    type='ChipDataset', test_mode=True, levels=[1.0, 0.5], valid_ranges=[(-1, 24), (16, -1)],
    tile_size=96,
    dataset=dict(type='CocoDataset', metainfo=dict(classes=('red', 'green', 'blue')),
        ann_file='none.json'),
    pipeline=[
        dict(type='LoadChip'), dict(type='ChipSample'), dict(type='ScaleNormalize'),
        dict(type='LoadAnnotations', with_bbox=True), dict(type='PackChipInputs')]))
custom_hooks = [dict(type='ChipMergeHook', nms=dict(type='nms', iou_threshold=0.6))]
"""


@MODELS.register_module(force=True)
class RectangleFinder(BaseDetector):
    """Finds connected pixels of a pure colour, if no side has less than ``least`` of them.

    The score is higher the larger they are.
    """

    def __init__(
        self, masks: bool = False, least: int = 6, data_preprocessor=None, init_cfg=None
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.masks = masks
        self.least = least

    def extract_feat(self, batch_inputs):
        raise NotImplementedError

    def loss(self, batch_inputs, batch_data_samples):
        raise NotImplementedError

    def _forward(self, batch_inputs, batch_data_samples=None):
        raise NotImplementedError

    def predict(self, batch_inputs, batch_data_samples, rescale=True):
        results = []
        for image, sample in zip(batch_inputs, batch_data_samples):
            height, width = sample.img_shape
            pixels = image[:, :height, :width].permute(1, 2, 0).cpu().numpy()
            results.append(self._find(pixels, sample).to(batch_inputs.device))
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _find(self, pixels, sample):
        boxes, labels, masks = [], [], []
        for label, colour in enumerate(COLOURS):
            alike = (np.abs(pixels - colour) < 90).all(axis=2).astype(np.uint8)
            _, parts, stats, _ = cv2.connectedComponentsWithStats(alike)
            for number, (x, y, w, h, _) in enumerate(stats[1:], 1):
                if min(w, h) < self.least:
                    continue
                boxes.append((x, y, x + w, y + h))
                labels.append(label)
                shape = sample.ori_shape[::-1]
                mask = (parts == number).astype(np.uint8)
                masks.append(cv2.resize(mask, shape, interpolation=cv2.INTER_NEAREST))
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        boxes = boxes / boxes.new_tensor(sample.scale_factor * 2)
        sides = boxes[:, 2:] - boxes[:, :2]
        trust = min(1.0, *sample.scale_factor)  # what is seen in more detail is surer
        found = InstanceData(
            bboxes=boxes,
            scores=0.5 + (sides.prod(dim=1).sqrt() / 2000).clamp(max=0.3) + 0.05 * trust,
            labels=torch.tensor(labels, dtype=torch.int64),
        )
        if self.masks:
            masks = np.array(masks, bool).reshape(-1, *sample.ori_shape)
            found.masks = torch.from_numpy(masks)
        return found


def paint(path: Path, size: tuple[int, int], boxes, labels) -> np.ndarray:
    """Write a dark picture of ``size`` (width, height) with rectangles; its pixels."""
    image = np.full((size[1], size[0], 3), 40, np.uint8)
    image[::7, ::5] = 60  # not all one colour
    for (left, top, right, bottom), label in zip(boxes, labels):
        image[top:bottom, left:right] = COLOURS[label]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    return image


def write_detector(folder: Path, config: str = CONFIG) -> tuple[Path, Path]:
    """Write a config and a checkpoint of it; their paths."""
    (folder / 'config.py').write_text(config)
    weights = dict(state_dict=dict(weight=torch.zeros(1)), meta=dict(cfg=config))
    torch.save(weights, folder / 'weights.pth')
    return folder / 'config.py', folder / 'weights.pth'


def random_boxes(size: tuple[int, int], count: int, seed: int = 0) -> tuple[list, list]:
    """Boxes of many sizes that are apart from each other by 8 px or more, and labels."""
    rng = np.random.default_rng(seed)
    taken = np.zeros(size[::-1], bool)
    boxes, labels = [], []
    for _ in range(count * 50):
        side = int(np.exp(rng.uniform(np.log(8), np.log(min(size) / 2))))
        width, height = side, max(6, int(side * rng.uniform(0.6, 1)))
        left, top = rng.integers(0, size[0] - width), rng.integers(0, size[1] - height)
        near = slice(max(0, top - 8), top + height + 8), slice(max(0, left - 8), left + width + 8)
        if not taken[near].any() and len(boxes) < count:
            taken[near] = True
            boxes.append((int(left), int(top), int(left + width), int(top + height)))
            labels.append(int(rng.integers(3)))
    return boxes, labels
