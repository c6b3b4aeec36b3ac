"""Configs of MMDetection turned into configs that train on chips."""

import copy
import os
from pathlib import Path

import pytest
from coco_files import write_coco
from mmengine.config import Config
from mmengine.runner import Runner
from source_configs import BASE, source_config

from mmsniper import config_path
from mmsniper.apis import sniperize
from mmsniper.conversion import Recipe, convert
from mmsniper.datasets import ChipDataset
from mmsniper.datasets.nesting import nested_configs

# Of every kind one: anchors and none, two stages and many, queries, masks, proposals from a file,
# mixed images, iterations, wrappers, other datasets, a teacher.
NAMES = [
    'cascade_rcnn/cascade-mask-rcnn_r50_fpn_20e_coco.py',
    'centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
    'cityscapes/mask-rcnn_r50_fpn_1x_cityscapes.py',
    'crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py',
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    'fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py',
    'htc/htc_r50_fpn_1x_coco.py',
    'instaboost/mask-rcnn_r50_fpn_instaboost-4x_coco.py',
    'ld/ld_r18-gflv1-r101_fpn_1x_coco.py',
    'lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py',
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
    'openimages/faster-rcnn_r50_fpn_32xb2-cas-1x_openimages.py',
    'pascal_voc/ssd300_voc0712.py',
    'rpn/rpn_r50_fpn_1x_coco.py',
    'rtmdet/rtmdet-ins_s_8xb32-300e_coco.py',
    'simple_copy_paste/mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_syncbn-all_32xb2-ssj-scp-90k_coco.py',
    'v3det/fcos_r50_fpn_8x4_sample1e-3_mstrain_v3det_2x.py',
    'yolox/yolox_s_8xb8-300e_coco.py',
]
DATA = Path(os.environ.get('MMSNIPER_DATA', Path(__file__).parents[3] / 'shared' / 'data'))


def hooks(config):
    return [hook.type for hook in config.custom_hooks]


@pytest.mark.parametrize('name', NAMES, ids=lambda name: name.split('/')[0])
def test_one_of_every_kind(name, tmp_path):
    config, changes = convert(f'mmdet::{name}')
    assert changes.changed
    config.dump(tmp_path / 'config.py')
    text = (tmp_path / 'config.py').read_text()
    assert not any(line.startswith('_base_') for line in text.splitlines())
    again = Config.fromfile(tmp_path / 'config.py')
    twice, nothing = convert(again)
    assert twice.pretty_text == again.pretty_text == text
    assert str(nothing) == 'nothing to do: the config trains on chips already'

    assert {'ChipEpochHook', 'ChipMergeHook'} <= set(hooks(again))
    assert 'mmsniper' in again.custom_imports.imports
    kinds = [inner.type for inner in nested_configs(again.train_dataloader.dataset)]
    assert kinds.count('ChipDataset') == 1
    assert kinds.index('ChipDataset') == kinds.count('MultiImageMixDataset')
    by_epoch = 'max_epochs' in again.train_cfg
    sampler = again.train_dataloader.sampler.type
    assert sampler == ('DefaultSampler' if by_epoch else 'InfiniteChipSampler')
    assert again.train_dataloader.get('batch_sampler') is None
    for loader in (again.val_dataloader, again.test_dataloader):
        assert loader.sampler.type == 'ViewSampler' and loader.batch_size == 1
        assert loader.dataset.type == 'ChipDataset' and loader.dataset.test_mode
        assert [inner.get('pipeline') for inner in nested_configs(loader.dataset.dataset)] == [None]


def test_evaluators_and_all_that_has_nothing_to_do_with_chips_stay():
    source = Config.fromfile(Config._get_cfg_path(BASE, '')[0])
    config, _ = convert(BASE)
    same = ('val_evaluator', 'test_evaluator', 'optim_wrapper', 'env_cfg', 'visualizer', 'val_cfg')
    for key in (*same, 'log_processor', 'load_from', 'resume', 'default_scope'):
        assert config.to_dict()[key] == source.to_dict()[key], key
    model, before = config.to_dict()['model'], source.to_dict()['model']
    assigner = model['train_cfg'].pop('assigner')
    assert assigner == dict(
        type='IgnoreAwareAssigner', assigner=before['train_cfg'].pop('assigner')
    )
    assert model == before


def test_the_source_stays():
    source = source_config()
    before = copy.deepcopy(source.to_dict())
    convert(source)
    assert source.to_dict() == before


def test_the_schedule_follows_the_chips():
    config, _ = convert(BASE)
    # 2 x 0.8956 Mpx in chips of 0.2621 Mpx; 12 x 0.8956 / (4.7 x 0.2621 x 0.95) epochs.
    assert config.train_dataloader.batch_size == 7
    assert config.auto_scale_lr.base_batch_size == 56
    assert config.train_cfg.max_epochs == 9
    assert config.param_scheduler[1].milestones == [6, 8]
    config, changes = convert(BASE, Recipe(chips_per_image=9.4))
    assert config.train_cfg.max_epochs == 5
    assert '9.4 chips per image, as the recipe says' in str(changes)


def test_chips_are_counted_where_the_annotations_are(tmp_path, capsys):
    boxes = [[(10, 10, 30, 30)], [(200, 200, 30, 30), (10, 10, 30, 30)], [(0, 0, 190, 190)]]
    data = write_coco(tmp_path, [(240, 240)] * 3, boxes)
    source = source_config()
    source.train_dataloader.dataset = dict(data, pipeline=source.train_pipeline)
    recipe = Recipe([1.0, 0.5], [(-1, 60), (40, -1)], chip_size=128)
    capsys.readouterr()
    config, changes = convert(source, recipe)
    # 128 x 128 each for one, two and (the image at half its size: 120 x 120) one.
    pixels = (3 * 128**2 + 120**2) / 3
    expected = round(12 * 800 * 800 / pixels)
    assert config.train_cfg.max_epochs == expected
    assert '1.3 chips per image, counted' in str(changes)
    assert capsys.readouterr().out == '', 'standard output is for the config'


def test_annotations_that_cannot_be_read(tmp_path):
    (tmp_path / 'annotations.json').write_text('{}')
    source = source_config()
    source.train_dataloader.dataset.update(data_root=str(tmp_path), ann_file='annotations.json')
    config, changes = convert(source)
    assert 'note: the annotations of the training cannot be read (KeyError' in str(changes)
    assert config.train_cfg.max_epochs == 9


def test_hooks_imports_and_variables():
    source = source_config(
        "custom_imports = dict(imports=['json'], allow_failed_imports=False)\n"
        "custom_hooks = [dict(type='EMAHook', begin_epoch=4), dict(type='NumClassCheckHook'),\n"
        "    dict(type='PipelineSwitchHook', switch_epoch=3, switch_pipeline=[])]\n"
        "tta_model = dict(type='DetTTAModel')\n"
        'my_size = 3\n'
        'find_unused_parameters = True\n'
    )
    config, changes = convert(source)
    assert config.custom_imports.imports == ['json', 'mmsniper']
    assert hooks(config) == ['ChipEpochHook', 'ChipMergeHook', 'EMAHook', 'NumClassCheckHook']
    assert config.custom_hooks[2].begin_epoch == 3
    assert config.find_unused_parameters
    assert not {'tta_model', 'tta_pipeline', 'my_size', 'train_pipeline'} & set(config)
    assert 'tta_model, tta_pipeline taken out' in str(changes)
    assert 'variables that nothing reads are left out: img_scales, my_size' in str(changes)
    assert 'PipelineSwitchHook taken out' in str(changes)


def test_a_recipe_of_ones_own():
    recipe = Recipe([1.0, 0.5], [(-1, 60), (46, -1)], chip_size=256, tile_size=700)
    config, _ = convert(BASE, recipe)
    assert Recipe.from_config(config) == recipe
    again, changes = convert(config, Recipe())
    assert again.pretty_text == config.pretty_text
    assert 'note: the levels, valid ranges and chips of the config stay' in str(changes)


def test_configs_of_mmsniper_are_left_alone():
    name = 'sniper/retinanet_r50_fpn_sniper-7e_coco.py'
    config, changes = convert(f'mmsniper::{name}')
    assert config.pretty_text == Config.fromfile(config_path(name)).pretty_text
    assert not changes.changed and not changes.notes


def test_proposals_of_an_rpn():
    config, changes = convert('mmdet::rpn/rpn_r50_fpn_1x_coco.py')
    assert config.val_evaluator.metric == config.test_evaluator.metric == 'proposal'
    assert "'proposal_fast' to 'proposal'" in str(changes)
    assert config.custom_hooks[1] == dict(
        type='ChipMergeHook', nms=dict(type='nms', iou_threshold=0.7), max_per_image=1000
    )


def test_the_entry_point_prints_the_list(capsys):
    config = sniperize(BASE)
    printed = capsys.readouterr().out.splitlines()
    assert all(line.startswith(('changed: ', 'note: ')) for line in printed)
    assert 'changed: train pipeline: Resize taken out' in '\n'.join(printed)
    assert all(len(line) < 250 for line in printed)
    sniperize(config)
    assert capsys.readouterr().out.startswith('nothing to do')


@pytest.mark.skipif(not (DATA / 'coco_sample').is_dir(), reason=f'no {DATA / "coco_sample"}')
@pytest.mark.parametrize(
    'name',
    [
        'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        'mask_rcnn/mask-rcnn_r50_fpn_ms-poly-3x_coco.py',
        'yolox/yolox_s_8xb8-300e_coco.py',
        'rtmdet/rtmdet_s_8xb32-300e_coco.py',
        'centernet/centernet_r18_8xb16-crop512-140e_coco.py',
        'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    ],
    ids=lambda value: value.split('/')[0],
)
def test_batches_of_coco(name):
    config, changes = convert(f'mmdet::{name}')
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        loader.dataset.dataset.data_root = str(DATA / 'coco_sample')
    train = Runner.build_dataloader(config.train_dataloader, seed=0)
    assert isinstance(train.dataset, ChipDataset)
    ignored = 0
    for _, batch in zip(range(5), train):
        for image, sample in zip(batch['inputs'], batch['data_samples']):
            assert max(image.shape[1:]) <= 512
            assert len(sample.gt_instances) > 0
            assert ('masks' in sample.gt_instances) == name.startswith('mask')
            ignored += len(sample.ignored_instances)
    assert ignored > 0, 'they are seen, not erased'
    views = Runner.build_dataloader(config.val_dataloader, seed=0)
    batch = next(iter(views))
    assert [sample.metainfo['view'] for sample in batch['data_samples']] == [0, 1]
    assert 'counted' not in str(changes)


NEW_STYLE = """
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, RandomFlip, Resize
from mmdet.models.dense_heads import RetinaHead
from mmdet.models.detectors import RetinaNet
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmengine.dataset import InfiniteSampler, RepeatDataset

default_scope = None
pipeline = [
    dict(type=LoadImageFromFile), dict(type=LoadAnnotations, with_bbox=True),
    dict(type=Resize, scale=(1333, 800), keep_ratio=True), dict(type=RandomFlip, prob=0.5),
    dict(type=PackDetInputs)]
model = dict(
    type=RetinaNet, bbox_head=dict(type=RetinaHead, num_classes=80),
    train_cfg=dict(assigner=dict(type=MaxIoUAssigner, pos_iou_thr=0.5, neg_iou_thr=0.4)))
train_dataloader = dict(
    batch_size=2, sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(
        type=RepeatDataset, times=2,
        dataset=dict(type=CocoDataset, ann_file='x', pipeline=pipeline)))
train_cfg = dict(max_iters=100, val_interval=50)
"""


def test_types_that_are_classes(tmp_path):
    """MMDetection's new style of configs names classes, not strings."""
    (tmp_path / 'new_style.py').write_text(NEW_STYLE)
    config, _ = convert(tmp_path / 'new_style.py')
    config.dump(tmp_path / 'config.py')
    again = Config.fromfile(tmp_path / 'config.py')
    assert again.default_scope == 'mmdet'
    assert again.train_cfg.max_iters == 100
    assert again.model.train_cfg.assigner.type == 'IgnoreAwareAssigner'
    assert again.train_dataloader.sampler == dict(type='InfiniteChipSampler', shuffle=True)
    chips = again.train_dataloader.dataset
    assert chips.type == 'ChipDataset' and chips.dataset.type.endswith('.CocoDataset')
    assert [step.type.split('.')[-1] for step in chips.pipeline] == [
        'LoadChip',
        'LoadAnnotations',
        'ChipSample',
        'ScaleNormalize',
        'RandomFlip',
        'PackChipInputs',
    ]
    assert convert(again)[0].pretty_text == again.pretty_text
