"""Datasets with wrappers around them, samplers and batches."""

import pytest

from mmsniper import InputError
from mmsniper.conversion import Changes, Recipe
from mmsniper.conversion.dataloaders import (
    convert_test_loader,
    convert_train_loader,
    take_apart,
)
from mmsniper.conversion.pipelines import PipelineSettings

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs'),
]
IMAGES = dict(
    type='CocoDataset', ann_file='a.json', filter_cfg=dict(filter_empty_gt=True, min_size=32)
)
COCO = dict(IMAGES, pipeline=PIPELINE)
KEPT = dict(IMAGES, filter_cfg=dict(filter_empty_gt=False, min_size=32))


def train_loader(dataset, by_epoch=True, **loader):
    changes = Changes()
    data = take_apart(dataset, 'train_dataloader')
    loader = dict(batch_size=2, dataset=dataset, **loader)
    loader = convert_train_loader(loader, data, Recipe(), PipelineSettings(), by_epoch, changes)
    return loader, str(changes)


def test_the_images_are_put_into_chips():
    loader, changes = train_loader(
        COCO, num_workers=3, batch_sampler=dict(type='AspectRatioBatchSampler')
    )
    assert loader.pop('dataset') == dict(
        type='ChipDataset',
        **Recipe().train_settings(),
        dataset=KEPT,
        pipeline=[
            dict(type='LoadChip'),
            PIPELINE[1],
            dict(type='ChipSample'),
            dict(type='ScaleNormalize'),
            dict(type='PackChipInputs'),
        ],
    )
    assert loader == dict(
        batch_size=2, num_workers=3, sampler=dict(type='DefaultSampler', shuffle=True)
    )
    assert 'AspectRatioBatchSampler taken out' in changes
    assert COCO == dict(IMAGES, pipeline=PIPELINE), 'the source stays'


def test_wrappers_that_choose_images_stay_inside():
    balanced = dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=COCO)
    both = dict(type='ConcatDataset', datasets=[balanced, COCO])
    data = take_apart(both, 'train_dataloader')
    assert data.images == dict(
        type='ConcatDataset',
        datasets=[dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=IMAGES), IMAGES],
    )
    assert data.inner == PIPELINE and data.times == 1


def test_repetitions_are_counted():
    dataset = dict(
        type='RepeatDataset', times=3, dataset=dict(type='RepeatDataset', times=2, dataset=COCO)
    )
    data = take_apart(dataset, 'train_dataloader')
    assert (data.images, data.times) == (IMAGES, 6)


def test_mixing_datasets():
    inner = dict(COCO, pipeline=PIPELINE[:2])
    outer = [dict(type='Mosaic'), PIPELINE[2]]
    mixing = dict(type='MultiImageMixDataset', dataset=inner, pipeline=outer)
    data = take_apart(mixing, 'train_dataloader')
    assert (data.images, data.inner, data.outer) == (IMAGES, PIPELINE[:2], outer)
    assert data.steps == [*PIPELINE[:2], *outer]
    loader, _ = train_loader(mixing)
    assert loader['dataset']['type'] == 'ChipDataset'
    paste = dict(mixing, pipeline=[dict(type='CopyPaste'), PIPELINE[2]])
    loader, _ = train_loader(paste)
    assert loader['dataset']['type'] == 'MultiImageMixDataset'
    assert loader['dataset']['dataset']['type'] == 'ChipDataset'
    with pytest.raises(InputError, match='put MultiImageMixDataset around'):
        take_apart(dict(type='ConcatDataset', datasets=[mixing]), 'train_dataloader')


def test_datasets_with_several_pipelines():
    other = dict(COCO, pipeline=PIPELINE[1:])
    with pytest.raises(InputError, match='different pipelines'):
        take_apart(dict(type='ConcatDataset', datasets=[COCO, other]), 'train_dataloader')


@pytest.mark.parametrize(
    'sampler, by_epoch, expected',
    [
        (
            dict(type='DefaultSampler', shuffle=False),
            True,
            dict(type='DefaultSampler', shuffle=False),
        ),
        (dict(type='InfiniteSampler'), False, dict(type='InfiniteChipSampler', shuffle=True)),
        (
            dict(type='DefaultSampler', shuffle=True),
            False,
            dict(type='InfiniteChipSampler', shuffle=True),
        ),
        (
            dict(type='ClassAwareSampler', num_sample_class=1),
            True,
            dict(type='DefaultSampler', shuffle=True),
        ),
    ],
)
def test_samplers(sampler, by_epoch, expected):
    loader, changes = train_loader(COCO, by_epoch, sampler=sampler)
    assert loader['sampler'] == expected
    if sampler['type'] != expected['type']:
        assert sampler['type'] in changes


def test_small_objects_that_a_dataset_ignores_are_named():
    voc = dict(type='VOCDataset', filter_cfg=dict(bbox_min_size=32), pipeline=PIPELINE)
    assert 'objects below 32 pixels (bbox_min_size)' in train_loader(voc)[1]


def test_views():
    dataset = dict(IMAGES, test_mode=True, pipeline=PIPELINE)
    loader = dict(
        batch_size=8, drop_last=False, sampler=dict(type='DefaultSampler'), dataset=dataset
    )
    changes = Changes()
    loader = convert_test_loader(
        loader, Recipe(), PipelineSettings('erase'), changes, 'val_dataloader', drop_masks=True
    )
    dataset = loader.pop('dataset')
    assert dataset.pop('pipeline')[2] == dict(type='ScaleNormalize'), 'nothing is erased'
    assert dataset == dict(
        type='ChipDataset',
        test_mode=True,
        **Recipe().test_settings(),
        dataset=dict(IMAGES, test_mode=True),
    )
    assert loader == dict(
        batch_size=1, drop_last=False, sampler=dict(type='ViewSampler', shuffle=False)
    )
    assert 'batch size 8 to 1' in str(changes)


def test_views_of_repeated_images():
    repeated = dict(type='RepeatDataset', times=2, dataset=COCO)
    with pytest.raises(InputError, match='val_dataloader repeats or mixes images'):
        convert_test_loader(
            dict(dataset=repeated), Recipe(), PipelineSettings(), Changes(), 'val_dataloader', True
        )
