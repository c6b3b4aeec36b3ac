"""Data loaders of whole images turned into data loaders of chips and views."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from mmdet.datasets import AspectRatioBatchSampler, MultiImageMixDataset
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.dataset import DefaultSampler, InfiniteSampler, RepeatDataset

from mmsniper.datasets.nesting import nested_configs
from mmsniper.errors import InputError

from .changes import Changes
from .components import component_class, component_name, is_component
from .pipelines import PipelineSettings, convert_test_pipeline, convert_train_pipeline
from .recipe import Recipe


@dataclass
class TrainData:
    """What a training data loader was made of.

    Attributes:
        images (dict): Config of the dataset of images, without pipelines.
        inner (list[dict]): The pipeline of its images.
        outer (list[dict], optional): The pipeline of a ``MultiImageMixDataset`` around it.
        times (int): How often ``RepeatDataset`` around it repeats it.
    """

    images: dict
    inner: list[dict]
    outer: list[dict] | None
    times: int

    @property
    def steps(self) -> list[dict]:
        """All steps that an image goes through."""
        return [*self.inner, *(self.outer or ())]


def take_apart(dataset: dict, where: str) -> TrainData:
    """Separate the images of a dataset from its pipelines and the wrappers around it.

    Args:
        dataset (dict): Config of the dataset; it stays as it is.
        where (str): The key of the data loader.

    Raises:
        InputError: It holds several pipelines.
    """
    dataset, outer, times = copy.deepcopy(dataset), None, 1
    while True:
        if is_component(DATASETS, dataset, RepeatDataset):
            times *= dataset['times']
        elif is_component(DATASETS, dataset, MultiImageMixDataset):
            if outer is not None:
                raise InputError(f'{where} mixes images twice; use one MultiImageMixDataset')
            outer = list(dataset.get('pipeline') or ())
        else:
            break
        dataset = dataset['dataset']
    pipelines = []
    for config in nested_configs(dataset):
        if is_component(DATASETS, config, MultiImageMixDataset):
            raise InputError(
                f'{where} mixes images inside of another wrapper; put MultiImageMixDataset around '
                'all others'
            )
        if 'pipeline' in config or not ('dataset' in config or 'datasets' in config):
            pipelines.append(list(config.pop('pipeline', ()) or ()))
    pipelines = [pipeline for pipeline in pipelines if pipeline] or [[]]
    if any(pipeline != pipelines[0] for pipeline in pipelines):
        raise InputError(
            f'the datasets in {where} have different pipelines; chips of all of them go through '
            'one pipeline, so give them the same'
        )
    return TrainData(dataset, pipelines[0], outer, times)


def convert_train_loader(
    loader: dict,
    data: TrainData,
    recipe: Recipe,
    settings: PipelineSettings,
    by_epoch: bool,
    changes: Changes,
) -> dict:
    """Turn the training's data loader into one of chips; its batch size stays.

    Args:
        loader (dict): Its config.
        data (TrainData): What it was made of.
        recipe (Recipe): Levels, valid ranges, chips.
        settings (PipelineSettings): What the pipeline is made with.
        by_epoch (bool): Whether the training is one by epochs.
        changes (Changes): Takes what was changed.

    Returns:
        dict: The config.
    """
    inner, outer = convert_train_pipeline(data.inner, data.outer, settings, changes)
    images = copy.deepcopy(data.images)
    _keep_empty_images(images, changes)
    dataset = dict(type='ChipDataset', **recipe.train_settings(), dataset=images, pipeline=inner)
    if outer is not None:
        dataset = dict(type='MultiImageMixDataset', dataset=dataset, pipeline=outer)
    changes.change(
        f'train_dataloader: {component_name(data.images)} put into ChipDataset, levels '
        f'{_short(recipe.levels)}, chips of {recipe.chip_size}'
    )
    loader = take_out_batch_sampler(loader, changes, 'train_dataloader')
    loader['dataset'] = dataset
    loader['sampler'] = _train_sampler(loader.get('sampler'), by_epoch, changes)
    return loader


def take_out_batch_sampler(loader: dict, changes: Changes, where: str) -> dict:
    """The data loader without its batch sampler."""
    sampler = loader.get('batch_sampler')
    if sampler is not None:
        square = is_component(DATA_SAMPLERS, sampler, AspectRatioBatchSampler)
        why = ', chips are square' if square else ', which does not know of chips'
        changes.change(f'{where}: {component_name(sampler)} taken out{why}')
    return {key: value for key, value in loader.items() if key != 'batch_sampler'}


def convert_test_loader(
    loader: dict,
    recipe: Recipe,
    settings: PipelineSettings,
    changes: Changes,
    where: str,
    drop_masks: bool,
) -> dict:
    """Turn a data loader of validation or testing into one of views.

    Args:
        loader (dict): Its config.
        recipe (Recipe): Levels and valid ranges.
        settings (PipelineSettings): What the pipeline is made with.
        changes (Changes): Takes what was changed.
        where (str): Its key.
        drop_masks (bool): Whether no metric reads masks from the data.

    Returns:
        dict: The config.

    Raises:
        InputError: Its dataset repeats or mixes images.
    """
    data = take_apart(loader['dataset'], where)
    if data.times != 1 or data.outer is not None:
        raise InputError(
            f'{where} repeats or mixes images, so that its metrics would be about other images '
            'than those of the annotations; take that wrapper out'
        )
    loader = take_out_batch_sampler(loader, changes, where)
    loader['dataset'] = dict(
        type='ChipDataset',
        test_mode=True,
        **recipe.test_settings(),
        dataset=data.images,
        pipeline=convert_test_pipeline(data.inner, settings, changes, where, drop_masks),
    )
    loader['sampler'] = dict(type='ViewSampler', shuffle=False)
    if loader.get('batch_size', 1) != 1:
        changes.change(f'{where}: batch size {loader["batch_size"]} to 1, views differ in size')
    loader['batch_size'] = 1
    changes.change(
        f'{where}: {component_name(data.images)} put into ChipDataset(test_mode=True), levels '
        f'{_short(recipe.test_levels)}, with ViewSampler'
    )
    return loader


def _train_sampler(sampler: dict | None, by_epoch: bool, changes: Changes) -> dict:
    new = 'DefaultSampler' if by_epoch else 'InfiniteChipSampler'
    known = (DefaultSampler, InfiniteSampler)
    if component_class(DATA_SAMPLERS, sampler) in known:
        if component_name(sampler) != new:
            changes.change(f'train_dataloader: {component_name(sampler)} replaced with {new}')
        return dict({'shuffle': True, **sampler}, type=new)
    if sampler is not None:
        changes.change(
            f'train_dataloader: {component_name(sampler)}, which chooses images, replaced with '
            f'{new}'
        )
    return dict(type=new, shuffle=True)


def _keep_empty_images(images: dict, changes: Changes) -> None:
    """Let ``ChipDataset`` decide on images without objects, which may give negative chips."""
    for config in nested_configs(images):
        filtering = config.get('filter_cfg') or {}
        if filtering.get('filter_empty_gt'):
            filtering['filter_empty_gt'] = False
            changes.change(
                'train_dataloader: filter_empty_gt=False, so that images without objects can give '
                'negative chips once there are proposals'
            )
        if filtering.get('bbox_min_size'):
            changes.note(
                f'filter_cfg keeps ignoring objects below {filtering["bbox_min_size"]} pixels '
                '(bbox_min_size); take it out to train them at the finest level'
            )


def _short(levels: Sequence) -> str:
    return ' '.join(str(level).replace(' ', '') for level in levels)
