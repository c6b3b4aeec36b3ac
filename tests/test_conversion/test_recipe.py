"""Levels, valid ranges and chips to convert with."""

import pytest
from mmengine.config import Config

from mmsniper import InputError, config_path
from mmsniper.analysis.config_snippet import config_snippet
from mmsniper.chips import Pyramid
from mmsniper.conversion import Recipe


def test_the_paper_is_the_default():
    recipe = Recipe()
    assert recipe.train_settings() == dict(
        levels=[(1400, 2000), (800, 1280), (-1, 512)],
        valid_ranges=[(-1, 80), (32, 150), (120, -1)],
        chip_size=512,
        stride=32,
    )
    assert recipe.test_settings() == dict(
        levels=[(1400, 2000), (800, 1280), (480, 512)],
        valid_ranges=[(-1, 90), (32, 180), (75, -1)],
    )


def test_other_levels_are_tested_with_wider_ranges():
    recipe = Recipe(levels=[1, 0.5], valid_ranges=[(-1, 60), (46, -1)], tile_size=800)
    assert recipe.test_settings() == dict(
        levels=[1.0, 0.5], valid_ranges=[(-1, 69), (40, -1)], tile_size=800
    )


def test_as_of_a_config_that_trains_on_chips():
    assert (
        Recipe.from_config(Config.fromfile(config_path('sniper/retinanet_r50_fpn_sniper-7e_coco')))
        == Recipe()
    )
    bccd = Config.fromfile(config_path('bccd/faster-rcnn_r18-tiny_fpn_sniper-8e_bccd.py'))
    recipe = Recipe.from_config(bccd)
    assert (recipe.chip_size, recipe.stride, recipe.levels) == (160, 16, (1.0, 0.5, 0.25))
    assert recipe.test_valid_ranges == ((-1, 72), (40, 160), (100, -1))


def test_as_analyze_scales_writes_it(tmp_path):
    pyramid = Pyramid([(900, 1600), (-1, 640)], [(-1, 100), (80, -1)])
    base = "__import__('mmsniper').config_path('sniper/retinanet_r50_fpn_sniper-7e_coco.py')"
    text = config_snippet('scales.py', 'For a test.', base, pyramid, 640, tile_size=2560)
    (tmp_path / 'scales.py').write_text(text)
    recipe = Recipe.from_config(Config.fromfile(tmp_path / 'scales.py'))
    assert recipe.train_pyramid == pyramid
    assert (recipe.chip_size, recipe.tile_size) == (640, 2560)
    assert recipe.test_valid_ranges == ((-1, 115), (69, -1))


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(levels=[1.0], valid_ranges=[(-1, 60), (40, -1)]), 'give one range per level'),
        (dict(chip_size=0), 'chip_size must be positive, but is 0'),
        (dict(chips_per_image=-1.0), 'chips_per_image must be positive'),
        (dict(test_levels=[1.0]), 'test levels need test valid ranges'),
        (dict(levels=[0.5, 1.0], valid_ranges=[(-1, 60), (40, -1)]), 'ordered fine to coarse'),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(InputError, match=message):
        Recipe(**settings)


def test_a_config_without_chips():
    with pytest.raises(InputError, match='no ChipDataset in train_dataloader'):
        Recipe.from_config(Config(dict(train_dataloader=dict(dataset=dict(type='CocoDataset')))))
