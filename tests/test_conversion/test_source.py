"""Configs that cannot be converted: one sentence each."""

import pytest
from mmengine.config import Config
from source_configs import source_config

from mmsniper import InputError
from mmsniper.conversion import convert
from mmsniper.conversion.source import load_source


@pytest.mark.parametrize(
    'name, message',
    [
        ('mmdet::centernet/centernet_tta.py', 'has no model'),
        ('mmdet::common/ms_3x_coco.py', 'has no model'),
        ('mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py', 'mmpretrain'),
        (
            'mmdet::deepsort/deepsort_faster-rcnn_r50_fpn_8xb2-4e_mot17halftrain_test-mot17halfval.py',
            'DeepSORT: tracking',
        ),
        (
            'mmdet::masktrack_rcnn/masktrack-rcnn_mask-rcnn_r50_fpn_8xb1-12e_youtubevis2019.py',
            'MaskTrackRCNN: tracking, video',
        ),
        ('mmdet::reid/reid_r50_8xb32-6e_mot17train80_test-mot17val20.py', 'BaseReID: tracking'),
        ('mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py', 'PanopticFPN: panoptic'),
        (
            'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py',
            'CocoPanopticDataset in train_dataloader: panoptic',
        ),
        ('mmdet::glip/glip_atss_swin-t_a_fpn_dyhead_16xb2_ms-2x_funtune_coco.py', 'text prompts'),
        (
            'mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.01-coco.py',
            'SoftTeacher: semi-supervised',
        ),
        ('mmdet::misc/d2_faster-rcnn_r50-caffe_fpn_ms-90k_coco.py', 'Detectron2'),
        (
            'mmdet::sort/faster-rcnn_r50_fpn_8xb2-4e_mot17train_test-mot17train.py',
            'cannot be loaded',
        ),
        ('mmdet::nothing.py', 'does not exist'),
        ('nothing.py', 'config nothing.py does not exist'),
        ('other::nothing.py', 'name a file, mmdet::... or mmsniper::...'),
    ],
)
def test_kinds_that_are_out(name, message):
    with pytest.raises(InputError, match=message) as error:
        convert(name)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'text, message',
    [
        ('train_dataloader = None', 'no train_dataloader'),
        (
            "train_dataloader = dict(dataset=dict(type='MyDataset'))",
            'MyDataset in train_dataloader',
        ),
        ("val_dataloader = dict(dataset=dict(type='MyDataset'))", 'MyDataset in val_dataloader'),
        (
            "train_dataloader = dict(dataset=dict(_delete_=True, type='BaseSegDataset'))",
            'BaseSegDataset in train_dataloader is no detection dataset',
        ),
        (
            "train_dataloader = dict(dataset=dict(type='YouTubeVISDataset'))",
            'YouTubeVISDataset in train_dataloader: tracking',
        ),
        ("train_dataloader = dict(dataset=dict(type='ODVGDataset'))", 'text prompts'),
        ("model = dict(type='MyDetector')", 'MyDetector is not registered'),
        ("model = dict(_delete_=True, type='ResNet', depth=18)", 'ResNet is no detector'),
        ('train_cfg = None', 'no train_cfg'),
        ('train_dataloader = dict(batch_size=None)', 'no batch_size'),
        ('val_dataloader = [dict(batch_size=1)]', 'val_dataloader is a list'),
        (
            "train_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile'), "
            "dict(type='LoadAnnotations'), dict(type='RandomTiles'), dict(type='PackDetInputs')]))",
            'RandomTiles in the pipeline of train_dataloader is not registered',
        ),
    ],
)
def test_what_is_wrong_with_a_config(text, message):
    with pytest.raises(InputError, match=message) as error:
        convert(source_config(text))
    assert '\n' not in str(error.value)


def test_files_that_are_no_configs(tmp_path):
    (tmp_path / 'model.pth').write_bytes(b'123')
    with pytest.raises(InputError, match='model.pth is no .py, .json or .yaml'):
        load_source(tmp_path / 'model.pth')
    (tmp_path / 'broken.py').write_text('model = dict(')
    with pytest.raises(InputError, match='broken.py cannot be loaded'):
        load_source(tmp_path / 'broken.py')
    (tmp_path / 'imports.py').write_text("custom_imports = dict(imports=['no_such_module'])")
    with pytest.raises(InputError, match='imports.py cannot be loaded .*no_such_module'):
        load_source(tmp_path / 'imports.py')
    with pytest.raises(InputError, match='has no model'):
        convert(Config())
