"""What of a detector itself has to fit chips, besides how it ignores."""

from __future__ import annotations

from collections.abc import Iterator

from mmdet import models
from mmdet.models.data_preprocessors import BatchFixedSizePad, BatchResize, BatchSyncRandomResize
from mmdet.registry import MODELS

from .changes import Changes, listed
from .components import component_class, component_name, is_component
from .pipelines import IMAGENET_MEAN

# Heads that make bitmaps of the whole image, and those that do not. Exactly these classes:
# subclasses do something of their own where ours would not.
RLE_HEADS = {
    models.FCNMaskHead: 'RLEFCNMaskHead',
    models.CondInstMaskHead: 'RLECondInstMaskHead',
}
# Heads that chips with few objects or none stop or throw off course.
FEW_OBJECTS_HEADS = {
    models.MultiInstanceRoIHead: (
        'ChipMultiInstanceRoIHead',
        'trains on chips with fewer than two objects as well',
    ),
    models.PointRendRoIHead: ('ChipPointRendRoIHead', 'trains on batches without an object too'),
    models.YOLACTHead: (
        'ChipYOLACTHead',
        'learns from three anchors of a chip without an object, not from all',
    ),
}
# Heads that a batch without an object gives no gradient, which stops several processes.
WITHOUT_GRADIENT = (
    models.CondInstBboxHead,
    models.CornerHead,
    models.FoveaHead,
    models.GridRoIHead,
    models.RTMDetInsHead,
    models.SCNetRoIHead,
    models.SOLOV2Head,
    models.YOLOFHead,
)


def nested_dicts(config: object) -> Iterator[dict]:
    """All dicts in a config, itself included."""
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from nested_dicts(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from nested_dicts(value)


def _parts_of_heads(model: dict) -> Iterator[dict]:
    """The configs of a detector's heads and of what is in them."""
    heads = {key: value for key, value in model.items() if 'head' in key}
    return (part for part in nested_dicts(heads) if 'type' in part)


def hand_over_masks_as_rle(model: dict, changes: Changes) -> None:
    """Let heads that fill memory with bitmaps hand over run lengths instead, in place."""
    for part in _parts_of_heads(model):
        replacement = RLE_HEADS.get(component_class(MODELS, part))
        if replacement:
            changes.change(
                f'model: {component_name(part)} to {replacement}, with the same parameters, whose '
                'masks of large images fit into memory'
            )
            part['type'] = replacement


def allow_few_objects(model: dict, changes: Changes) -> None:
    """Let detectors train on chips that show one object or none, in place."""
    for part in _parts_of_heads(model):
        kind = component_class(MODELS, part)
        if kind in FEW_OBJECTS_HEADS:
            replacement, what = FEW_OBJECTS_HEADS[kind]
            changes.change(
                f'model: {component_name(part)} to {replacement}, with the same parameters, which '
                f'{what}'
            )
            part['type'] = replacement


def allow_missing_gradients(config: dict, source: dict, changes: Changes) -> None:
    """Let several processes train heads that learn nothing from some batches, in place.

    Args:
        config (dict): The converted config.
        source (dict): The model of the config that it was made of, with MMDetection's own heads.
        changes (Changes): Takes what was changed.
    """
    if config.get('model_wrapper_cfg') or config.get('find_unused_parameters'):
        return
    for part in _parts_of_heads(source):
        if is_component(MODELS, part, *WITHOUT_GRADIENT):
            config['find_unused_parameters'] = True
            changes.change(
                f'find_unused_parameters: set, since {component_name(part)} has weights that learn '
                'nothing from a batch without an object, which several processes could not train'
            )
            return


def fit_batch_augments(model: dict, side: int, changes: Changes) -> None:
    """Take batches to the size of chips, not to that of images, in place.

    Args:
        model (dict): Config of the detector.
        side (int): Of a batch of chips.
        changes (Changes): Takes what was changed.
    """
    preprocessor = model.get('data_preprocessor') or {}
    augments = preprocessor.get('batch_augments')
    if not augments:
        return
    kept, removed = [], []
    for augment in augments:
        if is_component(MODELS, augment, BatchSyncRandomResize, BatchResize):
            removed.append(component_name(augment))
            continue
        if is_component(MODELS, augment, BatchFixedSizePad):
            augment = dict(augment, size=(side, side))
            changes.change(f'model: {component_name(augment)} pads batches to {side}x{side}')
        kept.append(augment)
    if removed:
        changes.change(f'model: {listed(removed)} taken out, chips have their size')
    preprocessor['batch_augments'] = kept or None


def pads_itself(model: dict) -> bool:
    """Whether the model's preprocessor pads its input to what the model needs."""
    preprocessor = model.get('data_preprocessor') or {}
    return (preprocessor.get('pad_size_divisor') or 1) > 1 or bool(
        preprocessor.get('batch_augments')
    )


def mean_of_input(model: dict) -> tuple[float, ...] | None:
    """The mean that the model takes off its input, in the order of a loaded image (BGR).

    Returns:
        tuple, optional: None if it is ImageNet's or there is none.
    """
    preprocessor = model.get('data_preprocessor') or {}
    mean = preprocessor.get('mean')
    if mean is None:
        return None
    mean = tuple(mean)[::-1] if preprocessor.get('bgr_to_rgb') else tuple(mean)
    return None if mean == IMAGENET_MEAN else mean


def merging_settings(model: dict) -> dict:
    """How ``ChipMergeHook`` merges, so that the model's own limits hold for the whole image.

    Args:
        model (dict): Config of the detector.

    Returns:
        dict: What differs from the hook's defaults.
    """
    settings = model.get('test_cfg') or {}
    stage = settings.get('rcnn') or (settings.get('rpn') if 'rcnn' not in settings else None)
    settings = stage if isinstance(stage, dict) else settings
    chosen = {}
    nms = settings.get('nms')
    if isinstance(nms, dict) and nms.get('type', 'nms') in ('nms', 'soft_nms'):
        threshold = nms.get('iou_threshold', nms.get('iou_thr'))
        if isinstance(threshold, float) and (nms.get('type') == 'soft_nms' or threshold != 0.5):
            chosen['nms'] = dict(type=nms.get('type', 'nms'), iou_threshold=threshold)
    if settings.get('max_per_img') not in (None, 100):
        chosen['max_per_image'] = settings['max_per_img']
    return chosen


def any_proposal_size(model: dict, changes: Changes) -> None:
    """Let proposals be of any size where chips of several ranges are put together, in place."""
    for part in nested_dicts(model.get('train_cfg') or {}):
        if 'type' in part and component_name(part) == 'ValidRangeAssigner':
            part['use_proposal_size'] = False
            changes.change(
                'model: ValidRangeAssigner(use_proposal_size=False), since objects of chips with '
                'other valid ranges are put in'
            )
