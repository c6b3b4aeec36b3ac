"""Models for other classes than those of the data set, and checkpoints of other models."""

from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmsniper import InputError, config_path
from mmsniper.utils.checked_runner import check_num_classes, unfit_parts


class Head(nn.Linear):
    def __init__(self, num_classes):
        super().__init__(4, 4)
        self.num_classes = num_classes


def model(**heads):
    return nn.ModuleDict(
        {'backbone': nn.Linear(2, 4), **{name: Head(count) for name, count in heads.items()}}
    )


def data(**metainfo):
    return SimpleNamespace(metainfo=metainfo)


@pytest.mark.parametrize(
    ('heads', 'metainfo'),
    [
        (dict(bbox_head=2), dict(classes=('a', 'b'))),
        (dict(bbox_head=2, rpn_head=1), dict(classes=('a', 'b'))),  # objects and nothing else
        (dict(bbox_head=3), dict()),
        (dict(bbox_head=80), dict(classes=('a', 'b'), thing_classes=('a',))),  # panoptic
    ],
)
def test_number_of_classes_that_fits(heads, metainfo):
    check_num_classes(model(**heads), data(**metainfo), 'train_dataloader')


@pytest.mark.parametrize('number', [1, 3])
def test_number_of_classes_that_does_not_fit(number):
    with pytest.raises(
        InputError, match=f'bbox_head .* num_classes={number}.* val_dataloader .* 2'
    ):
        check_num_classes(model(bbox_head=number), data(classes=('a', 'b')), 'val_dataloader')


def test_classes_that_are_one_word():
    with pytest.raises(InputError, match=r"write a tuple, \('ab',\)"):
        check_num_classes(model(bbox_head=2), data(classes='ab'), 'train_dataloader')


def test_parts_that_a_checkpoint_is_not_for():
    detector = model(bbox_head=1)
    state = detector.state_dict()
    assert unfit_parts(detector, state) == []
    assert unfit_parts(detector, {f'module.{k}': v for k, v in state.items()}) == []
    backbone = {key: value for key, value in state.items() if key.startswith('backbone')}
    assert unfit_parts(detector, backbone) == ['bbox_head']
    larger = {key: torch.cat([value, value]) for key, value in state.items()}
    assert unfit_parts(detector, larger) == ['backbone', 'bbox_head']
    assert unfit_parts(detector, {}) == ['backbone', 'bbox_head']


@pytest.mark.parametrize('number', [1, 80])
def test_an_rpn_is_for_every_class(number):
    settings = Config.fromfile(config_path('rpn/rpn_r50_fpn_sniper-2e_coco.py')).model
    settings.backbone.update(depth=18, base_channels=4, init_cfg=None)
    init_default_scope('mmdet')
    rpn = MODELS.build(settings)
    check_num_classes(rpn, data(classes=('a',) * number), 'train_dataloader')
