"""The focus head: which cells it learns from, and what comes out of it."""

import math

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmsniper.errors import InputError
from mmsniper.focus import focus_labels
from mmsniper.models import FocusHead

SIDE, CHANNELS = 128, 4


def head(**settings):
    torch.manual_seed(0)
    made = MODELS.build(dict(type='FocusHead', in_channels=CHANNELS, feat_channels=8, **settings))
    made.init_weights()
    return made


def instances(boxes, factors=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    made = InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))
    if factors is not None:
        made.size_factors = torch.tensor(factors, dtype=torch.float32)
    return made


def sample(valid=(), ignored=(), factors=((), ()), known=True):
    made = DetDataSample(metainfo=dict(batch_input_shape=(SIDE, SIDE)))
    made.gt_instances = instances(valid, factors[0] if known else None)
    made.ignored_instances = instances(ignored, factors[1] if known else None)
    return made


def features(images=1, stride=8):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images, CHANNELS, SIDE // stride, SIDE // stride, generator=generator)


def test_it_starts_with_the_probability_of_retinanet():
    with torch.no_grad():
        predicted = head().predict(features(2), [sample(), sample()])
    assert predicted.shape == (2, 1, 16, 16) and predicted.dtype == torch.float32
    assert predicted.mean() == pytest.approx(0.01, rel=0.2)


def test_the_loss_is_the_mean_over_what_is_learnt():
    """Of the binary cross entropy, over the cells of all images, times its weight."""
    made = head()
    samples = [
        sample([[8, 8, 40, 40]], [[100, 100, 104, 104]], ([1], [1])),
        sample([], [[0, 0, 70, 70], [64, 64, 128, 128]], ([], [1, 1])),
    ]
    logits = made(features(2))
    labels = torch.stack(
        [
            focus_labels(
                torch.cat([each.gt_instances.bboxes, each.ignored_instances.bboxes]), (16, 16), 8
            )
            for each in samples
        ]
    )
    assert {-1, 0, 1} == set(labels[0].flatten().tolist())
    learnt = labels >= 0
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[learnt], labels[learnt].float()
    )
    (loss,) = made.loss(features(2), samples).values()
    assert loss.item() == pytest.approx(20 * expected.item(), rel=1e-6)


def gradient_of_cells(given, **settings):
    """-1, 0 or 1 for each cell: what the loss wants of it."""
    made = head(**settings)
    logits = torch.zeros(1, 16, 16, requires_grad=True)
    made.forward = lambda _: logits
    made.loss(features(), [given])['loss_focus'].backward()
    return -logits.grad[0].sign()


def test_ignored_objects_are_learnt_by_their_size():
    small, large = [16, 16, 32, 32], [0, 0, 128, 100]
    wanted = gradient_of_cells(sample([large], [small], ([1], [1])))
    assert (wanted[2:4, 2:4] == 1).all() and wanted.sum() == 4 - (256 - 4)


@pytest.mark.parametrize('ignored', [False, True])
def test_crowds_are_not_learnt(ignored):
    box = [16, 16, 32, 32]
    given = sample([], [box], ([], [0])) if ignored else sample([box], [], ([0], []))
    wanted = gradient_of_cells(given)
    assert (wanted[2:4, 2:4] == 0).all() and wanted.sum() == -(256 - 4)


def test_what_is_left_of_a_cut_object_has_the_size_of_the_object():
    box = [0, 0, 16, 16]
    assert gradient_of_cells(sample([], [box], ([], [8])))[0, 0] == -1
    assert gradient_of_cells(sample([], [box], ([], [5])))[0, 0] == 0
    assert gradient_of_cells(sample([], [box], ([], [1])))[0, 0] == 1
    assert gradient_of_cells(sample([], [box], known=False))[0, 0] == 1, 'its own where unknown'


def test_sizes_and_the_stride_are_settings():
    wanted = gradient_of_cells(sample([[0, 0, 16, 16]], [], ([1], [])), sizes=(2, 12, 18))
    assert wanted[0, 0] == 0
    made = head(stride=16)
    assert made.loss(features(stride=16), [sample()])['loss_focus'].isfinite()


@pytest.mark.parametrize('given', [sample(), sample([[0, 0, 128, 70]], [], ([1], []))])
def test_chips_without_a_focus_cell(given):
    assert (gradient_of_cells(given) == -1).all()


def test_nothing_to_learn():
    loss = head().loss(features(), [sample([], [[0, 0, 128, 128]], ([], [0]))])['loss_focus']
    loss.backward()
    assert float(loss.detach()) == 0


def test_without_annotations():
    given = DetDataSample(metainfo=dict(batch_input_shape=(SIDE, SIDE)))
    given.gt_instances = given.ignored_instances = InstanceData()
    assert (gradient_of_cells(given) == -1).all()


def test_another_loss():
    made = head(loss_focus=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25))
    loss = made.loss(features(), [sample([[16, 16, 32, 32]], [], ([1], []))])['loss_focus']
    probability = 0.01
    object_cells = 4 * 0.25 * (1 - probability) ** 2 * -math.log(probability)
    other_cells = 252 * 0.75 * probability**2 * -math.log(1 - probability)
    assert loss.item() == pytest.approx((object_cells + other_cells) / 256, rel=0.05)


def test_half_precision():
    made = head()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = made.loss(features(), [sample([[16, 16, 32, 32]], [], ([1], []))])['loss_focus']
        predicted = made.predict(features(), [sample()])
    assert loss.dtype == predicted.dtype == torch.float32


@pytest.mark.parametrize('sizes', [(5, 64), (64, 5, 90), (-1, 64, 90)])
def test_sizes_that_do_not_rise(sizes):
    with pytest.raises(InputError, match='sizes of FocusHead must be three that rise'):
        FocusHead(sizes=sizes)


def test_a_map_of_another_stride():
    with pytest.raises(InputError, match=r'map 0 .* has 8x8 cells on an input of 128x128 pixels'):
        head().loss(features(stride=16), [sample()])
