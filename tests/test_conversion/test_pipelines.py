"""Which steps of a pipeline chips take the place of, and which stay where."""

import pytest
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import RandomCrop
from mmdet.registry import TRANSFORMS

from mmsniper import InputError
from mmsniper.conversion import Changes
from mmsniper.conversion.pipelines import (
    PipelineSettings,
    convert_test_pipeline,
    convert_train_pipeline,
)
from mmsniper.datasets.transforms.pack_chip_inputs import META_KEYS

LOAD = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True),
]
LOADED = [
    dict(type='LoadChip', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True),
]
CHIP = [dict(type='ChipSample'), dict(type='ScaleNormalize')]
RESIZE = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
FLIP = dict(type='RandomFlip', prob=0.5)
COLOURS = dict(type='PhotoMetricDistortion')
PACK = dict(type='PackDetInputs')
PACKED = dict(type='PackChipInputs')


@TRANSFORMS.register_module()
class Sharpening(BaseTransform):
    """A transform of somebody else's."""

    def transform(self, results):
        return results


@TRANSFORMS.register_module()
class TileCropper(Sharpening):
    """One that sounds as if it cropped."""


@TRANSFORMS.register_module()
class Neighbours(Sharpening):
    """One that asks for other images."""

    def get_indexes(self, dataset):
        return [0]


@TRANSFORMS.register_module()
class MyWindow(RandomCrop):
    """One that crops as MMDetection does."""


def train(*steps, outer=None, settings=None):
    """The converted training pipelines, and the list of changes."""
    changes = Changes()
    inner = [*LOAD, *steps] if outer else [*LOAD, *steps, PACK]
    settings = settings or PipelineSettings()
    converted = convert_train_pipeline(inner, outer, settings, changes)
    return converted if outer else converted[0], str(changes)


def views(*steps, settings=None, drop_masks=True, pack=PACK):
    changes, settings = Changes(), settings or PipelineSettings()
    steps = [LOAD[0], *steps, pack]
    return convert_test_pipeline(steps, settings, changes, 'val_dataloader', drop_masks)


@pytest.mark.parametrize(
    'removed',
    [
        RESIZE,
        dict(type='mmdet.Resize', scale=(1333, 800)),
        dict(type='RandomChoiceResize', scales=[(1333, 800)]),
        dict(type='RandomResize', scale=[(1333, 640), (1333, 800)]),
        dict(type='RandomCrop', crop_size=(100, 100)),
        dict(type='MinIoURandomCrop'),
        dict(type='Expand'),
        dict(type='RandomShift'),
        dict(type='RandomCenterCropPad', crop_size=(511, 511)),
        dict(type='CachedMosaic', img_scale=(640, 640)),
        dict(type='CachedMixUp', img_scale=(640, 640)),
        dict(type='RandomAffine'),
        dict(type='MyWindow', crop_size=(100, 100)),
    ],
    ids=lambda step: step['type'],
)
def test_resizing_cropping_and_mixing_are_replaced(removed):
    pipeline, changes = train(COLOURS, removed, FLIP)
    assert pipeline == [*LOADED, *CHIP, COLOURS, FLIP, PACKED]
    assert f'{removed["type"].split(".")[-1]} taken out' in changes


def test_all_else_keeps_its_order():
    steps = [
        dict(type='YOLOXHSVRandomAug'),
        FLIP,
        dict(type='RandAugment', aug_space=[[dict(type='Color')], [dict(type='Rotate')]]),
        dict(type='Albu', transforms=[]),
        dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1)),
        dict(type='CutOut', n_holes=1, cutout_shape=(4, 4)),
    ]
    pipeline, changes = train(*steps[:2], RESIZE, *steps[2:])
    assert pipeline == [*LOADED, *CHIP, *steps, PACKED]
    assert (
        'YOLOXHSVRandomAug, RandomFlip, RandAugment, Albu, FilterAnnotations, CutOut kept'
        in changes
    )


def test_transforms_inside_of_others():
    crop = dict(type='RandomCrop', crop_size=(384, 600))
    choice = dict(type='RandomChoice', transforms=[[RESIZE], [RESIZE, crop, RESIZE]])
    pipeline, changes = train(FLIP, choice)
    assert pipeline == [*LOADED, *CHIP, FLIP, PACKED]
    assert 'RandomChoice of Resize (x3), RandomCrop taken out' in changes

    partly = dict(type='RandomChoice', transforms=[[RESIZE, COLOURS], [crop]], prob=[0.3, 0.7])
    pipeline, _ = train(partly)
    expected = dict(type='RandomChoice', transforms=[[COLOURS], []], prob=[0.3, 0.7])
    assert pipeline == [*LOADED, *CHIP, expected, PACKED]
    always = TRANSFORMS.build(dict(expected, prob=[0.0, 1.0]))  # the branch is not left to chance
    assert always(dict(a=1)) == dict(a=1), 'an empty branch does nothing'

    applied = dict(type='RandomApply', transforms=[RESIZE, FLIP], prob=0.5)
    assert train(applied)[0][4] == dict(type='RandomApply', transforms=[FLIP], prob=0.5)


def test_erasing():
    pipeline, changes = train(FLIP, settings=PipelineSettings('erase', (1.0, 2.0, 3.0)))
    assert pipeline[3] == dict(type='ScaleNormalize', mode='erase', fill_value=(1.0, 2.0, 3.0))
    assert "ScaleNormalize(mode='erase')" in changes
    pipeline, _ = train(FLIP, settings=PipelineSettings('erase'))
    assert pipeline[3] == dict(type='ScaleNormalize', mode='erase')


def test_how_images_are_resized_stays():
    pillow = dict(type='RandomChoiceResize', scales=[(9, 9)], backend='pillow', keep_ratio=True)
    assert train(pillow)[0][3] == dict(type='ScaleNormalize', backend='pillow')
    area = dict(RESIZE, interpolation='area')
    assert views(area)[2] == dict(type='ScaleNormalize', interpolation='area')


def test_all_that_is_loaded_stays():
    inner = [
        dict(type='LoadImageFromFile', to_float32=True, ignore_empty=True),
        dict(
            type='LoadAnnotations', with_bbox=True, with_mask=True, with_seg=True, poly2mask=False
        ),
        RESIZE,
        PACK,
    ]
    for loader in ('LoadImageFromFile', 'LoadIntactImage'):
        inner[0]['type'] = loader
        pipeline, _ = convert_train_pipeline(inner, None, PipelineSettings(), Changes())
        assert pipeline == [dict(type='LoadChip', to_float32=True), inner[1], *CHIP, PACKED]


def test_proposals():
    broadcaster = dict(type='ProposalBroadcaster', transforms=[RESIZE, FLIP])
    load = [LOAD[0], dict(type='LoadProposals', num_max_proposals=5), LOAD[1]]
    pipeline, _ = convert_train_pipeline(
        [*load, broadcaster, PACK], None, PipelineSettings(), Changes()
    )
    flip = dict(type='ProposalBroadcaster', transforms=[FLIP])
    assert pipeline == [LOADED[0], load[1], LOADED[1], *CHIP, flip, PACKED]
    only_resized = dict(type='ProposalBroadcaster', transforms=[RESIZE])
    assert views(load[1], only_resized) == [LOADED[0], load[1], *CHIP, PACKED]


def test_images_to_mix():
    mosaic, mix_up = dict(type='Mosaic'), dict(type='MixUp')
    (pipeline, outer), changes = train(
        outer=[mosaic, dict(type='RandomAffine'), mix_up, FLIP, PACK]
    )
    assert outer is None and pipeline == [*LOADED, *CHIP, FLIP, PACKED]
    assert 'MultiImageMixDataset taken away' in changes

    paste = dict(type='CopyPaste', max_num_pasted=100)
    pad = dict(type='Pad', size=(1024, 1024))
    settings = PipelineSettings(pad_side=320)
    (pipeline, outer), _ = train(RESIZE, FLIP, pad, outer=[paste, PACK], settings=settings)
    assert pipeline == [*LOADED, *CHIP, FLIP, dict(type='Pad', size=(320, 320))]
    assert outer == [paste, PACKED]
    (pipeline, outer), _ = train(FLIP, outer=[paste, PACK])
    assert pipeline[-1]['size'] == (512, 512), 'images that are put together need one size'


def test_padding():
    pad = dict(type='Pad', size=(640, 640), pad_val=dict(img=(114, 114, 114)))
    settings = PipelineSettings(pad_side=192, pad_divisor=64)
    assert train(pad, settings=settings)[0][4] == dict(pad, size=(192, 192))
    square = dict(type='Pad', pad_to_square=True)
    assert views(RESIZE, square, settings=settings)[3] == dict(type='Pad', size_divisor=64)
    divisor = dict(type='Pad', size_divisor=32)
    assert train(divisor)[0][4] == views(divisor)[3] == divisor


def test_inputs_of_one_size():
    settings = PipelineSettings(fill_value=(1.0, 2.0, 3.0), needs_fixed_size=True)
    pipeline, _ = train(RESIZE, FLIP, settings=settings)
    pad = dict(type='Pad', size=(512, 512), pad_val=dict(img=(1.0, 2.0, 3.0)))
    assert pipeline == [*LOADED, *CHIP, FLIP, pad, PACKED]
    own = dict(type='Pad', size_divisor=32)
    assert train(own, settings=settings)[0] == [*LOADED, *CHIP, own, PACKED]


def test_testing():
    border = dict(type='RandomCenterCropPad', test_mode=True, test_pad_mode=['logical_or', 31])
    pack = dict(PACK, meta_keys=('img_id', 'border'))
    pipeline = views(border, LOAD[1], pack=pack)
    packed = dict(PACKED, meta_keys=(*META_KEYS, 'border'))
    assert pipeline == [LOADED[0], *CHIP, border, LOAD[1], packed]
    assert views(LOAD[1], RESIZE) == [LOADED[0], *CHIP, LOAD[1], PACKED], 'boxes of the image'


def test_masks_in_testing():
    annotations = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
    assert views(RESIZE, annotations)[3] == LOAD[1]
    assert views(RESIZE, annotations, drop_masks=False)[3] == annotations


def test_custom_transforms():
    pipeline, changes = train(RESIZE, dict(type='Sharpening'))
    assert pipeline == [*LOADED, *CHIP, dict(type='Sharpening'), PACKED]
    assert 'note: Sharpening is not of MMDetection and was kept' in changes


@pytest.mark.parametrize(
    'step, message',
    [
        (dict(type='NoSuchThing'), 'NoSuchThing in the pipeline of train_dataloader is not regist'),
        (dict(type='TileCropper'), 'TileCropper .* seems to crop, resize or mix images by itself'),
        (dict(type='Neighbours'), 'Neighbours .* seems to crop, resize or mix'),
        (
            dict(type='MultiBranch', branch_field=['a'], a=[]),
            'MultiBranch .* several images of one',
        ),
        (dict(type='RandomApply', transforms=[dict(type='TileCropper')]), 'TileCropper'),
        (dict(type='TransformBroadcaster', transforms=[RESIZE]), 'TransformBroadcaster'),
    ],
)
def test_what_nobody_knows_how_to_replace(step, message):
    with pytest.raises(InputError, match=message):
        train(step)


def test_pipelines_without_beginning_or_end():
    def convert(*steps):
        convert_train_pipeline(steps, None, PipelineSettings(), Changes())

    with pytest.raises(InputError, match='loads no image'):
        convert(LOAD[1], PACK)
    with pytest.raises(InputError, match='has no LoadAnnotations'):
        convert(LOAD[0], PACK)
    with pytest.raises(InputError, match='ends with RandomFlip; it must end with PackDetInputs'):
        convert(*LOAD, FLIP)
