"""Loading the config to convert, and saying what is wrong with those that cannot be converted."""

from __future__ import annotations

import copy
from pathlib import Path

from mmdet import datasets, models
from mmdet.datasets.transforms import LoadPanopticAnnotations, LoadTrackAnnotations
from mmdet.models.detectors.base import BaseDetector
from mmdet.registry import DATASETS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.utils import import_modules_from_strings

from mmsniper.datasets import ChipDataset
from mmsniper.datasets.nesting import nested_configs
from mmsniper.errors import InputError
from mmsniper.utils.configs import config_path

from .components import component_class, component_name, is_component

WRAPPERS = (
    ConcatDataset,
    RepeatDataset,
    ClassBalancedDataset,
    datasets.MultiImageMixDataset,
    ChipDataset,
)
_PANOPTIC = 'panoptic segmentation is not supported: start from a detection or instance'
_TRACKING = 'tracking, video and re-identification are not supported: start from the config of a'
_TEXT = 'detectors with text prompts are not supported: start from the config of a detector with'


def load_source(source: str | Path | Config) -> Config:
    """Load a config by its path or its name.

    Args:
        source (str | Path | Config): A path, ``mmdet::folder/name.py``,
            ``mmsniper::folder/name.py``, or a config, of which a copy is made.

    Returns:
        Config: The config, with what it imports imported.

    Raises:
        InputError: It cannot be loaded.
    """
    if isinstance(source, Config):
        config = copy.deepcopy(source)
        _import(config)
        return config
    name = str(source)
    package, _, rest = name.rpartition('::')
    if package == 'mmsniper':
        name = config_path(rest)
    elif package == 'mmdet':
        name = str(Path(models.__file__).parents[1] / '.mim' / 'configs' / rest)
    elif package:
        raise InputError(f'config {source}: name a file, mmdet::... or mmsniper::...')
    if not Path(name).is_file():
        raise InputError(f'config {source} does not exist')
    if Path(name).suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise InputError(f'config {source} is no .py, .json or .yaml file')
    try:
        config = Config.fromfile(name)
    except Exception as error:  # a config is code, which can fail in any way
        raise InputError(_why_not_loaded(source, error)) from error
    _import(config)
    return config


def _import(config: Config) -> None:
    """Import what the config names, so that its own components are registered."""
    imports = config.get('custom_imports')
    try:
        import_modules_from_strings(**(imports or dict(imports=None)))
    except ImportError as error:
        raise InputError(_why_not_loaded(config.filename, error)) from error


def _why_not_loaded(name: object, error: Exception) -> str:
    if 'mmpretrain' in str(error):
        return (
            f'config {name} needs the package mmpretrain, which is not installed or does not fit: '
            'install it (pip install mmpretrain), or choose a backbone of MMDetection'
        )
    cause = error.__cause__ or error
    message = ' '.join(str(cause).split()) or type(cause).__name__
    return f'config {name} cannot be loaded ({type(cause).__name__}: {message[:300]})'


def check_supported(config: Config) -> None:
    """Raise an InputError for a config that cannot be converted.

    Args:
        config (Config): The source.

    Raises:
        InputError: One sentence that names what is not supported and says what to do.
    """
    check_model(config.get('model'))
    loader = config.get('train_dataloader')
    if not isinstance(loader, dict) or not isinstance(loader.get('dataset'), dict):
        raise InputError(
            'the config has no train_dataloader with a dataset, so there is nothing to train on '
            'chips: start from a config that trains a detector'
        )
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name)
        if isinstance(loader, (list, tuple)):
            raise InputError(f'{name} is a list of data loaders; a single one is supported')
        if isinstance(loader, dict) and isinstance(loader.get('dataset'), dict):
            check_dataset(loader['dataset'], name)
    if not isinstance(config.train_dataloader.get('batch_size'), int):
        raise InputError('train_dataloader has no batch_size; set one')
    if not isinstance(config.get('train_cfg'), dict):
        raise InputError(
            'the config has no train_cfg, which says how long to train; set one, such as '
            "dict(type='EpochBasedTrainLoop', max_epochs=12)"
        )


def check_model(model: object) -> None:
    """Raise an InputError for what is not the config of a detector that can be used on views.

    Args:
        model (object): Its config.
    """
    if not isinstance(model, dict) or 'type' not in model:
        raise InputError(
            'the config has no model, it is a part of configs only: start from a config that '
            'trains a detector'
        )
    name, found = component_name(model), component_class(MODELS, model)
    if found is None:
        raise InputError(
            f'model type {name} is not registered; add the module that defines it to custom_imports'
        )
    if issubclass(found, (models.mot.BaseMOTModel, models.reid.BaseReID)):
        raise InputError(f'model type {name}: {_TRACKING} detector')
    if not issubclass(found, BaseDetector):
        raise InputError(
            f'model type {name} is no detector of MMDetection: start from the config of a detector'
        )
    if issubclass(found, models.SemiBaseDetector):
        raise InputError(
            f'model type {name}: semi-supervised training is not supported: start from the config '
            'of its detector'
        )
    if issubclass(found, models.Detectron2Wrapper):
        raise InputError(
            f'model type {name}: detectors of Detectron2 are not supported: start from the config '
            'of one of MMDetection'
        )
    if issubclass(found, models.TwoStagePanopticSegmentor):
        raise InputError(f'model type {name}: {_PANOPTIC} segmentation config')
    if issubclass(found, (models.GLIP, models.GroundingDINO)) or 'language_model' in model:
        raise InputError(f'model type {name}: {_TEXT} a fixed set of classes')


def check_dataset(dataset: dict, where: str) -> None:
    """Raise an InputError for a dataset that ``ChipDataset`` cannot wrap.

    Args:
        dataset (dict): Its config.
        where (str): The key of the data loader that it is in.

    Raises:
        InputError: Likewise one sentence.
    """
    for config in nested_configs(dataset):
        name, found = component_name(config), component_class(DATASETS, config)
        if found is None:
            raise InputError(
                f'dataset type {name} in {where} is not registered; add the module that defines it '
                'to custom_imports, or convert the annotations to COCO format and use CocoDataset'
            )
        tracking = (datasets.BaseVideoDataset, datasets.ReIDDataset)
        if issubclass(found, tracking):
            raise InputError(f'dataset type {name} in {where}: {_TRACKING} detector')
        if issubclass(found, datasets.CocoPanopticDataset):
            raise InputError(f'dataset type {name} in {where}: {_PANOPTIC} segmentation config')
        if issubclass(found, datasets.ODVGDataset):
            raise InputError(f'dataset type {name} in {where}: {_TEXT} a fixed set of classes')
        if not issubclass(found, (*WRAPPERS, datasets.BaseDetDataset)):
            raise InputError(
                f'dataset type {name} in {where} is no detection dataset of MMDetection: derive it '
                'from BaseDetDataset, or convert the annotations to COCO format and use CocoDataset'
            )
        for step in config.get('pipeline') or ():
            if is_component(TRANSFORMS, step, LoadPanopticAnnotations):
                raise InputError(f'{component_name(step)} in {where}: {_PANOPTIC} config')
            if is_component(TRANSFORMS, step, LoadTrackAnnotations):
                raise InputError(f'{component_name(step)} in {where}: {_TRACKING} detector')
