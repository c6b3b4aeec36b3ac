"""Pipelines of whole images turned into pipelines of chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcv import transforms as mmcv_transforms
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS

from mmsniper.datasets.transforms import LoadIntactImage, PackChipInputs
from mmsniper.datasets.transforms.pack_chip_inputs import META_KEYS
from mmsniper.errors import InputError

from .changes import Changes, listed
from .components import component_class, component_name, is_component
from .steps import (
    LOADING_ANNOTATIONS,
    LOADING_IMAGES,
    RESIZING,
    all_steps,
    check_steps,
    is_for_testing,
    mixes_images,
    note_special_steps,
    without_replaced,
)

IMAGENET_MEAN = (103.53, 116.28, 123.675)  # of blue, green, red, as images are loaded
_RESIZE_KEYS = ('backend', 'interpolation', 'clip_object_border')


@dataclass(frozen=True)
class PipelineSettings:
    """What pipelines of chips are made with.

    Attributes:
        mode (str): Of ``ScaleNormalize``.
        fill_value (tuple[float, ...], optional): What 'erase' fills with; None for its default.
        pad_side (int): Side of a training image where it has to be padded to a fixed size.
        pad_divisor (int, optional): What the sides of views are padded to multiples of where they
            have to be; None to pad them as the source does.
        needs_fixed_size (bool): Whether inputs of the training had one size, as the heads may need.
    """

    mode: str = 'ignore'
    fill_value: tuple[float, ...] | None = None
    pad_side: int = 512
    pad_divisor: int | None = 32
    needs_fixed_size: bool = False


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
    check_steps(everything, 'train_dataloader')
    if not any(is_component(TRANSFORMS, step, *LOADING_IMAGES) for step in inner):
        raise InputError(
            'the pipeline of train_dataloader loads no image; begin it with LoadImageFromFile'
        )
    if not any(is_component(TRANSFORMS, step, *LOADING_ANNOTATIONS) for step in inner):
        raise InputError('the pipeline of train_dataloader has no LoadAnnotations')
    resize = _resize_arguments(everything)
    removed: list[str] = []
    inner = without_replaced(inner, removed)
    outer = None if outer is None else without_replaced(outer, removed)
    if outer is not None and not any(mixes_images(step) for step in outer):
        changes.change(
            'MultiImageMixDataset taken away: '
            'without the steps below it has no images to put together'
        )
        inner, outer = [*inner, *outer], None
    steps = [_load_chip(step) for step in inner]
    last = max(
        index
        for index, step in enumerate(steps)
        if is_component(TRANSFORMS, step, *LOADING_IMAGES, *LOADING_ANNOTATIONS)
    )
    chip_steps = [dict(type='ChipSample'), _scale_normalize(settings, resize)]
    steps[last + 1 : last + 1] = chip_steps
    padding = dict(size=(settings.pad_side, settings.pad_side))
    padded = any(is_component(TRANSFORMS, step, mmcv_transforms.Pad) for step in steps)
    steps, outer = (
        None if part is None else [_padded(step, padding, changes, 'train') for step in part]
        for part in (steps, outer)
    )
    if (settings.needs_fixed_size or outer is not None) and not padded:
        changes.change(f'train pipeline: Pad(size={padding["size"]}) added, for inputs of one size')
        mean = settings.fill_value or IMAGENET_MEAN
        position = len(steps) - (outer is None)  # the last step packs
        steps.insert(position, dict(type='Pad', **padding, pad_val=dict(img=mean)))
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
        f'train pipeline: LoadChip, ChipSample, ScaleNormalize{mode} and PackChipInputs put in; '
        f'{listed(kept) or "nothing else"} kept in order'
    )
    note_special_steps(everything, changes)
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
    check_steps(pipeline, where)
    removed: list[str] = []
    steps = [_load_chip(step) for step in without_replaced(pipeline, removed, keep=is_for_testing)]
    images = [step for step in steps if is_component(TRANSFORMS, step, *LOADING_IMAGES)]
    if not images:
        raise InputError(f'the pipeline of {where} loads no image; begin it with LoadImageFromFile')
    annotations = [step for step in steps if is_component(TRANSFORMS, step, *LOADING_ANNOTATIONS)]
    others = [step for step in steps[:-1] if step not in images and step not in annotations]
    padding = None if settings.pad_divisor is None else dict(size_divisor=settings.pad_divisor)
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


def _load_chip(step: dict) -> dict:
    loader = component_class(TRANSFORMS, step)
    if loader not in (mmcv_transforms.LoadImageFromFile, LoadIntactImage):
        return step
    # Broken images are ChipDataset's affair.
    arguments = {key: value for key, value in step.items() if key not in ('type', 'ignore_empty')}
    return dict(type='LoadChip', **arguments)


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


def _padded(step: dict, padding: dict | None, changes: Changes, which: str) -> dict:
    """The step, or, where it pads to a size, the step that pads chips or views."""
    if padding is None or not is_component(TRANSFORMS, step, mmcv_transforms.Pad):
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
