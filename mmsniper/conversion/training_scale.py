"""How many pixels a detector looks at for an image of the training, as its config resizes it.

The network's input is followed through the pipeline as a few sizes with weights, one for each
outcome of a random step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from mmcv import transforms as mmcv_transforms
from mmdet.datasets import transforms
from mmdet.registry import MODELS, TRANSFORMS

from .components import component_name, is_component

# Sizes of images as COCO has them, width and height; their share is how often they are listed.
COCO_SIZES = ((640, 480), (640, 480), (640, 480), (640, 427), (640, 427))
# How many values stand for a random one that is drawn from a range.
DRAWS = 9

Sizes = dict[tuple[float, float], float]  # width and height, and how likely


def training_pixels(
    pipeline: Sequence[dict],
    batch_augments: Sequence[dict] = (),
    image_sizes: Iterable[tuple[float, float]] = COCO_SIZES,
) -> float:
    """The mean area of the network's input.

    Args:
        pipeline (Sequence[dict]): All steps of the training in their order.
        batch_augments (Sequence[dict]): Of the data preprocessor.
        image_sizes (Iterable[tuple]): Width and height of some images of the data.

    Returns:
        float: Pixels per image.
    """
    areas = []
    for size in image_sizes:
        sizes = _through(pipeline, {tuple(map(float, size)): 1.0})
        for augment in batch_augments or ():
            sizes = _augmented(augment, sizes)
        areas.append(sum(width * height * weight for (width, height), weight in sizes.items()))
    return float(np.mean(areas))


def has_fixed_size(pipeline: Sequence[dict]) -> bool:
    """Whether images of any shape come out of a pipeline with one and the same size."""
    sizes = [
        size
        for image in ((640.0, 480.0), (427.0, 640.0), (3000.0, 2000.0))
        for size in _through(pipeline, {image: 1.0})
    ]
    return len(set(sizes)) == 1


def _through(steps: Sequence[dict], sizes: Sizes) -> Sizes:
    for step in steps:
        outcomes: Sizes = {}
        for size, weight in sizes.items():
            for outcome, share in _outcomes(step, *size).items():
                outcome = tuple(round(side, 1) for side in outcome)
                outcomes[outcome] = outcomes.get(outcome, 0.0) + weight * share
        sizes = outcomes
    return sizes


def _outcomes(step: dict, width: float, height: float) -> Sizes:
    """What an image may be after a step."""

    def step_is(*classes: type) -> bool:
        return is_component(TRANSFORMS, step, *classes)

    same = {(width, height): 1.0}
    if step_is(transforms.FixShapeResize):
        return {(step['width'], step['height']): 1.0}
    if step_is(mmcv_transforms.Resize):
        if step.get('scale') is None:
            factors = np.broadcast_to(step.get('scale_factor') or 1.0, 2)
            return {(width * factors[0], height * factors[1]): 1.0}
        return {_resized(width, height, step['scale'], step.get('keep_ratio', False)): 1.0}
    if step_is(transforms.ResizeShortestEdge):
        scale = step['scale']
        shorts = scale if isinstance(scale, (list, tuple)) else [scale]
        longest = step.get('max_size') or np.inf
        return _equally(
            _resized(width, height, (short, longest), keep_ratio=True) for short in shorts
        )
    if step_is(mmcv_transforms.RandomChoiceResize):
        keep_ratio = step.get('keep_ratio', False)
        return _equally(_resized(width, height, scale, keep_ratio) for scale in step['scales'])
    if step_is(mmcv_transforms.RandomResize):
        keep_ratio = step.get('keep_ratio', False)
        return _equally(
            _resized(width, height, scale, keep_ratio)
            for scale in _random_scales(step['scale'], step.get('ratio_range'))
        )
    if step_is(transforms.RandomCrop):
        return _cropped(step, width, height)
    if step_is(transforms.RandomCenterCropPad):
        crop = step.get('crop_size')
        return same if crop is None else {(crop[1], crop[0]): 1.0}
    if step_is(transforms.Mosaic, transforms.CachedMosaic):
        side = step.get('img_scale', (640, 640))
        return {(2 * side[0], 2 * side[1]): 1.0}
    if step_is(transforms.RandomAffine):
        border = step.get('border', (0, 0))  # height and width
        return {(width + 2 * border[1], height + 2 * border[0]): 1.0}
    if step_is(mmcv_transforms.Pad):
        side = step.get('size')
        if side is not None:
            return {(max(width, side[0]), max(height, side[1])): 1.0}
        longest = max(width, height)
        return {(longest, longest): 1.0} if step.get('pad_to_square') else same
    if step_is(transforms.AutoAugment, transforms.RandAugment):
        return same  # of colours and small movements
    if step_is(mmcv_transforms.RandomChoice):
        branches = step['transforms']
        shares = step.get('prob') or [1 / len(branches)] * len(branches)
        mixed: Sizes = {}
        for branch, share in zip(branches, shares):
            branch = branch if isinstance(branch, (list, tuple)) else [branch]
            for size, weight in _through(branch, same).items():
                mixed[size] = mixed.get(size, 0.0) + share * weight
        return mixed
    if step_is(transforms.ProposalBroadcaster, transforms.RandomOrder):
        return _through(step.get('transforms', ()), same)
    return same


def _resized(
    width: float, height: float, scale: float | Sequence[float], keep_ratio: bool
) -> tuple[float, float]:
    if not isinstance(scale, (list, tuple)):
        return width * scale, height * scale
    if not keep_ratio:
        return scale[0], scale[1]
    factor = min(max(scale) / max(width, height), min(scale) / min(width, height))
    return width * factor, height * factor


def _random_scales(scale: Sequence, ratio_range: Sequence[float] | None) -> list[tuple]:
    """Scales that ``RandomResize`` may draw: from a range of factors, or between two scales."""
    shares = (np.arange(DRAWS) + 0.5) / DRAWS
    if isinstance(scale[0], (list, tuple)):
        longs, shorts = sorted(max(s) for s in scale), sorted(min(s) for s in scale)
        return [
            (
                longs[0] + share * (longs[-1] - longs[0]),
                shorts[0] + share * (shorts[-1] - shorts[0]),
            )
            for share in shares
        ]
    low, high = ratio_range or (1.0, 1.0)
    return [tuple(side * (low + share * (high - low)) for side in scale) for share in shares]


def _cropped(step: dict, width: float, height: float) -> Sizes:
    """What ``RandomCrop`` leaves; its sizes are height and width."""
    size, kind = step['crop_size'], step.get('crop_type', 'absolute')
    if kind == 'absolute':
        return {(min(width, size[1]), min(height, size[0])): 1.0}
    if kind == 'relative':
        return {(width * size[1], height * size[0]): 1.0}
    shares = (np.arange(DRAWS) + 0.5) / DRAWS
    if kind == 'relative_range':
        low = np.array([size[1], size[0]])
        factors = [low + share * (1 - low) for share in shares]
        return _equally((width * x, height * y) for x, y in factors)
    low, high = (np.minimum([width, height], side) for side in size)
    return _equally(tuple(low + share * (high - low)) for share in shares)


def _augmented(augment: dict, sizes: Sizes) -> Sizes:
    """Sizes after an augmentation of the batch."""
    name = component_name(augment)
    if MODELS.get(name) is None:
        return sizes
    if name == 'BatchFixedSizePad':
        high, wide = augment['size']
        return _merged({(max(w, wide), max(h, high)): p} for (w, h), p in sizes.items())
    if name == 'BatchResize':
        scale = augment['scale']
        return _merged({_resized(*size, scale, True): share} for size, share in sizes.items())
    return sizes


def _equally(outcomes: Iterable[tuple]) -> Sizes:
    outcomes = list(outcomes)
    return _merged({tuple(outcome): 1 / len(outcomes)} for outcome in outcomes)


def _merged(parts: Iterable[Sizes]) -> Sizes:
    merged: Sizes = {}
    for part in parts:
        for size, share in part.items():
            merged[size] = merged.get(size, 0.0) + share
    return merged
