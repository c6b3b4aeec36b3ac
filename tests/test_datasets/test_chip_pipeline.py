"""Pipelines that would not give the chips or views of a ChipDataset."""

import json
import pickle

import cv2
import mmcv.transforms
import mmdet.datasets.transforms
import numpy as np
import pytest
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmdet.datasets import MultiImageMixDataset
from mmdet.engine.hooks import PipelineSwitchHook
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.dataset import Compose
from painted_scenes import LEVELS, write_scenes
from torch.utils.data import DataLoader

from mmsniper import InputError
from mmsniper.datasets import ChipDataset, ChipSample, ScaleNormalize

LOAD, ANNOTATIONS = dict(type='LoadIntactImage'), dict(type='LoadAnnotations', with_bbox=True)
CUT, SCALE = dict(type='ChipSample'), dict(type='ScaleNormalize')
RESIZE = dict(type='Resize', scale=(64, 64))
FLIP = dict(type='RandomFlip', prob=1.0)
COLOURS = dict(type='PhotoMetricDistortion')
PACK = dict(type='PackChipInputs')
INNER = [LOAD, ANNOTATIONS, CUT, SCALE]


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp('scenes'), num_images=1)


@pytest.fixture(scope='module')
def chips(scenes):
    """A function that gives the chips another pipeline."""
    dataset = ChipDataset(scenes, **LEVELS)

    def through(*steps):
        dataset.pipeline = Compose([TRANSFORMS.build(step) for step in steps])
        return dataset

    return through


def nested(*steps):
    """A RandomApply that always applies."""
    return dict(type='RandomApply', transforms=list(steps), prob=1.0)


@TRANSFORMS.register_module()
class MyChipSample(ChipSample):
    """One of a user's own."""


@TRANSFORMS.register_module()
class MyScaleNormalize(ScaleNormalize):
    """One of a user's own."""


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize(
    'pipeline, message',
    [
        ([LOAD, ANNOTATIONS, RESIZE, PACK], 'neither ChipSample nor .* Resize cannot take'),
        ([LOAD, ANNOTATIONS, PACK], 'has neither ChipSample nor ScaleNormalize, so'),
        ([LOAD, ANNOTATIONS], 'has neither ChipSample nor ScaleNormalize'),
        ([LOAD, ANNOTATIONS, RESIZE], 'has neither ChipSample nor ScaleNormalize'),
        (
            [LOAD, ANNOTATIONS, nested(RESIZE), PACK],
            'neither ChipSample nor ScaleNormalize, whose place Resize cannot take',
        ),
        ([LOAD, ANNOTATIONS, CUT, PACK], 'has no ScaleNormalize'),
        ([LOAD, ANNOTATIONS, CUT, RESIZE, PACK], 'no ScaleNormalize, whose place Resize cannot'),
        ([LOAD, ANNOTATIONS, SCALE, PACK], 'has no ChipSample'),
        ([LOAD, ANNOTATIONS, SCALE, CUT, PACK], 'ScaleNormalize stands before ChipSample'),
        ([LOAD, ANNOTATIONS, CUT, SCALE, SCALE, PACK], 'ScaleNormalize stands 2 times'),
        ([LOAD, ANNOTATIONS, CUT, CUT, SCALE, PACK], 'ChipSample stands 2 times'),
        ([LOAD, ANNOTATIONS, nested(CUT), SCALE, PACK], 'ChipSample stands inside of RandomApply'),
        (
            [LOAD, ANNOTATIONS, dict(type='RandomChoice', transforms=[[CUT, SCALE], [RESIZE]])],
            'ChipSample stands inside of RandomChoice',
        ),
        ([LOAD, ANNOTATIONS, CUT, RESIZE, SCALE, PACK], 'Resize stands before ScaleNormalize'),
        ([LOAD, ANNOTATIONS, CUT, nested(RESIZE), SCALE], 'Resize stands before ScaleNormalize'),
        ([CUT, SCALE, LOAD, ANNOTATIONS, PACK], 'LoadIntactImage.* behind ChipSample'),
        ([*INNER, dict(type='LoadProposals'), PACK], 'LoadProposals stands behind ChipSample'),
        ([LOAD, ANNOTATIONS, CUT, PACK, SCALE], 'PackChipInputs stands before ScaleNormalize'),
    ],
)
def test_what_gives_no_chips_stops_at_once(scenes, pipeline, message, test_mode):
    with pytest.raises(InputError, match=message):
        ChipDataset(scenes, pipeline, test_mode=test_mode, **LEVELS)


def test_annotations_of_the_whole_image_are_for_testing_only(scenes):
    pipeline = [LOAD, CUT, SCALE, ANNOTATIONS, PACK]
    with pytest.raises(InputError, match='LoadAnnotations stands behind ChipSample'):
        ChipDataset(scenes, pipeline, **LEVELS)
    views = ChipDataset(scenes, pipeline, test_mode=True, **LEVELS)
    sample = views[0]['data_samples']
    assert len(sample.gt_instances) + len(sample.ignored_instances) == 7, 'all of the image'


@pytest.mark.parametrize(
    'pipeline',
    [
        [*INNER, PACK],
        [*INNER],
        [
            dict(type='Compose', transforms=[LOAD, ANNOTATIONS]),
            dict(type='Compose', transforms=[CUT, SCALE]),
            PACK,
        ],
        [LOAD, ANNOTATIONS, dict(type='MyChipSample'), dict(type='MyScaleNormalize'), PACK],
        [LOAD, ANNOTATIONS, CUT, FLIP, SCALE, PACK],
        [*INNER, RESIZE, FLIP, dict(type='RandomChoiceResize', scales=[(64, 64)]), PACK],
    ],
)
def test_what_is_right_stays(scenes, pipeline):
    dataset = ChipDataset(scenes, pipeline, **LEVELS)
    item = pickle.loads(pickle.dumps(dataset))[0]
    shape = item['inputs'].shape[1:] if 'inputs' in item else item['img'].shape[:2]
    assert max(shape) <= 128


def test_an_empty_pipeline_gives_tables_and_no_items(scenes):
    dataset = ChipDataset(scenes, **LEVELS)
    assert len(dataset.table) and dataset.get_data_info(0)['chip'].shape == (4,)
    with pytest.raises(InputError, match='is empty and loads no image'):
        dataset[0]
    outside = [LOAD, ANNOTATIONS, RESIZE, PACK]
    mixed = MultiImageMixDataset(dict(type='ChipDataset', dataset=scenes, **LEVELS), outside)
    with pytest.raises(InputError, match='not into a dataset around it'):
        mixed[0]


def test_images_to_mix_are_chips(scenes):
    inner = dict(type='ChipDataset', dataset=scenes, pipeline=[LOAD, ANNOTATIONS], **LEVELS)
    mosaic = dict(type='Mosaic', img_scale=(64, 64))
    with pytest.raises(InputError, match='has neither ChipSample nor ScaleNormalize'):
        DATASETS.build(dict(type='MultiImageMixDataset', dataset=inner, pipeline=[mosaic, PACK]))


def test_a_pipeline_that_a_hook_switches_to(scenes):
    class Runner:
        epoch = 3

        class logger:
            info = staticmethod(lambda text: None)

    dataset = ChipDataset(scenes, [*INNER, PACK], **LEVELS)
    Runner.train_dataloader = DataLoader(dataset)
    PipelineSwitchHook(3, [*INNER, FLIP, PACK]).before_train_epoch(Runner)
    assert dataset[0]['data_samples'].flip
    with pytest.raises(InputError, match='Resize cannot take'):
        PipelineSwitchHook(3, [LOAD, ANNOTATIONS, RESIZE, PACK]).before_train_epoch(Runner)


MOVING = {
    'Resize': dict(scale=(230, 170)),
    'FixShapeResize': dict(width=230, height=170),
    'FixScaleResize': dict(scale=(230, 170)),
    'RandomResize': dict(scale=(230, 170)),
    'RandomChoiceResize': dict(scales=[(230, 170)]),
    'ResizeShortestEdge': dict(scale=170, max_size=230),
    'RandomFlip': dict(prob=1.0),
    'RandomFlip_GLIP': dict(prob=1.0),
    'RandomShift': dict(prob=1.0),
    'RandomAffine': {},
    'RandomCrop': dict(crop_size=(170, 230)),
    'MinIoURandomCrop': {},
    'CenterCrop': dict(crop_size=(20, 20)),
    'RandomCenterCropPad': dict(
        crop_size=(99, 99),
        ratios=(1.0,),
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=False,
        test_pad_mode=None,
    ),
    'Expand': dict(prob=1.0),
    'Pad': dict(size=(200, 240)),
    'SegRescale': {},
    'GeomTransform': dict(prob=1.0, img_border_value=0),
    'Rotate': dict(prob=1.0),
    'ShearX': dict(prob=1.0),
    'ShearY': dict(prob=1.0),
    'TranslateX': dict(prob=1.0),
    'TranslateY': dict(prob=1.0),
    'Mosaic': {},
    'CachedMosaic': {},
    'MixUp': {},
    'CachedMixUp': {},
    'CopyPaste': {},
    'MultiScaleFlipAug': dict(transforms=[FLIP], scales=[(230, 170)]),
    'TestTimeAug': dict(transforms=[[FLIP]]),
}
# Those that hold others.
HOLDERS = {
    'Compose': [FLIP],
    'RandomApply': [FLIP],
    'RandomOrder': [COLOURS, FLIP],
    'RandomChoice': [[COLOURS], [COLOURS, FLIP]],
    'TransformBroadcaster': [FLIP],
    'KeyMapper': [FLIP],
    'ProposalBroadcaster': [FLIP],
}
AUTO = {'RandAugment': {}, 'AutoAugment': {}}
# Those that leave pixels where they are, load, pack, or are for other tasks.
STILL = """
    ToTensor ImageToTensor PackDetInputs PackReIDInputs PackTrackInputs Transpose
    LoadImageFromFile LoadImageFromNDArray LoadMultiChannelImageFromFiles InferencerLoader
    LoadAnnotations LoadEmptyAnnotations LoadPanopticAnnotations LoadProposals LoadTextAnnotations
    LoadTrackAnnotations RandomSamplingNegPos BaseFrameSample UniformRefFrameSample
    Normalize RandomGrayscale PhotoMetricDistortion YOLOXHSVRandomAug CutOut RandomErasing
    Color ColorTransform AutoContrast Brightness Contrast Equalize Invert Posterize Sharpness
    Solarize SolarizeAdd FilterAnnotations GTBoxSubOne_GLIP InstaBoost Albu
    BaseTransform MultiBranch
""".split()


@pytest.mark.parametrize('name', [*MOVING, *HOLDERS, *AUTO])
def test_what_moves_pixels_before_the_chip_is_cut_is_named(chips, name):
    arguments = MOVING.get(name, AUTO.get(name))
    step = dict(type=name, **(dict(transforms=HOLDERS[name]) if arguments is None else arguments))
    moving = {'AutoAugment': 'ShearX', 'RandAugment': 'Rotate'}.get(name, name)
    moving = moving if arguments is not None else 'RandomFlip'
    for inside in (step, nested(COLOURS, step)):
        dataset = chips(LOAD, ANNOTATIONS, inside, CUT, SCALE, PACK)
        with pytest.raises(InputError, match=f'{moving}.* would move .* before ChipSample cut its'):
            dataset[0]
    chips(*INNER, step, PACK).check_items()


def test_every_transform_of_the_framework_is_known_to_move_or_not():
    named = {*MOVING, *HOLDERS, *AUTO, *STILL}
    factory = getattr(mmcv.transforms, 'TransformFactory', None)  # in mmcv, not in its fork
    for module in (mmcv.transforms, mmdet.datasets.transforms):
        for name in dir(module):
            kind = getattr(module, name)
            if isinstance(kind, type) and callable(kind) and not name.startswith('_'):
                if kind.__module__.endswith(('generate_line', 'processors')):  # lanes, of the fork
                    continue
                assert name in named or kind is factory, name


@TRANSFORMS.register_module()
class MoveAll(BaseTransform):
    """A user's own transform, which moves the picture to the right."""

    def transform(self, results):
        results['img'] = np.roll(results['img'], 9, axis=1)
        results['gt_bboxes'].translate_((9, 0))
        return results


@TRANSFORMS.register_module()
class EnlargeCanvas(BaseTransform):
    """One that adds a border at the bottom, where it moves no box."""

    def transform(self, results):
        results['img'] = np.pad(results['img'], ((0, 9), (0, 0), (0, 0)))
        results['img_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class Neighbour(BaseTransform):
    """One that asks MultiImageMixDataset for another image."""

    def get_indexes(self, dataset):
        return [0]

    def transform(self, results):
        raise AssertionError('is never run')


@TRANSFORMS.register_module()
class Brighten(BaseTransform):
    """One that changes pixels where they are, and leaves out an object."""

    def transform(self, results):
        results['img'] = np.minimum(results['img'], 200) + 50
        for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags'):
            results[key] = results[key][1:]
        return results


@TRANSFORMS.register_module()
class AddCrowd(BaseTransform):
    """One that knows of more that is to be ignored."""

    def transform(self, results):
        boxes = results['gt_bboxes']
        results['gt_bboxes'] = type(boxes).cat([boxes, type(boxes)([[1.0, 2.0, 30.0, 30.0]])])
        results['gt_bboxes_labels'] = np.append(results['gt_bboxes_labels'], 0)
        results['gt_ignore_flags'] = np.append(results['gt_ignore_flags'], True)
        return results


@TRANSFORMS.register_module()
class ClipBoxes(BaseTransform):
    """One that keeps boxes inside of the image, as ChipSample does anyway."""

    def transform(self, results):
        results['gt_bboxes'].clip_(results['img_shape'])
        return results


@TRANSFORMS.register_module()
class LoadTurned(LoadImageFromFile):
    """One that loads another picture than the file's."""

    def transform(self, results):
        results = super().transform(results)
        results['flip'] = True
        return results


@pytest.mark.parametrize(
    'steps, message',
    [
        ([LOAD, ANNOTATIONS, dict(type='MoveAll')], r'0\.png were moved .* may be MoveAll'),
        ([LOAD, ANNOTATIONS, nested(COLOURS, dict(type='MoveAll'))], 'may be MoveAll'),
        (
            [LOAD, ANNOTATIONS, dict(type='EnlargeCanvas')],
            'is 230x179 pixels and was 230x170 when it was loaded.* may be EnlargeCanvas',
        ),
        (
            [LOAD, ANNOTATIONS, dict(type='Brighten'), dict(type='EnlargeCanvas')],
            'may be Brighten, EnlargeCanvas',
        ),
        ([LOAD, ANNOTATIONS, dict(type='Neighbour')], 'Neighbour would move'),
        ([dict(type='LoadTurned'), ANNOTATIONS], 'otherwise moved .* may be LoadTurned'),
    ],
)
def test_what_a_transform_of_ones_own_moved_is_seen(chips, steps, message):
    dataset = chips(*steps, CUT, SCALE, PACK)
    with pytest.raises(
        InputError, match=f'(?s)before ChipSample cut its chip.*{message}|{message}'
    ):
        dataset[0]


@pytest.mark.parametrize(
    'step',
    [
        COLOURS,
        dict(type='YOLOXHSVRandomAug'),
        dict(type='CutOut', n_holes=2, cutout_shape=(9, 9)),
        dict(type='RandomErasing', n_patches=2, ratio=0.1),
        dict(type='RandomGrayscale', prob=1.0, keep_channels=True),
        dict(type='FilterAnnotations', min_gt_bbox_wh=(11, 11)),
        dict(type='RandAugment', aug_space=[[dict(type='Color')], [dict(type='Invert')]]),
        dict(type='Brighten'),
        dict(type='AddCrowd'),
        nested(dict(type='Equalize', prob=1.0), COLOURS),
    ],
    ids=lambda step: step['type'],
)
def test_what_moves_nothing_stays_before_the_chip(chips, step):
    dataset = chips(LOAD, ANNOTATIONS, step, CUT, SCALE, PACK)
    assert all(len(item['data_samples'].gt_instances.bboxes) >= 0 for item in dataset)


def test_boxes_that_reach_out_of_the_image_are_not_moved(tmp_path):
    scenes = write_scenes(tmp_path, num_images=1)
    path = tmp_path / 'annotations.json'
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        annotation['bbox'][0] -= 4 if annotation['bbox'][0] < 4 else 0
        annotation['bbox'][2] += 300
    path.write_text(json.dumps(content))
    clip = dict(type='ClipBoxes')
    dataset = ChipDataset(scenes, [LOAD, ANNOTATIONS, clip, CUT, SCALE, PACK], **LEVELS)
    assert len(list(dataset)) == len(dataset)


def test_a_file_of_another_size_is_the_files_fault(tmp_path):
    scenes = write_scenes(tmp_path, num_images=1)
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((99, 98, 3), np.uint8))
    dataset = ChipDataset(scenes, [LOAD, ANNOTATIONS, dict(type='Brighten'), CUT, SCALE], **LEVELS)
    with pytest.raises(InputError, match='is 98x99 .* says 230x170: correct the annotation or the'):
        dataset[0]
