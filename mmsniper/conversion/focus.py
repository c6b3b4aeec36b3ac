"""Giving a detector a focus head that fits its neck and its pyramid."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor

from mmsniper.chips import Pyramid
from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.errors import InputError
from mmsniper.focus.labels import SIZES
from mmsniper.models import build_focus_detector

from .changes import Changes
from .components import component_name
from .cost import boxes_of, is_there
from .ignoring import plan_ignoring
from .training_scale import COCO_SIZES

STRIDES = (8, 16)  # of a map for the head, the better one first
# A side that all strides divide and that every layer has room for.
_SIDE = 256
_MOST_CHANNELS = 256


def add_focus_head(config: Config, changes: Changes) -> None:
    """Turn the detector of a config that trains on chips into a ``FocusDetector``, in place.

    Args:
        config (Config): It, tested on a pyramid.
        changes (Changes): Takes what was changed.

    Raises:
        InputError: The detector has no map for the head, the pyramid leaves nothing to finer
            levels, or objects out of range are erased.
    """
    model = config.model
    if is_focus_detector(model):
        changes.note('the detector has a focus head already, which stays as it is')
        return
    plan = plan_ignoring(model)
    if plan.mode == 'erase':
        raise InputError(
            'a focus head learns from objects out of range, which are erased for this detector '
            f'({plan.reason}): start from a detector that can ignore them'
        )
    dataset = find_chip_dataset(config, 'val_dataloader') or find_chip_dataset(
        config, 'test_dataloader'
    )
    if dataset is None:
        raise InputError(
            'a focus head needs the pyramid of testing, but neither val_dataloader nor '
            'test_dataloader has a ChipDataset: give the config one of them'
        )
    pyramid = Pyramid(dataset['levels'], dataset['valid_ranges'])
    sizes = focus_sizes(pyramid, _image_sizes(pyramid, dataset['dataset'], changes))
    config.model = focus_detector(model, sizes)
    head = config.model['focus_head']
    changes.change(
        f'model: FocusDetector of {component_name(model)} with a focus head on map '
        f'{head["feature"]} of the detector (stride {head["stride"]}, {head["in_channels"]} '
        f'channels), for objects of {sizes[0]:g} to {sizes[1]:g} pixels of the input, up to '
        f'{sizes[2]:g} not learnt, as the valid ranges of testing have it'
    )


def focus_detector(model: dict, sizes: Sequence[float]) -> dict:
    """The config of a detector with a focus head.

    Args:
        model (dict): Config of a detector without one.
        sizes (Sequence[float]): Of ``FocusHead``, see :func:`focus_sizes`.

    Returns:
        dict: Config of a ``FocusDetector``.

    Raises:
        InputError: The detector has no map for the head.
    """
    head = dict(type='FocusHead', **head_settings(model), sizes=tuple(sizes))
    settings = {key: value for key, value in model.items() if key != 'type'}
    return dict(type='FocusDetector', detector=model['type'], focus_head=head, **settings)


def is_focus_detector(model: dict) -> bool:
    """Whether a model's config has a focus head."""
    kind = model['type']
    return kind is build_focus_detector or component_name(kind) == 'FocusDetector'


def focus_sizes(
    pyramid: Pyramid, image_sizes: Sequence[tuple[float, float]] = COCO_SIZES
) -> tuple[float, float, float]:
    """Which objects are for the next finer level, in pixels of the network's input.

    Those below the valid range of the level that they are seen at. One head looks at all levels, so
    it is the largest of these bounds; the distances to the others are the paper's (5, 64 and 90,
    arXiv:1812.01600, section 3.1).

    Args:
        pyramid (Pyramid): Levels and valid ranges of testing.
        image_sizes (Sequence[tuple]): Width and height of typical images, which levels that are
            given in pixels depend on. Defaults to COCO's.

    Returns:
        tuple[float, float, float]: ``sizes`` of ``FocusHead``.

    Raises:
        InputError: No level leaves anything to a finer one.
    """
    widths, heights = np.array(image_sizes).T
    scales = np.median(pyramid.scale_factors(heights, widths), axis=0)
    bounds = [
        low * scale for (low, _), scale in zip(pyramid.valid_ranges[1:], scales[1:]) if low > 0
    ]
    if not bounds:
        raise InputError(
            'a focus head is for the coarser levels of a pyramid, whose valid ranges leave small '
            f'objects to finer ones, but those of testing are {list(pyramid.valid_ranges)}: give '
            'it two levels at least'
        )
    most = max(1.0, round(max(bounds)))
    least, middle, next_level = SIZES
    return (
        min(least, round(most * least / middle, 1)),
        most,
        float(round(most * next_level / middle)),
    )


def head_settings(model: dict) -> dict:
    """The map that a focus head is to look at, and its channels.

    Args:
        model (dict): Config of a detector.

    Returns:
        dict: ``feature``, ``stride``, ``in_channels`` and ``feat_channels`` of ``FocusHead``.

    Raises:
        InputError: There is no map of a fit stride.
    """
    maps = _maps(model)
    strides = [_SIDE / level.shape[-1] for level in maps]
    for stride in STRIDES:
        if stride in strides:
            feature = strides.index(stride)
            channels = maps[feature].shape[1]
            return dict(
                feature=feature,
                stride=stride,
                in_channels=channels,
                feat_channels=min(channels, _MOST_CHANNELS),
            )
    found = ', '.join(f'{stride:g}' for stride in strides)
    raise InputError(
        f'{component_name(model)} has no map of stride {" or ".join(map(str, STRIDES))} for a '
        f'focus head (strides: {found}): start from a detector with an FPN'
    )


def _maps(model: dict) -> list[Tensor]:
    """What backbone and neck make of an empty image."""
    parts = copy.deepcopy([model[key] for key in ('backbone', 'neck') if model.get(key)])
    if not parts:
        raise InputError(
            f'{component_name(model)} has no backbone whose maps a focus head could see'
        )
    try:
        maps = torch.zeros(1, parts[0].get('in_channels', 3), _SIDE, _SIDE)
        with DefaultScope.overwrite_default_scope('mmdet'), torch.no_grad():
            for part in parts:
                built = MODELS.build(part)
                built.eval()  # which gives back nothing for some
                maps = built(maps)
    except Exception as error:  # some need a GPU or a package
        message = ' '.join(str(error).split())[:200]
        raise InputError(
            f'the maps of {component_name(model)} cannot be looked at for a focus head '
            f'({type(error).__name__}: {message}): write FocusDetector into the config by hand'
        ) from error
    return list(maps) if isinstance(maps, (tuple, list)) else [maps]


def _image_sizes(pyramid: Pyramid, images: dict, changes: Changes) -> Sequence[tuple[float, float]]:
    """Width and height of typical images, as far as levels depend on them."""
    if all(isinstance(level, float) for level in pyramid.levels):
        return COCO_SIZES
    if is_there(images):
        table = boxes_of(images)
        return list(zip(table.widths.tolist(), table.heights.tolist()))
    changes.note(
        'without the annotations of the tested images the sizes of the focus head are for images '
        'as large as those of COCO'
    )
    return COCO_SIZES
