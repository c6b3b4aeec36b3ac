"""The steps of pipelines: which ones chips take the place of, which stay, which cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from mmcv import transforms as mmcv_transforms
from mmdet.datasets import transforms
from mmdet.datasets.transforms import RandomSamplingNegPos
from mmdet.registry import TRANSFORMS

from mmsniper.datasets.transforms.moving import CROPPING, MIXING, RESIZING
from mmsniper.errors import InputError

from .changes import Changes, listed
from .components import component_class, component_name, is_component

# What chips are instead of: images resized to some scale, cut at random, or put together.
REPLACED = (*RESIZING, *CROPPING, *MIXING)
LOADING_IMAGES = (
    mmcv_transforms.LoadImageFromFile,
    transforms.LoadMultiChannelImageFromFiles,
    transforms.LoadProposals,
)
LOADING_ANNOTATIONS = (mmcv_transforms.LoadAnnotations, transforms.LoadEmptyAnnotations)
# Transforms that hold others, and the argument with these.
HOLDERS = {
    transforms.AutoAugment: 'policies',
    transforms.RandAugment: 'aug_space',
    mmcv_transforms.RandomChoice: 'transforms',
    mmcv_transforms.RandomApply: 'transforms',
    transforms.RandomOrder: 'transforms',
    transforms.ProposalBroadcaster: 'transforms',
}
REFUSED = {
    transforms.MultiBranch: 'makes several images of one',
    mmcv_transforms.KeyMapper: 'runs transforms on other keys',
    mmcv_transforms.TestTimeAug: 'makes several images of one',
    mmcv_transforms.MultiScaleFlipAug: 'makes several images of one',
    RandomSamplingNegPos: 'is for detectors with text prompts, which are not supported,',
}
_SUSPICIOUS = re.compile(r'crop|mosaic|mix|resize|rescale|tile|patch|slic|zoom', re.IGNORECASE)
_OURS = ('mmdet.', 'mmcv.', 'mmsniper.', 'mmengine.')


def all_steps(steps: Sequence[dict]) -> Iterator[dict]:
    """All transforms of a pipeline, those inside of others included."""
    for step in steps:
        if isinstance(step, (list, tuple)):
            yield from all_steps(step)
        elif isinstance(step, dict):
            yield step
            holder = _holder_key(step)
            if holder and isinstance(step.get(holder), (list, tuple)):
                yield from all_steps(step[holder])


def _holder_key(step: dict) -> str | None:
    for holder, key in HOLDERS.items():
        if is_component(TRANSFORMS, step, holder):
            return key
    return None


def check_steps(steps: Sequence[dict], where: str) -> None:
    """Raise an InputError for a step that cannot be put behind chips.

    Args:
        steps (Sequence[dict]): A pipeline.
        where (str): The key of its data loader.

    Raises:
        InputError: One sentence that names it and says what to do.
    """
    for step in all_steps(steps):
        name, found = component_name(step), component_class(TRANSFORMS, step)
        if found is None:
            raise InputError(
                f'transform {name} in the pipeline of {where} is not registered, so nobody knows '
                'whether it crops or mixes images; add its module to custom_imports, or take it out'
            )
        for refused, what in REFUSED.items():
            if issubclass(found, refused):
                raise InputError(
                    f'transform {name} in the pipeline of {where} {what} and cannot be put behind '
                    'chips; take it out of the pipeline'
                )
        own = not found.__module__.startswith(_OURS)
        if own and not issubclass(found, REPLACED):
            if _SUSPICIOUS.search(name) or mixes_images(step):
                raise InputError(
                    f'transform {name} in the pipeline of {where} seems to crop, resize or mix '
                    'images by itself, and sniperize does not know how to replace it with chips; '
                    'take it out of the pipeline, and put what else it does into a transform of '
                    'its own'
                )


def mixes_images(step: dict) -> bool:
    """Whether a step asks ``MultiImageMixDataset`` for other images."""
    found = component_class(TRANSFORMS, step)
    # Not by hasattr, since mmcv's cache_randomness cannot be looked up in a class.
    return any('get_indexes' in vars(base) for base in found.__mro__)


def note_special_steps(steps: Sequence[dict], changes: Changes) -> None:
    """Note what is to be known of steps that stay."""
    for step in all_steps(steps):
        found = component_class(TRANSFORMS, step)
        if not found.__module__.startswith(_OURS) and not issubclass(found, REPLACED):
            changes.note(
                f'{component_name(step)} is not of MMDetection and was kept; make sure that it '
                'neither crops nor resizes'
            )
        if issubclass(found, transforms.InstaBoost):
            changes.note(
                'InstaBoost moves objects in the whole image, before the chip is cut: what it '
                'moves over the border of the chip is ignored'
            )


def is_for_testing(step: dict) -> bool:
    """Whether a step that crops in training is one that a head needs in testing."""
    return is_component(TRANSFORMS, step, transforms.RandomCenterCropPad) and bool(
        step.get('test_mode')
    )


def without_replaced(
    steps: Sequence, removed: list[str], keep: Callable[[dict], bool] = lambda step: False
) -> list:
    """The steps without those that chips take the place of.

    Args:
        steps (Sequence): A pipeline, or a list of such.
        removed (list[str]): Takes the names of what is left out.
        keep (Callable): Says of a step whether it stays all the same.

    Returns:
        list: Copies of the others.
    """
    kept = []
    for step in steps:
        if isinstance(step, (list, tuple)):
            kept.append(without_replaced(step, removed, keep))
            continue
        if is_component(TRANSFORMS, step, *REPLACED) and not keep(step):
            removed.append(component_name(step))
            continue
        key = _holder_key(step)
        if key and isinstance(step.get(key), (list, tuple)):
            before = len(removed)
            left = without_replaced(step[key], removed, keep)
            if len(removed) > before:
                if not any(left):  # nothing but what was taken out
                    removed[before:] = [f'{component_name(step)} of {listed(removed[before:])}']
                    continue
                step = dict(step, **{key: left})
        kept.append(dict(step))
    return kept
