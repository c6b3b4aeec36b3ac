"""Tests of configs of MMDetection that do not run as they are."""

from mmengine.config import Config

from mmsniper.conversion import convert
from mmsniper.experiments.zoo.scope import zoo_folder


def test_a_training_loop_with_a_type_says_nothing_else_of_its_kind():
    """MMEngine: "Only one of `type` or `by_epoch` can exist in `loop_cfg`"."""
    source = Config.fromfile(zoo_folder() / 'solov2/solov2-light_r18_fpn_ms-3x_coco.py')
    assert {'type', 'by_epoch'} <= set(source.train_cfg)
    config, changes = convert(source)
    assert config.train_cfg.type == 'EpochBasedTrainLoop'
    assert 'by_epoch' not in config.train_cfg
    assert 'by_epoch taken out' in str(changes)
