"""Tests of the drawn images in the formats of the zoo's datasets."""

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config

from mmsniper.datasets.nesting import nested_configs
from mmsniper.experiments.zoo.drawn_images import SIZES
from mmsniper.experiments.zoo.fake_data import FakeData
from mmsniper.experiments.zoo.scope import zoo_folder

CONFIGS = {
    'CocoDataset': 'retinanet/retinanet_r50_fpn_1x_coco.py',
    'CityscapesDataset': 'cityscapes/mask-rcnn_r50_fpn_1x_cityscapes.py',
    'CrowdHumanDataset': 'crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py',
    'DeepFashionDataset': 'deepfashion/mask-rcnn_r50_fpn_15e_deepfashion.py',
    'LVISV05Dataset': 'lvis/mask-rcnn_r50_fpn_sample1e-3_ms-2x_lvis-v0.5.py',
    'LVISV1Dataset': 'lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py',
    'Objects365V1Dataset': 'objects365/faster-rcnn_r50_fpn_16xb4-1x_objects365v1.py',
    'Objects365V2Dataset': 'objects365/faster-rcnn_r50_fpn_16xb4-1x_objects365v2.py',
    'OpenImagesDataset': 'openimages/faster-rcnn_r50_fpn_32xb2-1x_openimages.py',
    'OpenImagesChallengeDataset': (
        'openimages/faster-rcnn_r50_fpn_32xb2-1x_openimages-challenge.py'
    ),
    'V3DetDataset': 'v3det/faster_rcnn_r50_fpn_8x4_sample1e-3_mstrain_v3det_2x.py',
    'VOCDataset': 'pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py',
    'WIDERFaceDataset': 'wider_face/retinanet_r50_fpn_1x_widerface.py',
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return FakeData(tmp_path_factory.mktemp('zoo'))


def leaves(config, loader):
    parts = nested_configs(config[loader].dataset)
    return [part for part in parts if 'dataset' not in part and 'datasets' not in part]


@pytest.mark.parametrize('kind', CONFIGS)
def test_every_format_gives_the_objects_that_were_drawn(data, kind):
    if kind.startswith('LVIS'):
        pytest.importorskip('lvis', reason='the package lvis reads LVIS')
    config = Config.fromfile(zoo_folder() / CONFIGS[kind])
    data.give_to(config)
    for loader in ('train_dataloader', 'val_dataloader'):
        leaf = leaves(config, loader)[0]
        assert leaf.type == kind
        dataset = DATASETS.build(leaf)
        assert len(dataset) == len(SIZES)
        for index, (_, height, width, boxes) in enumerate(data.images):
            info = dataset.get_data_info(index)
            assert (info['height'], info['width']) == (height, width)
            found = np.array([instance['bbox'] for instance in info['instances']])
            np.testing.assert_allclose(found, boxes, atol=1)
            # Small ones are ignored where the config's own filter says so.
            smallest = (leaf.get('filter_cfg') or {}).get('bbox_min_size', 0)
            for (left, top, right, bottom), instance in zip(boxes, info['instances']):
                assert bool(instance['ignore_flag']) == (min(right - left, bottom - top) < smallest)
        assert dataset[0]['inputs'].ndim == 3


def test_proposals_and_regions(data):
    config = Config.fromfile(zoo_folder() / 'fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py')
    data.give_to(config)
    sample = DATASETS.build(config.train_dataloader.dataset)[0]['data_samples']
    assert len(sample.proposals) == 30
    config = Config.fromfile(zoo_folder() / 'htc/htc_r50_fpn_1x_coco.py')
    data.give_to(config)
    regions = DATASETS.build(config.train_dataloader.dataset)[0]['data_samples'].gt_sem_seg
    assert set(regions.sem_seg.unique().tolist()) >= {0, 1, 255}


def test_unknown_formats_are_named(data):
    config = Config(dict(train_dataloader=dict(dataset=dict(type='DSDLDetDataset'))))
    with pytest.raises(TypeError, match='no drawn images in the format of DSDLDetDataset'):
        data.give_to(config)
