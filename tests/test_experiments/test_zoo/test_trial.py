"""A dozen of the zoo's detectors on trial, of every kind and backbone, and all if asked for."""

import json
import os
import subprocess
import sys

import pytest
from command_line import ROOT, TOOLS
from mmengine.config import Config

from mmsniper.conversion import convert
from mmsniper.experiments.zoo import trial
from mmsniper.experiments.zoo.fake_data import FakeData
from mmsniper.experiments.zoo.scope import describe, zoo_folder
from mmsniper.experiments.zoo.small_run import NUM_ITERATIONS
from mmsniper.experiments.zoo.trial import STEPS, try_config

ATSS = 'atss/atss_r50_fpn_1x_coco.py'
DOZEN = [
    ATSS,
    'cascade_rcnn/cascade-rcnn_x101-32x4d_fpn_1x_coco.py',
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    'hrnet/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py',
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    'pvt/retinanet_pvtv2-b0_fpn_1x_coco.py',
    'regnet/faster-rcnn_regnetx-400MF_fpn_ms-3x_coco.py',
    'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'solo/decoupled-solo-light_r50_fpn_3x_coco.py',
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
    'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py',
    'swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py',
    'yolox/yolox_nano_8xb8-300e_coco.py',
]
SLOW = 'cascade_rcnn/', 'regnet/', 'solo/', 'swin/'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return FakeData(tmp_path_factory.mktemp('zoo'))


def known(name):
    return describe(name, Config.fromfile(zoo_folder() / name))


@pytest.mark.parametrize(
    'name',
    [pytest.param(name, marks=pytest.mark.slow if name.startswith(SLOW) else ()) for name in DOZEN],
)
def test_trains_tests_and_ignores(data, name):
    result = try_config(known(name), data, train=True)
    assert result.failure == ''
    assert result.ok
    assert result.passed == list(STEPS)
    assert result.ignoring == 'ignore'
    assert len(result.losses) == NUM_ITERATIONS
    assert all(loss > 0 for loss in result.losses)
    assert result.num_chips >= len(data.images)


def test_without_training(data):
    result = try_config(known(ATSS), data, train=False)
    assert result.ok
    assert result.passed == list(STEPS[:2])
    assert result.losses == []


def changed(monkeypatch, change):
    """Let the conversion give a config that is changed; the one of its own output is not."""

    def converted(source, *args):
        config, changes = convert(source, *args)
        if args:
            change(source, config)
        return config, changes

    monkeypatch.setattr(trial, 'convert', converted)


def test_a_detector_that_learns_objects_out_of_range_fails(data, monkeypatch):
    def forget_the_assigners(source, config):
        config.model.train_cfg = source.model.train_cfg

    changed(monkeypatch, forget_the_assigners)
    result = try_config(known(ATSS), data, train=True)
    assert not result.ok
    assert result.passed == list(STEPS[:4])
    assert result.failure.startswith('ignored: RuntimeError: ')
    assert 'outputs of bbox_head for' in result.failure
    assert result.excuse == ''


def test_a_training_that_goes_wrong_fails(data, monkeypatch):
    def learn_too_fast(source, config):
        config.optim_wrapper.optimizer.lr = 1e30
        config.optim_wrapper.clip_grad = None
        config.param_scheduler = None

    changed(monkeypatch, learn_too_fast)
    result = try_config(known(ATSS), data, train=True)
    assert result.failure.startswith('trained: FloatingPointError: ')


def test_weights_that_do_not_fit_fail(data, monkeypatch):
    def narrow(source, config):
        config.model.bbox_head.feat_channels = 128

    changed(monkeypatch, narrow)
    result = try_config(known(ATSS), data, train=True)
    assert result.failure.startswith('trained: RuntimeError: ')
    assert 'weights are not those of the detector before' in result.failure


def test_a_test_without_merging_fails(data, monkeypatch):
    def forget_the_hook(source, config):
        config.custom_hooks = [h for h in config.custom_hooks if h.type != 'ChipMergeHook']

    changed(monkeypatch, forget_the_hook)
    result = try_config(known(ATSS), data, train=True)
    assert result.failure.startswith('trained: InputError: nothing merges the views')


def matrix(tmp_path, *arguments, timeout):
    return subprocess.run(
        [sys.executable, TOOLS / 'analysis_tools/zoo_matrix.py', *map(str, arguments)],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONWARNINGS': 'ignore'},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_the_script_says_what_is_wrong_with_a_family(tmp_path):
    done = matrix(tmp_path, '--only', 'yolov9', timeout=300)
    assert done.returncode == 1
    assert done.stderr.startswith('error: no family yolov9 in the zoo; there are albu_example')


@pytest.mark.slow
def test_every_family(tmp_path):
    """An hour or so: two processes, on two cores."""
    done = matrix(
        tmp_path,
        *('--jobs', 2, '--json', 'zoo.json', '--out', 'zoo.md', '--journal', 'journal'),
        timeout=4 * 3600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / 'zoo.json').read_text())
    assert found['failed'] == []
    assert found['num_families'] >= 60
    tried = found['num_in_scope'] - found['num_missing_package']
    assert found['configs_passed']['sniperized'] == found['configs_passed']['built'] == tried
    assert found['families_passed']['ignored'] >= 60
    # Every family in scope whose packages are there, but for operations that need a GPU.
    needs_gpu = {
        result['config']['name'].split('/')[0]
        for result in found['results']
        if 'implementation for device cpu not found' in result['failure']
    }
    built = {result['config']['name'].split('/')[0] for result in found['results']}
    assert found['families_passed']['ignored'] >= len(built - needs_gpu)
    assert '| retinanet |' in (tmp_path / 'zoo.md').read_text()
