"""Pipelines of whole images turned into pipelines of chips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmcv import transforms as mmcv_transforms
from mmdet.datasets import transforms
from mmdet.datasets.transforms import PackDetInputs, RandomSamplingNegPos
from mmdet.registry import TRANSFORMS

from mmsniper.datasets.transforms import PackChipInputs
from mmsniper.datasets.transforms.pack_chip_inputs import META_KEYS
from mmsniper.errors import InputError

from .changes import Changes, listed
from .components import component_class, component_name, is_component

# What chips are instead of: images resized to some scale, cut at random, or put together.
RESIZING = (
    mmcv_transforms.Resize,
    mmcv_transforms.RandomResize,
    mmcv_transforms.RandomChoiceResize,
    transforms.ResizeShortestEdge,
)
CROPPING = (
    transforms.RandomCrop,
    transforms.MinIoURandomCrop,
    transforms.Expand,
    transforms.RandomCenterCropPad,
    transforms.RandomShift,
    mmcv_transforms.CenterCrop,
)
MIXING = (
    transforms.Mosaic,
    transforms.CachedMosaic,
    transforms.MixUp,
    transforms.CachedMixUp,
    transforms.RandomAffine,
)
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
_RESIZE_KEYS = ('backend', 'interpolation', 'clip_object_border')


@dataclass(frozen=True)
class PipelineSettings:
    """What pipelines of chips are made with.

    Attributes:
        mode (str): Of ``ScaleNormalize``.
        fill_value (tuple[float, ...], optional): What 'erase' fills with; None for its default.
        pad_side (int): Side of a training image where it has to be padded to a fixed size.
        pad_divisor (int): What the sides of views are padded to multiples of where they have to be.
    """

    mode: str = 'ignore'
    fill_value: tuple[float, ...] | None = None
    pad_side: int = 512
    pad_divisor: int = 32


def convert_train_pipeline(
    inner: Sequence[dict],
    outer: Sequence[dict] | None,
    settings: PipelineSettings,
    changes: Changes,
) -> tuple[list[dict], list[dict] | None]:
    """Turn a training pipeline into one of chips.

    Args:
        inner (Sequence[dict]): The pipeline of the images.
        outer (Sequence[dict], optional): The pipeline of a ``MultiImageMixDataset`` around.
        settings (PipelineSettings): What to make it with.
        changes (Changes): Takes what was changed.

    Returns:
        tuple: The pipeline of ``ChipDataset``, and that of the ``MultiImageMixDataset`` around it,
        or None if there is none or if it has no images to mix any more.

    Raises:
        InputError: The pipeline has a step that cannot be replaced.
    """
    everything = [*inner, *(outer or ())]
    _check(everything, 'train_dataloader')
    if not any(is_component(TRANSFORMS, step, *LOADING_IMAGES) for step in inner):
        raise InputError(
            "the pipeline of train_dataloader does not begin with LoadImageFromFile's image, so "
            'there is nothing to cut chips from'
        )
    if not any(is_component(TRANSFORMS, step, *LOADING_ANNOTATIONS) for step in inner):
        raise InputError('the pipeline of train_dataloader has no LoadAnnotations')
    resize = _resize_arguments(everything)
    removed: list[str] = []
    inner = _without(inner, removed)
    outer = None if outer is None else _without(outer, removed)
    mixes = [
        step for step in outer or () if hasattr(component_class(TRANSFORMS, step), 'get_indexes')
    ]
    if outer is not None and not mixes:
        changes.change(
            'MultiImageMixDataset taken away: '
            'without the steps below it has no images to put together'
        )
        inner, outer = [*inner, *outer], None
    steps = [_load_intact(step) for step in inner]
    last = max(
        index
        for index, step in enumerate(steps)
        if is_component(TRANSFORMS, step, *LOADING_IMAGES, *LOADING_ANNOTATIONS)
    )
    chip_steps = [dict(type='ChipSample'), _scale_normalize(settings, resize)]
    steps[last + 1 : last + 1] = chip_steps
    padding = dict(size=(settings.pad_side, settings.pad_side))
    steps, outer = (
        None if part is None else [_padded(step, padding, changes, 'train') for step in part]
        for part in (steps, outer)
    )
    end = steps if outer is None else outer
    end[-1] = _pack(end[-1], 'train_dataloader')
    if removed:
        changes.change(
            f'train pipeline: {listed(removed)} taken out; chips take the place of resized, '
            'cropped or mixed images'
        )
    kept = [
        component_name(step)
        for step in [*steps[last + 3 :], *(outer or ())]
        if not is_component(TRANSFORMS, step, PackDetInputs)
    ]
    mode = '' if settings.mode == 'ignore' else f'(mode={settings.mode!r})'
    changes.change(
        f'train pipeline: LoadIntactImage, ChipSample, ScaleNormalize{mode} and PackChipInputs put '
        f'in; {listed(kept) or "nothing else"} kept in order'
    )
    _note_custom(everything, changes)
    return steps, outer


def convert_test_pipeline(
    pipeline: Sequence[dict],
    settings: PipelineSettings,
    changes: Changes,
    where: str,
    drop_masks: bool,
) -> list[dict]:
    """Turn a pipeline of validation or testing into one of views.

    Args:
        pipeline (Sequence[dict]): The pipeline.
        settings (PipelineSettings): What to make it with.
        changes (Changes): Takes what was changed.
        where (str): The key of the data loader.
        drop_masks (bool): Whether no metric reads masks from the data.

    Returns:
        list[dict]: The pipeline of ``ChipDataset(test_mode=True)``.

    Raises:
        InputError: The pipeline has a step that cannot be replaced.
    """
    _check(pipeline, where)
    removed: list[str] = []
    steps = [_load_intact(step) for step in _without(pipeline, removed, keep=_is_for_testing)]
    images = [step for step in steps if is_component(TRANSFORMS, step, *LOADING_IMAGES)]
    if not images:
        raise InputError(f'the pipeline of {where} does not begin with LoadImageFromFile')
    annotations = [step for step in steps if is_component(TRANSFORMS, step, *LOADING_ANNOTATIONS)]
    others = [step for step in steps[:-1] if step not in images and step not in annotations]
    padding = dict(size_divisor=settings.pad_divisor)
    if drop_masks:
        # The metrics of MMDetection read masks from the annotation file.
        annotations = [
            {key: value for key, value in step.items() if key not in ('with_mask', 'poly2mask')}
            for step in annotations
        ]
    return [
        *images,
        dict(type='ChipSample'),
        # What is out of range is for ChipMergeHook to decide.
        _scale_normalize(PipelineSettings(), _resize_arguments(pipeline)),
        *(_padded(step, padding, changes, 'test') for step in others),
        *annotations,
        _pack(steps[-1], where),
    ]


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


def _check(steps: Sequence[dict], where: str) -> None:
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
            if _SUSPICIOUS.search(name) or hasattr(found, 'get_indexes'):
                raise InputError(
                    f'transform {name} in the pipeline of {where} seems to crop, resize or mix '
                    'images by itself, and sniperize does not know how to replace it with chips; '
                    'take it out of the pipeline, and put what else it does into a transform of '
                    'its own'
                )


def _note_custom(steps: Sequence[dict], changes: Changes) -> None:
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


def _is_for_testing(step: dict) -> bool:
    """Whether a step that crops in training is one that a head needs in testing."""
    return is_component(TRANSFORMS, step, transforms.RandomCenterCropPad) and bool(
        step.get('test_mode')
    )


def _without(steps: Sequence, removed: list[str], keep=lambda step: False) -> list:
    """The steps without those that chips take the place of, whose names go into ``removed``."""
    kept = []
    for step in steps:
        if isinstance(step, (list, tuple)):
            kept.append(_without(step, removed, keep))
            continue
        if is_component(TRANSFORMS, step, *REPLACED) and not keep(step):
            removed.append(component_name(step))
            continue
        key = _holder_key(step)
        if key and isinstance(step.get(key), (list, tuple)):
            before = len(removed)
            left = _without(step[key], removed, keep)
            if len(removed) > before:
                if not any(left):  # nothing but what was taken out
                    removed[before:] = [f'{component_name(step)} of {listed(removed[before:])}']
                    continue
                step = dict(step, **{key: left})
        kept.append(dict(step))
    return kept


def _load_intact(step: dict) -> dict:
    exact = component_class(TRANSFORMS, step) is mmcv_transforms.LoadImageFromFile
    if not exact:
        return step
    # Broken images are ChipDataset's affair.
    arguments = {key: value for key, value in step.items() if key not in ('type', 'ignore_empty')}
    return dict(type='LoadIntactImage', **arguments)


def _resize_arguments(steps: Sequence[dict]) -> dict:
    """How the source resizes, besides to which size."""
    for step in all_steps(steps):
        if is_component(TRANSFORMS, step, *RESIZING):
            return {key: step[key] for key in _RESIZE_KEYS if key in step}
    return {}


def _scale_normalize(settings: PipelineSettings, resize: dict) -> dict:
    step = dict(type='ScaleNormalize')
    if settings.mode != 'ignore':
        step['mode'] = settings.mode
        if settings.fill_value is not None:
            step['fill_value'] = settings.fill_value
    return dict(step, **resize)


def _padded(step: dict, padding: dict, changes: Changes, which: str) -> dict:
    """The step, or, where it pads to a size, the step that pads chips or views."""
    if not is_component(TRANSFORMS, step, mmcv_transforms.Pad):
        return step
    if not (step.get('size') or step.get('pad_to_square')):
        return step
    kept = {
        key: value
        for key, value in step.items()
        if key not in ('size', 'pad_to_square', 'size_divisor')
    }
    arguments = ', '.join(f'{key}={value}' for key, value in padding.items())
    changes.change(f'{which} pipeline: {component_name(step)} pads to {arguments}')
    return dict(kept, **padding)


def _pack(step: dict, where: str) -> dict:
    found = component_class(TRANSFORMS, step)
    if found not in (PackDetInputs, PackChipInputs):
        raise InputError(
            f'the pipeline of {where} ends with {component_name(step)}; it must end with '
            'PackDetInputs, whose place PackChipInputs takes'
        )
    extra = [key for key in step.get('meta_keys', ()) if key not in META_KEYS]
    if extra:
        return dict(type='PackChipInputs', meta_keys=(*META_KEYS, *extra))
    return dict(type='PackChipInputs')
