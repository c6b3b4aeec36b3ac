"""sniperize --focus: a head that fits the detector's maps and the pyramid of testing."""

import copy

import pytest
from coco_files import write_coco
from mmdet.registry import MODELS
from mmengine.config import Config
from source_configs import TINY
from tiny_detectors import tiny_detector

from mmsniper.chips import Pyramid
from mmsniper.conversion import Recipe, convert
from mmsniper.conversion.changes import Changes
from mmsniper.conversion.components import component_class
from mmsniper.conversion.focus import add_focus_head, focus_sizes, head_settings
from mmsniper.conversion.ignoring import apply_ignoring, plan_ignoring
from mmsniper.errors import InputError

PAPER = Recipe()


@pytest.fixture(scope='module')
def converted():
    return convert(Config.fromstring(TINY, '.py'), focus=True)


def test_the_head_fits(converted):
    config, changes = converted
    model = config.model
    assert (model.type, model.detector) == ('FocusDetector', 'RetinaNet')
    assert model.focus_head == dict(
        type='FocusHead',
        feature=0,
        stride=8,
        in_channels=16,
        feat_channels=16,
        sizes=(4.7, 60.0, 84.0),
    )
    assert 'FocusDetector of RetinaNet with a focus head on map 0 of the detector' in str(changes)
    assert 'images as large as those of COCO' in str(changes), 'the annotations are not there'
    built = MODELS.build(copy.deepcopy(model))
    assert built.focus_head.conv.in_channels == built.neck.fpn_convs[0].conv.out_channels


def test_it_is_added_to_what_trains_on_chips_already_but_not_twice(converted):
    config, _ = converted
    chips, _ = convert(Config.fromstring(TINY, '.py'))
    later, changes = convert(chips, focus=True)
    assert later.pretty_text == config.pretty_text
    assert len(changes.changed) == 1
    again, changes = convert(later, focus=True)
    assert again.pretty_text == later.pretty_text
    assert str(changes).count('\n') == 1 and 'has a focus head already' in str(changes)


def test_the_detector_inside_is_known(converted):
    model = converted[0].model
    assert [kind.__name__ for kind in component_class(MODELS, model).__mro__][2] == 'RetinaNet'
    assert plan_ignoring(model).mode == 'ignore' and not plan_ignoring(model).wrapped
    assert apply_ignoring(model) == model


def test_the_sizes_are_about_the_papers():
    pyramid = Pyramid(PAPER.test_levels, PAPER.test_valid_ranges)
    assert focus_sizes(pyramid) == pytest.approx((5, 64, 90), rel=0.07)
    # In larger images the valid ranges are smaller in pixels of a level.
    assert focus_sizes(pyramid, [(1280, 960)]) == (2.3, 30, 42)


def test_the_sizes_are_what_no_level_leaves_out():
    """A level's own bound in its own pixels: 34 * 0.6 and 95 * 0.25."""
    pyramid = Pyramid([1.4, 0.6, 0.25], [(-1, 64), (34, 170), (95, -1)])
    assert focus_sizes(pyramid) == (1.9, 24, 34)
    assert focus_sizes(Pyramid([1.0, 0.5], [(-1, 400), (300, -1)]))[0] == 5, 'never above it'


def test_sizes_of_the_images_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_coco(tmp_path, [(960, 1280)] * 3, [[(10, 10, 30, 30)]] * 3)
    config, changes = convert(Config.fromstring(TINY, '.py'), focus=True)
    assert config.model.focus_head.sizes == (2.3, 30, 42)
    assert 'as large as those of COCO' not in str(changes)


@pytest.mark.parametrize('ranges', [[(-1, -1)], [(-1, -1), (-1, -1)]])
def test_nothing_is_left_to_a_finer_level(ranges):
    with pytest.raises(InputError, match='give it two levels at least'):
        focus_sizes(Pyramid([1.0, 0.5][: len(ranges)], ranges))


@pytest.mark.parametrize(
    'name, expected',
    [
        ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', (1, 8, 32, 32)),
        ('rtmdet/rtmdet_s_8xb32-300e_coco.py', (0, 8, 32, 32)),
    ],
)
def test_maps_of_other_detectors(name, expected):
    found = head_settings(tiny_detector(name))
    keys = ('feature', 'stride', 'in_channels', 'feat_channels')
    assert tuple(found[key] for key in keys) == expected


def test_a_map_of_stride_16_where_there_is_none_of_8():
    model = tiny_detector('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    del model.neck
    model.backbone.out_indices = (0, 2, 3)
    assert head_settings(model)['stride'] == 16


def test_no_fit_map():
    model = tiny_detector('yolof/yolof_r50-c5_8xb8-1x_coco.py')
    with pytest.raises(InputError, match=r'YOLOF has no map of stride 8 or 16 .*\(strides: 32\)'):
        head_settings(model)


def test_maps_that_cannot_be_looked_at():
    model = tiny_detector('atss/atss_r50_fpn_1x_coco.py')
    model.neck.in_channels = [3, 3, 3, 3]
    with pytest.raises(InputError, match='the maps of ATSS cannot be looked at'):
        head_settings(model)


def refused(change, match):
    config, _ = convert(Config.fromstring(TINY, '.py'))
    change(config)
    with pytest.raises(InputError, match=match):
        add_focus_head(config, Changes())


def test_erased_objects_cannot_be_learnt():
    def change(config):
        config.model.bbox_head.type = 'NotRegisteredHead'

    refused(change, 'objects out of range, which are erased for this detector')


def test_a_pyramid_is_needed():
    def change(config):
        config.val_dataloader = config.test_dataloader = None

    refused(change, 'needs the pyramid of testing')
