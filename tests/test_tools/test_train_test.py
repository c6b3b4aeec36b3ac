"""Training and testing from the command line, in two processes without a GPU, and how it fails."""

import json
import os
import sys

import cv2
import mmengine
import numpy as np
import pytest
import torch
from command_line import TOOLS, run

import mmsniper  # noqa: F401  lets torch.load read checkpoints of mmengine

CONFIG = """
default_scope = 'mmdet'
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(
        type='ResNet', depth=18, base_channels=4, num_stages=4, out_indices=(1, 2, 3),
        norm_eval=False, style='pytorch'),
    neck=dict(type='FPN', in_channels=[8, 16, 32], out_channels=8, num_outs=3),
    bbox_head=dict(
        type='RetinaHead', num_classes=1, in_channels=8, stacked_convs=1, feat_channels=8,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1, ratios=[1.0],
            strides=[8, 16, 32]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss')),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
        sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(
        nms_pre=50, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=10))
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs'),
]
dataset = dict(
    type='CocoDataset', data_root='.', ann_file='boxes.json', data_prefix=dict(img=''),
    metainfo=dict(classes=('square',)), pipeline=pipeline)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dataset)
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(test_mode=True, **dataset))
test_evaluator = dict(type='CocoMetric', ann_file='boxes.json', metric='bbox')
test_cfg = dict(type='TestLoop')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
optim_wrapper = dict(
    type='AmpOptimWrapper', loss_scale='dynamic',
    optimizer=dict(type='SGD', lr=0.001), clip_grad=dict(max_norm=10))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A config beside four drawn images of 64 x 64 px with one square each."""
    folder = tmp_path_factory.mktemp('squares')
    random = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(4):
        x, y, side = (int(v) for v in random.integers([4, 4, 20], [24, 24, 36]))
        image = np.full((64, 64, 3), 40, np.uint8)
        image[y : y + side, x : x + side] = 220
        cv2.imwrite(str(folder / f'{i}.png'), image)
        images.append({'id': i, 'file_name': f'{i}.png', 'height': 64, 'width': 64})
        box = {'id': i, 'image_id': i, 'category_id': 1, 'iscrowd': 0}
        annotations.append({**box, 'bbox': [x, y, side, side], 'area': side * side})
    boxes = {'images': images, 'annotations': annotations}
    boxes['categories'] = [{'id': 1, 'name': 'square'}]
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    (folder / 'tiny.py').write_text(CONFIG)
    return folder


@pytest.fixture(scope='module')
def trained(folder):
    if torch.cuda.is_available():
        pytest.skip('needs two GPUs where there is one: the CPU is used only without')
    options = ['--work-dir', 'work', '--cfg-options', 'default_hooks.logger.interval=2', 'marker=7']
    done = run('bash', TOOLS / 'dist_train.sh', 'tiny.py', 2, *options, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_two_processes_train_without_a_gpu(folder, trained):
    assert trained.stderr.count('warning: no GPU is available') == 1
    log = next((folder / 'work').glob('*/*.log')).read_text()
    assert 'GPU number: 2' in log
    config = next((folder / 'work').glob('*/vis_data/config.py')).read_text()
    assert 'marker = 7' in config
    assert 'AmpOptimWrapper' not in config and 'loss_scale' not in config
    assert "type='MMDistributedDataParallel'" in config
    # Four images on two processes with two images a batch are one step of each.
    assert torch.load(folder / 'work/epoch_1.pth')['meta']['iter'] == 1


def test_two_processes_test_without_a_gpu(folder, trained):
    options = ['--work-dir', 'tested', '--out', 'found.pkl']
    command = [TOOLS / 'dist_test.sh', 'tiny.py', 'work/epoch_1.pth', 2, *options]
    done = run('bash', *command, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    log = next((folder / 'tested').glob('*/*.log')).read_text()
    assert 'GPU number: 2' in log and 'coco/bbox_mAP: ' in log
    found = mmengine.load(folder / 'found.pkl')
    assert sorted(result['img_id'] for result in found) == [0, 1, 2, 3]


@pytest.mark.parametrize(('name', 'option'), [('train', '--auto-scale-lr'), ('test', '--show-dir')])
def test_help_is_that_of_mmdetection(name, option, tmp_path):
    done = run(sys.executable, TOOLS / f'{name}.py', '-h', cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f'usage: {name}.py')
    assert option in done.stdout and '--cfg-options' in done.stdout


def test_missing_config_is_one_line(tmp_path):
    done = run(sys.executable, TOOLS / 'train.py', 'none.py', cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith('error: ') and 'none.py' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('name', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_shell_scripts_say_how_to_call_them(name, tmp_path):
    done = run('bash', TOOLS / f'{name}.sh', 'only_one', cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f'usage: {name}.sh ')
    assert os.access(TOOLS / f'{name}.sh', os.X_OK)


def test_slurm_scripts_ask_for_what_they_are_told(tmp_path):
    (tmp_path / 'srun').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    path = f'{tmp_path}:{os.environ["PATH"]}'
    arguments = ['fast', 'my job', 'a.py', 'w', '--cfg-options', 'a=b c']
    script = TOOLS / 'slurm_train.sh'
    done = run('bash', script, *arguments, cwd=tmp_path, PATH=path, GPUS='4', SRUN_ARGS='-x n1')
    words = done.stdout.splitlines()
    assert words[:5] == ['-p', 'fast', '--job-name=my job', '--gres=gpu:8', '--ntasks=4']
    assert words[words.index('-x') + 1] == 'n1'
    assert words[-5:] == ['a.py', '--work-dir=w', '--launcher=slurm', '--cfg-options', 'a=b c']


def test_test_time_augmentation_is_refused(folder):
    result = run(sys.executable, TOOLS / 'test.py', 'tiny.py', 'none.pth', '--tta', cwd=folder)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith('error: --tta cannot be combined with chips')
