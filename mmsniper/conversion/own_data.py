"""A config of the zoo put on other data: annotation files, pictures, classes, levels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.config import Config

from mmsniper.analysis.coco_boxes import pool_annotations, sample_images
from mmsniper.analysis.scale_notes import COSTLY_TESTING
from mmsniper.analysis.scale_proposal import BUDGET, MAX_IMAGES, SINGLE_SCALE, propose
from mmsniper.analysis.scale_statistics import tile_size_in_testing
from mmsniper.chips import Pyramid
from mmsniper.errors import InputError
from mmsniper.utils.json_file import read_json

from .changes import Changes
from .components import component_name, is_component
from .dataloaders import take_apart
from .recipe import Recipe

_CLASS_KEYS = 'num_classes', 'num_things_classes'


@dataclass(frozen=True)
class OwnData:
    """Data in COCO format to put into a config.

    Attributes:
        annotations (str): The annotation file of the training.
        images (str): The folder of its pictures.
        val_annotations (str, optional): That of validation and test. Defaults to the training's.
        val_images (str, optional): Defaults to ``images``.
        classes (Sequence[str], optional): Names of those that are wanted. Defaults to all
            categories of the annotation file, in its order.
    """

    annotations: str
    images: str
    val_annotations: str | None = None
    val_images: str | None = None
    classes: Sequence[str] | None = None

    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of their labels.

        Raises:
            InputError: The annotation file cannot be used, or has no class of a wanted name.
        """
        content = read_json(self.annotations, 'annotation file')
        categories = content.get('categories') if isinstance(content, dict) else None
        if not isinstance(categories, list) or not categories:
            raise InputError(f'annotation file {self.annotations} has no categories: add them')
        names = tuple(str(category.get('name')) for category in categories)
        for name in self.classes or ():
            if name not in names:
                raise InputError(
                    f'annotation file {self.annotations} has no category {name}, but '
                    f'{", ".join(names)}'
                )
        return tuple(self.classes or names)

    def check(self) -> None:
        """Raise an InputError for a folder or file that is not there."""
        for folder in (self.images, self.val_images):
            if folder is not None and not Path(folder).is_dir():
                raise InputError(f'folder {folder} of pictures does not exist')
        for file in (self.annotations, self.val_annotations):
            if file is not None and not Path(file).is_file():
                raise InputError(f'annotation file {file} does not exist')


def put_in(config: Config, data: OwnData, changes: Changes) -> Config:
    """The config of whole images on other data, before it is turned into one of chips.

    Args:
        config (Config): It stays as it is.
        data (OwnData): The data.
        changes (Changes): Takes what was decided.

    Returns:
        Config: The same with other datasets, evaluators and numbers of classes.

    Raises:
        InputError: The data cannot be used, or the config has datasets that cannot be replaced.
    """
    data.check()
    config, names = copy.deepcopy(config), data.class_names()
    metainfo = dict(classes=names)
    train = _coco(data.annotations, data.images, metainfo)
    train['filter_cfg'] = dict(filter_empty_gt=False)
    _replace(config, 'train_dataloader', train, changes)
    val_file = data.val_annotations or data.annotations
    val = _coco(val_file, data.val_images or data.images, metainfo)
    for part in ('val', 'test'):
        if config.get(f'{part}_dataloader'):
            _replace(config, f'{part}_dataloader', dict(val, test_mode=True), changes)
            config[f'{part}_evaluator'] = _evaluator(config.get(f'{part}_evaluator'), val_file)
    shown = ', '.join(names[:5]) + ', ...' * (len(names) > 5)
    count = f'{len(names)} class{"es" * (len(names) > 1)}'
    changes.change(f'data: {data.annotations} and {val_file}, {count} ({shown})')
    if data.val_annotations is None:
        changes.note(
            'validation and test are on the training data, since there is no --val: their figures '
            'say nothing about other pictures'
        )
    set_num_classes(config.model, len(names), changes)
    return config


def proposed_recipe(data: OwnData, changes: Changes) -> Recipe:
    """Levels, valid ranges and chips as ``analyze_scales`` proposes them for the training.

    Raises:
        InputError: The annotation file has nothing to train on.
    """
    annotations = pool_annotations([data.annotations]).annotations
    proposal = propose(
        annotations,
        BUDGET,
        Pyramid([SINGLE_SCALE], [(-1, -1)]),
        sample=sample_images(annotations, MAX_IMAGES, 0),
    )
    recipe = Recipe(
        proposal.pyramid.levels,
        proposal.pyramid.valid_ranges,
        chip_size=proposal.chip_size,
        tile_size=tile_size_in_testing(annotations, proposal.pyramid, proposal.chip_size),
    )
    settings, cost = recipe.train_settings(), proposal.cost
    changes.change(
        f'levels: {settings["levels"]} for sizes {settings["valid_ranges"]}, chips of '
        f'{recipe.chip_size}, as analyze_scales proposes; an image costs {cost.mpx_per_image:.2f} '
        f'Mpx in training and {cost.mpx_testing:.2f} in testing, where the single scale '
        f'{SINGLE_SCALE} has {cost.mpx_single_scale:.2f}'
    )
    if cost.relative_testing > COSTLY_TESTING:
        changes.note(
            f'testing looks at {cost.relative_testing:.0f} times the pixels of the single scale: '
            '--focus spares most of them, or take levels of analyze_scales --test-budget as '
            '--recipe'
        )
    return recipe


def set_num_classes(model: dict, number: int, changes: Changes) -> None:
    """Give the heads of a detector another number of classes, in place.

    What has the number of classes of the source's boxes gets the new one, and so do weights of the
    classes in losses, one for each and one for the background.
    """
    before = _first_number(model)
    if before is None:
        changes.note('the model has no num_classes: set what stands for it yourself')
        return
    if before != number:
        _set_everywhere(model, before, number)
        changes.change(f'model: num_classes {before} to {number}')


def _coco(annotations: str, images: str, metainfo: dict) -> dict:
    return dict(
        type='CocoDataset',
        ann_file=str(annotations),
        data_prefix=dict(img=f'{str(images).rstrip("/")}/'),
        metainfo=metainfo,
    )


def _replace(config: Config, loader: str, images: dict, changes: Changes) -> None:
    """Put other images into the pipelines of a data loader."""
    data = take_apart(config[loader].to_dict()['dataset'], loader)
    if {'dataset', 'datasets'} & set(data.images):
        changes.change(f'{loader}: {component_name(data.images)} taken away with what it holds')
    dataset = dict(images, pipeline=data.inner)
    if data.outer is not None:
        dataset = dict(type='MultiImageMixDataset', dataset=dataset, pipeline=data.outer)
    if data.times > 1:
        dataset = dict(type='RepeatDataset', times=data.times, dataset=dataset)
    config[loader].dataset = dataset


def _evaluator(evaluator: Any, annotations: str) -> dict:
    """COCO's metric, of masks too where the source had them."""
    evaluators = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    coco = next((e for e in evaluators if is_component(METRICS, e, CocoMetric)), {})
    return dict(type='CocoMetric', ann_file=str(annotations), metric=coco.get('metric', 'bbox'))


def _first_number(model: Any) -> int | None:
    """The number of classes of boxes: that which stands at a ``bbox_head``, or the first."""
    found = [number for key in ('bbox_head', None) for number in _numbers(model, key)]
    return found[0] if found else None


def _numbers(part: Any, inside: str | None) -> list[int]:
    if isinstance(part, (list, tuple)):
        return [number for each in part for number in _numbers(each, inside)]
    if not isinstance(part, dict):
        return []
    here = [part[key] for key in _CLASS_KEYS if isinstance(part.get(key), int)]
    found = here if inside is None else []
    for key, value in part.items():
        found = found + _numbers(value, None if key == inside else inside)
    return found


def _set_everywhere(part: Any, before: int, number: int) -> None:
    if isinstance(part, (list, tuple)):
        for each in part:
            _set_everywhere(each, before, number)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in _CLASS_KEYS and value == before:
                part[key] = number
            elif key == 'class_weight' and isinstance(value, list) and len(value) == before + 1:
                part[key] = [*value[:1] * number, value[-1]]
            else:
                _set_everywhere(value, before, number)
