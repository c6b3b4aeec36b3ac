"""A detector as it is used: from a config and weights, with what its config says of testing."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmdet.evaluation import get_classes
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import _load_checkpoint as load_checkpoint
from torch import nn

from mmsniper.conversion.changes import Changes
from mmsniper.conversion.components import component_class
from mmsniper.conversion.detector import hand_over_masks_as_rle, nested_dicts
from mmsniper.conversion.least_size import fit_least_size
from mmsniper.conversion.source import check_model, load_source
from mmsniper.datasets.nesting import nested_configs
from mmsniper.errors import InputError
from mmsniper.utils.checkpoint_address import local_checkpoint

from .view_settings import ViewSettings, view_settings


@dataclass(frozen=True, eq=False)
class Detector:
    """A detector and how it is shown pictures.

    Attributes:
        model: In evaluation mode, on its device.
        classes: The names of its classes.
        views: What of a picture it looks at, and how.
    """

    model: nn.Module = field(repr=False)
    classes: Sequence[str]
    views: ViewSettings


def load_detector(
    model: str | Path | Config | nn.Module | None,
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    **chosen: object,
) -> Detector:
    """Make a detector ready for use.

    Args:
        model: A config, its path or its name (``mmsniper::folder/name.py``,
            ``mmdet::folder/name.py``), or a detector that has been built and carries its config as
            ``cfg``, as one of ``mmdet.apis.init_detector`` does. None for the config that is
            stored with the weights.
        weights: A checkpoint; None for a model that has its weights.
        device: Where to; None for a GPU if there is one.
        **chosen: What of :class:`mmsniper.inference.ViewPlan` is to be another than the config has;
            None is not.

    Raises:
        InputError: There is no such config or checkpoint, or the two do not belong together.
    """
    built = model if isinstance(model, nn.Module) else None
    checkpoint = None if weights is None else read_checkpoint(weights)
    config = _config_of(model, weights, checkpoint)
    init_default_scope(config.get('default_scope') or 'mmdet')
    check_model(config.get('model'))
    if built is None and weights is None:
        raise InputError('a config without weights detects nothing: give a checkpoint')
    views = view_settings(config, **chosen)
    if built is None:
        built = _build(config)
    if checkpoint is not None:
        load_weights(built, checkpoint, weights)
    device = device or _best_device(built if model is built else None)
    try:
        built.to(device).eval()
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f'the model cannot be brought to device {str(device)!r}: {reason}'
        ) from error
    return Detector(built, _classes(built, checkpoint, config), views)


def read_checkpoint(path: str | Path) -> Mapping:
    """The content of a checkpoint, on the CPU.

    Raises:
        InputError: It cannot be read, or holds no weights.
    """
    path = local_checkpoint(path)
    try:
        content = load_checkpoint(str(path), map_location='cpu')
    except Exception as error:  # of many types, where the file is something else
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
        raise InputError(f'{path} cannot be read as a checkpoint: {reason}') from error
    if not isinstance(content, Mapping):
        raise InputError(f'{path} is no checkpoint, but holds a {type(content).__name__}')
    return content


def load_weights(model: nn.Module, checkpoint: Mapping, name: str | Path) -> None:
    """Give a model the weights of a checkpoint.

    Args:
        model: The model.
        checkpoint: The content of the file.
        name: Of the file, for errors.

    Raises:
        InputError: It is of another model: weights are missing or of another shape. Those that the
            model has no use for are counted in the log.
    """
    state = checkpoint.get('state_dict', checkpoint)
    state = {key[7:] if key.startswith('module.') else key: value for key, value in state.items()}
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith('num_batches_tracked')]
    misshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or misshaped:
        what = [f'{len(missing)} weights are missing, such as {missing[0]}'] if missing else []
        if misshaped:
            key = misshaped[0]
            what.append(
                f'{len(misshaped)} are of another shape, such as {key} of '
                f'{tuple(state[key].shape)} in place of {tuple(own[key].shape)}'
            )
        raise InputError(
            f'checkpoint {name} is of another model than that of the config: '
            f'of {len(own)} weights {" and ".join(what)}'
        )
    unknown = [key for key in state if key not in own]
    if unknown:
        print_log(
            f'checkpoint {name} has {len(unknown)} weights that the model has no use for, such as '
            f'{unknown[0]}',
            'current',
            logging.WARNING,
        )
    model.load_state_dict(state, strict=False)


def _config_of(model: object, weights: object, checkpoint: Mapping | None) -> Config:
    """The config of whatever was given as a model, a copy."""
    if isinstance(model, nn.Module):
        config = getattr(model, 'cfg', None)
        if not isinstance(config, Config):
            raise InputError(
                f'the model, a {type(model).__name__}, has no config in its attribute cfg, which '
                'says how it is tested: set it, or give the config and a checkpoint'
            )
        return load_source(config)
    if model is not None:
        if isinstance(model, Mapping):
            model = Config(dict(model))
        return load_source(model)
    if checkpoint is None:
        raise InputError('give a config, a checkpoint with a config in it, or a model')
    text = checkpoint.get('meta', {}).get('cfg')
    if not isinstance(text, str):
        raise InputError(f'checkpoint {weights} holds no config: give one beside it')
    return load_source(Config.fromstring(text, file_format='.py'))


def _best_device(model: nn.Module | None) -> torch.device:
    if model is not None:  # which is somewhere already
        return next((each.device for each in model.parameters()), torch.device('cpu'))
    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def _build(config: Config) -> nn.Module:
    settings = copy.deepcopy(config.model.to_dict())
    if config.get('data_preprocessor') is not None:
        settings.setdefault('data_preprocessor', copy.deepcopy(config.data_preprocessor.to_dict()))
    hand_over_masks_as_rle(settings, Changes())
    fit_least_size(settings, Changes())
    for part in nested_dicts(settings):
        # What weights of the checkpoint replace is not initialised from others.
        if 'checkpoint' in str(part.get('init_cfg')):
            part['init_cfg'] = None
    # Detectors read their settings as attributes.
    return revert_sync_batchnorm(MODELS.build(Config(dict(model=settings)).model))


def _classes(model: nn.Module, checkpoint: Mapping | None, config: Config) -> tuple[str, ...]:
    """The names of the classes: from the weights, the model, or the config."""
    meta = (checkpoint or {}).get('meta') or {}
    places = (
        {key.lower(): value for key, value in (meta.get('dataset_meta') or {}).items()},
        {'classes': meta.get('CLASSES')},
        getattr(model, 'dataset_meta', None) or {},
        _dataset_meta(config),
    )
    found = next((place['classes'] for place in places if place.get('classes')), None)
    classes = (found,) if isinstance(found, str) else tuple(found or get_classes('coco'))
    number = _num_classes(config.model)
    if number is not None and number != len(classes):
        if found:
            print_log(
                f'the detector has {number} classes, but {len(classes)} names are known of them: '
                'they are called by numbers',
                'current',
                logging.WARNING,
            )
        classes = tuple(f'class-{index}' for index in range(number))
    return classes


def _num_classes(model: Mapping) -> int | None:
    """How many classes the heads of a detector tell apart; None if they do not say."""
    heads = [model.get('bbox_head'), model.get('mask_head')]
    roi = model.get('roi_head') or {}
    if roi:
        heads = [roi.get('bbox_head')]
    for head in heads:
        head = head[-1] if isinstance(head, (list, tuple)) and head else head
        if isinstance(head, Mapping) and 'num_classes' in head:
            return head['num_classes']
    return None


def _dataset_meta(config: Config) -> Mapping:
    for loader in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        dataset = (config.get(loader) or {}).get('dataset')
        if not isinstance(dataset, dict):
            continue
        for inner in nested_configs(dataset):
            if (inner.get('metainfo') or {}).get('classes'):
                return inner['metainfo']
            kind = component_class(DATASETS, inner)
            if getattr(kind, 'METAINFO', {}).get('classes'):
                return kind.METAINFO
    return {}
