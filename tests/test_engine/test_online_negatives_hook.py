"""What counts as a false positive."""

from types import SimpleNamespace

import pytest
import torch

from mmsniper import InputError
from mmsniper.datasets.announced_negatives import announce_room, announced_room
from mmsniper.engine import OnlineNegativesHook
from mmsniper.engine.online_negatives_hook import find_false_positives

BOXES = torch.tensor(
    [
        [0, 0, 10, 10],  # on an object
        [0, 0, 10, 30],  # IoU of a third with it
        [50, 50, 60, 60],  # on nothing
        [50, 50, 60, 60],  # on nothing, with a low score
        [100, 0, 110, 10],  # inside a crowd
        [100, 0, 110, 60],  # half of it inside the crowd
        [100, 0, 110, 62],  # less than half
    ],
    dtype=torch.float32,
)
SCORES = torch.tensor([0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9])


def test_hand_made_false_positives():
    objects, crowds = [[0, 0, 10, 10]], [[80, 0, 200, 30]]
    wrong = find_false_positives(BOXES, SCORES, objects, crowds, score_thr=0.3, iou_thr=0.5)
    assert wrong.tolist() == [False, True, True, False, False, False, True]


def test_no_objects_and_no_detections():
    assert find_false_positives(BOXES, SCORES, [], [], 0.3, 0.5).tolist() == [
        *(True, True, True, False, True, True, True)
    ]
    none = find_false_positives(BOXES[:0], SCORES[:0], [[0, 0, 10, 10]], [], 0.3, 0.5)
    assert none.shape == (0,)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(interval=0), 'interval=0 must be 1 or more epochs'),
        (dict(score_thr=2), 'score_thr=2 must lie between 0 and 1'),
        (dict(iou_thr=-1), 'iou_thr=-1 must lie between 0 and 1'),
        (dict(interval=1.5), 'interval=1.5 must be 1 or more epochs, a whole number'),
        (dict(interval=True), 'interval=True must be'),
        (dict(score_thr=float('nan')), 'score_thr=nan must lie between 0 and 1'),
        (dict(iou_thr='half'), "iou_thr='half' must lie between 0 and 1"),
        (dict(max_per_image=0), 'max_per_image=0 must be 1 or more detections'),
        (dict(batch_size=0), 'batch_size=0 must be 1 or more views'),
        (dict(num_workers=-1), 'num_workers=-1 must be 0 or more'),
        (dict(nms=dict(type='median', iou_threshold=0.5)), "'median'"),
        (dict(dataloader='train_dataloader'), 'must be val_dataloader or test_dataloader, but is'),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(InputError, match=message):
        OnlineNegativesHook(**settings)


@pytest.mark.parametrize('name', ['val_dataloader', 'test_dataloader'])
def test_levels_of_the_dataloader_that_was_chosen(name):
    chips = dict(type='ChipDataset', test_mode=True, levels=[1.0, 0.5])
    hook = OnlineNegativesHook(dataloader=name)
    announce_room(0)
    runner = SimpleNamespace(cfg={name: dict(dataset=chips)})
    assert hook._test_dataset(runner) == chips
    other = {'val_dataloader': 'test_dataloader', 'test_dataloader': 'val_dataloader'}[name]
    runner = SimpleNamespace(cfg={other: dict(dataset=chips)})
    with pytest.raises(InputError, match=f'levels of {name}.dataset, which must be a ChipDataset'):
        hook._test_dataset(runner)


def test_room_is_announced_until_the_run_begins():
    assert announced_room() == 0
    hook = OnlineNegativesHook()
    try:
        assert announced_room() == 0.3
    finally:
        hook.before_run(None)
    assert announced_room() == 0
