"""The configs of the stages of a whole SNIPER training."""

import pytest
from mmengine.config import Config

from mmsniper import InputError, config_path
from mmsniper.conversion.stage_configs import chip_config, detector_stage, load_config, rpn_stage

DETECTOR = 'sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py'
BCCD = 'bccd/faster-rcnn_r18-tiny_fpn_sniper-8e_bccd.py'


@pytest.fixture
def config():
    return Config.fromfile(config_path(BCCD))


def test_the_rpn_gets_the_data_and_levels_of_the_detector(config):
    config.train_dataloader.dataset.levels = [2.0, 1.0, 0.5]
    config.train_dataloader.dataset.proposal_file = 'some.npz'
    config.train_dataloader.batch_size = 3
    stage = rpn_stage(config)
    assert stage.model.type == 'RPN' and stage.model.backbone.base_channels == 16
    assert stage.train_dataloader.dataset.levels == [2.0, 1.0, 0.5]
    assert stage.train_dataloader.batch_size == 3
    assert stage.train_dataloader.dataset.proposal_file is None, 'positive chips only'
    assert stage.train_cfg.max_epochs == 2
    assert stage.val_evaluator['metric'] == 'proposal'
    assert stage.val_evaluator['ann_file'] == 'data/bccd/annotations/val.json'
    assert 'NumClassCheckHook' not in [hook.type for hook in stage.custom_hooks]
    assert config.train_dataloader.dataset.proposal_file == 'some.npz', 'nothing is changed'


def test_which_rpn(config):
    assert rpn_stage(config).model.backbone.depth == 18, 'the one that the config names'
    rpn = 'mmsniper::rpn/rpn_r50_fpn_sniper-2e_coco.py'
    assert rpn_stage(config, rpn).model.backbone.depth == 50, 'the one of the command line'
    detector = Config.fromfile(config_path(DETECTOR))
    assert rpn_stage(detector).model.backbone.depth == 50, 'else ResNet-50'


def test_stages_survive_being_written(config, tmp_path):
    for stage in (rpn_stage(config), detector_stage(config, 'x.npz')):
        stage.dump(tmp_path / 'config.py')
        again = Config.fromfile(tmp_path / 'config.py')
        assert (
            again.train_dataloader.to_dict() == Config(stage.to_dict()).train_dataloader.to_dict()
        )


def test_other_metrics_are_left_out(config):
    config.val_evaluator = dict(type='VOCMetric')
    stage = rpn_stage(config)
    assert stage.val_cfg is stage.val_dataloader is stage.val_evaluator is None
    assert stage.test_dataloader.dataset.type == 'ChipDataset', 'proposals are still extracted'


def test_the_detector_gets_the_proposals_inside_of_wrappers(config):
    chips = config.train_dataloader.dataset
    config.train_dataloader.dataset = dict(type='MultiImageMixDataset', dataset=chips, pipeline=[])
    stage = detector_stage(config, 'proposals.npz')
    assert stage.train_dataloader.dataset.dataset.proposal_file == 'proposals.npz'
    assert 'proposal_file' not in chip_config(config)


def test_a_detector_without_chips():
    config = Config.fromfile(config_path(BCCD))
    config.train_dataloader.dataset = config.train_dataloader.dataset.dataset
    with pytest.raises(InputError, match='trains on no chips'):
        detector_stage(config, 'proposals.npz')


def test_configs_that_do_not_exist():
    with pytest.raises(InputError, match='config nothing.py does not exist'):
        load_config('nothing.py')
    with pytest.raises(InputError, match='did you mean'):
        load_config('mmsniper::bccd/faster-rcnn_bccd.py')
