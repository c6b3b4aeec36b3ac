"""Configs of data sets that are converted: they say what the converters make."""

import pytest
from foreign_data import write_picture, write_text
from mmdet.registry import DATASETS
from mmengine.config import Config

from mmsniper import config_path
from mmsniper.analysis.scale_proposal import widen_ranges
from mmsniper.foreign_formats import convert, dota, visdrone, voc, xview

PERSONS = visdrone.PERSON, *visdrone.CLASSES[2:]
CLASSES = {
    'visdrone/faster-rcnn_r50_fpn_sniper-12e_visdrone.py': visdrone.CLASSES,
    'visdrone/faster-rcnn_r50_fpn_sniper-12e_visdrone-9classes.py': PERSONS,
    'visdrone/rtmdet_s_sniper-60e_visdrone.py': visdrone.CLASSES,
    'dota/faster-rcnn_r50_fpn_sniper-24e_dota.py': dota.CLASSES['1.0'],
    'xview/faster-rcnn_r50_fpn_sniper-12e_xview.py': tuple(xview.NAMES.values()),
    'voc/faster-rcnn_r50_fpn_sniper-24e_voc.py': voc.CLASSES,
}


@pytest.fixture(params=list(CLASSES))
def name(request):
    return request.param


@pytest.fixture
def config(name):
    return Config.fromfile(config_path(name))


def test_classes_are_those_of_the_converter(config, name):
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert config[loader].dataset.dataset.metainfo.classes == CLASSES[name]
    head = config.model.get('bbox_head') or config.model.roi_head.bbox_head
    assert head.num_classes == len(CLASSES[name])


def test_nothing_of_coco_is_left(config):
    for loader in ('train_dataloader', 'val_dataloader'):
        dataset = config[loader].dataset.dataset
        assert 'coco' not in dataset.data_root
        assert '2017' not in dataset.ann_file + dataset.data_prefix.img
    assert 'coco' not in config.val_evaluator.ann_file
    dataset = config.val_dataloader.dataset.dataset
    assert config.val_evaluator.ann_file == dataset.data_root + dataset.ann_file


def test_ranges_of_testing_are_those_of_training_widened(config):
    train, val = config.train_dataloader.dataset, config.val_dataloader.dataset
    assert val.levels == train.levels
    assert list(map(tuple, val.valid_ranges)) == widen_ranges(train.valid_ranges)


def test_the_rate_falls_within_the_schedule(config):
    last = config.param_scheduler[-1]
    assert last.begin < config.train_cfg.max_epochs <= last.end


def test_detectors_of_visdrone_have_the_same_data():
    first, second = (
        Config.fromfile(config_path(f'visdrone/{name}.py'))
        for name in ('faster-rcnn_r50_fpn_sniper-12e_visdrone', 'rtmdet_s_sniper-60e_visdrone')
    )
    for loader in ('train_dataloader', 'val_dataloader'):
        for config in (first, second):
            del config[loader].dataset['pipeline']
        assert first[loader].dataset == second[loader].dataset
    assert first.val_evaluator == second.val_evaluator
    merging = [config.custom_hooks[1] for config in (first, second)]
    assert merging[0].max_per_image == merging[1].max_per_image == 500


def test_chips_of_converted_data(tmp_path):
    """Objects on chips of the config, what is to be ignored beside them."""
    folder = tmp_path / 'VisDrone2019-DET-train'
    write_picture(folder / 'images/a.jpg', 1360, 765)
    lines = '600,300,40,30,1,4,0,0', '560,290,50,60,0,0,0,0', '660,300,10,20,0,1,0,0'
    write_text(folder / 'annotations/a.txt', *lines)
    convert(visdrone.visdrone_source(folder), tmp_path / 'annotations/train.json')
    config = Config.fromfile(
        config_path('visdrone/faster-rcnn_r50_fpn_sniper-12e_visdrone.py')
    ).train_dataloader.dataset
    config.dataset.data_root = f'{tmp_path}/'
    dataset = DATASETS.build(config)
    assert len(dataset) == 1
    sample = dataset[0]['data_samples']
    assert [visdrone.CLASSES[label] for label in sample.gt_instances.labels] == ['car']
    assert len(sample.ignored_instances) == 10 + 1
    # Level (2160, 2800) of a picture of 1360x765.
    box = sample.gt_instances.bboxes.tensor[0]
    assert (box[2] - box[0]).item() == pytest.approx(40 * 2800 / 1360, abs=0.2)
