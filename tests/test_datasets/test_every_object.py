"""Every object is shown in every epoch, and what cannot be is counted in the log."""

import copy
from itertools import islice

import numpy as np
import pytest
import torch
from coco_files import PIPELINE, write_coco
from log_capture import log_of
from mmdet.registry import DATASETS
from mmengine.dataset import DefaultSampler
from mmengine.structures import InstanceData
from proposal_tables import proposal_table, random_boxes

from mmsniper import InputError
from mmsniper.datasets import ChipDataset, InfiniteChipSampler, epoch_chips
from mmsniper.datasets.announced_negatives import announce_room
from mmsniper.datasets.proposal_file import write_proposals
from mmsniper.models import ValidRangeAssigner

LEVELS = dict(
    levels=[2.0, 1.0, 0.5],
    valid_ranges=[(-1, 24), (16, 60), (40, -1)],
    chip_size=128,
    stride=16,
)
# Too long for the chips of their size's levels, which are 64 and 128 px wide: size 20, 35 and 23.
LONG = [(20, 30, 100, 4), (10, 60, 160, 8), (20, 100, 180, 3)]


def drawn(folder, num_images=12, seed=0):
    rng = np.random.default_rng(seed)
    sizes, boxes = [], []
    for image in range(num_images):
        height, width = rng.integers(220, 400, 2).tolist()
        number = int(rng.integers(0, 25))
        corners = rng.integers(0, [width - 30, height - 30], (number, 2)).tolist()
        sides = np.exp(rng.uniform(np.log(5), np.log(130), (number, 2))).astype(int).tolist()
        of_image = [
            (x, y, min(w, width - x), min(h, height - y)) for (x, y), (w, h) in zip(corners, sides)
        ]
        sizes.append((height, width))
        boxes.append(of_image + LONG[image % 4 :])
    inner = write_coco(folder, sizes, boxes, draw=False)
    return dict(inner, serialize_data=False), sizes


def write_drawn_proposals(path, sizes, seed=0, number=60):
    boxes_of = {
        f'{image}.png': random_boxes(seed + image, number, (0, 0, width, height), 6, 40)
        for image, (height, width) in enumerate(sizes)
    }
    write_proposals(path, proposal_table(boxes_of))
    return str(path)


def objects_shown(dataset, items):
    """Which objects of all images are wholly in a chip where they count, by the items' contents."""
    shown = set()
    pyramid, chip_size = dataset.pyramid, dataset.chip_size
    for item in items:
        info = dataset.get_data_info(int(item))
        left, top, right, bottom = info['chip'].tolist()
        for number, instance in enumerate(info['instances']):
            x1, y1, x2, y2 = instance['bbox']
            inside = left <= x1 and top <= y1 and x2 <= right and y2 <= bottom
            size = np.sqrt((x2 - x1) * (y2 - y1))
            levels = np.flatnonzero(pyramid.in_range(np.array([size]))[0]).tolist()
            longest = max(x2 - x1, y2 - y1)  # whole pixels
            room = [chip_size / scale for scale in (2.0, 1.0, 0.5)]
            if not any(longest <= room[level] for level in levels):
                levels += [k for k in range(levels[-1] + 1, 3) if longest <= room[k]][:1]
            if inside and info['chip_level'] in levels:
                shown.add((info['img_id'], number))
    return shown


def all_objects(dataset):
    infos = [dataset.dataset.get_data_info(index) for index in range(dataset.num_images)]
    return {(info['img_id'], number) for info in infos for number in range(len(info['instances']))}


def check(dataset, epochs):
    for epoch in epochs:
        dataset.set_epoch(epoch)
        assert len(dataset.table) == len(dataset)
        assert objects_shown(dataset, range(len(dataset))) == all_objects(dataset), epoch


@pytest.mark.parametrize('seed', range(3))
def test_in_every_epoch(tmp_path, seed):
    inner, _ = drawn(tmp_path, seed=seed)
    dataset = ChipDataset(inner, PIPELINE, seed=seed, **LEVELS)
    assert dataset.object_levels.promoted.any()
    check(dataset, range(12))
    most = max(dataset._chips.num_generated(epoch) for epoch in range(12))
    assert most <= len(dataset) <= 1.05 * most, 'little of it comes again'


def test_with_negatives_and_when_others_come(tmp_path):
    inner, sizes = drawn(tmp_path)
    path = write_drawn_proposals(tmp_path / 'first.npz', sizes)
    dataset = ChipDataset(inner, PIPELINE, proposal_file=path, min_proposals=3, **LEVELS)
    check(dataset, range(3))
    assert dataset.table.negative.any() and not dataset.num_negatives_left_out
    more = write_drawn_proposals(tmp_path / 'more.npz', sizes, seed=50, number=900)
    dataset.set_proposals(more, min_proposals=1)
    check(dataset, range(3, 6))
    # One that was resumed is given the same.
    resumed = ChipDataset(inner, PIPELINE, proposal_file=path, min_proposals=3, **LEVELS)
    resumed.set_proposals(more, min_proposals=1)
    resumed.set_epoch(5)
    assert np.array_equal(resumed.table.boxes, dataset.table.boxes)


def test_negatives_that_come_later_take_the_room_that_is_kept(tmp_path):
    inner, sizes = drawn(tmp_path)
    path = write_drawn_proposals(tmp_path / 'p.npz', sizes, number=900)
    plain = ChipDataset(inner, PIPELINE, **LEVELS)
    roomy = ChipDataset(inner, PIPELINE, room_for_negatives=1.5, **LEVELS)
    assert len(roomy) == len(plain) + 18
    for dataset in (plain, roomy):
        dataset.set_proposals(path, min_proposals=1)
        check(dataset, range(1, 4))
        table = dataset.table
        positives = len(dataset._chips._positives(3))
        kept = min(len(dataset) - positives, dataset.num_generated - positives)
        assert table.negative.sum() == kept > 0
        assert dataset.num_negatives_left_out == dataset.num_generated - positives - kept
    assert plain.num_negatives_left_out > roomy.num_negatives_left_out


def test_announced_negatives_have_room(tmp_path):
    inner, _ = drawn(tmp_path)
    plain = ChipDataset(inner, PIPELINE, **LEVELS)
    announce_room(0.5)
    try:
        announced = ChipDataset(inner, PIPELINE, **LEVELS)
        decided = ChipDataset(inner, PIPELINE, room_for_negatives=0, **LEVELS)
    finally:
        announce_room(0)
    assert len(announced) == len(plain) + 6
    assert len(decided) == len(plain) == len(ChipDataset(inner, PIPELINE, **LEVELS))


def test_an_epoch_with_more_chips_than_there_is_room_for(tmp_path, monkeypatch):
    """With hardly any room, many images have the chips of epoch 0, and nothing else changes."""
    inner, _ = drawn(tmp_path)
    monkeypatch.setattr(epoch_chips, 'SAMPLED_EPOCHS', 1)
    monkeypatch.setattr(epoch_chips.math, 'sqrt', lambda number: 0)
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    chips = dataset._chips
    assert len(dataset) == len(chips._draw_positives(0))
    over = [epoch for epoch in range(30) if len(chips._draw_positives(epoch)) > len(dataset)]
    assert over, 'the case is there'
    check(dataset, over)
    for epoch in over:
        drawn_chips, given = chips._draw_positives(epoch), chips._positives(epoch)
        assert len(given) <= len(dataset)
        for image in range(dataset.num_images):
            own, first, ours = (
                table.boxes[table.image == image].tolist()
                for table in (drawn_chips, chips._first_positives, given)
            )
            assert ours == own or (ours == first and len(first) < len(own))


@pytest.mark.parametrize('world_size', [2, 3])
def test_on_several_ranks(tmp_path, world_size, monkeypatch):
    inner, _ = drawn(tmp_path)
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        items, endless = [], []
        for rank in range(world_size):
            place = lambda rank=rank: (rank, world_size)  # noqa: E731
            monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', place)
            sampler = DefaultSampler(dataset, shuffle=True, seed=0)
            sampler.set_epoch(epoch)
            items += list(sampler)
            infinite = InfiniteChipSampler(dataset, seed=0)
            share = range(rank, len(dataset), world_size)
            endless += list(islice(infinite, len(share)))
        assert objects_shown(dataset, items) == all_objects(dataset)
        assert objects_shown(dataset, endless) == all_objects(dataset)


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(4))
def test_in_many_epochs(tmp_path, seed):
    inner, sizes = drawn(tmp_path, num_images=30, seed=100 + seed)
    path = write_drawn_proposals(tmp_path / 'p.npz', sizes, number=300)
    dataset = ChipDataset(inner, PIPELINE, seed=seed, room_for_negatives=0.3, **LEVELS)
    check(dataset, range(20))
    dataset.set_proposals(path, min_proposals=1)
    check(dataset, range(20, 30))


def samples_with_a_long_object(folder, mode='ignore'):
    """The coarsest chips, of sizes from 40, of an image with an object of 160x8 and one of 30x30.

    The long one has size 35.8, but is too long for the other levels' chips.
    """
    inner = write_coco(folder, [(300, 300)], [[LONG[1], (60, 80, 30, 30), (30, 150, 60, 60)]])
    pipeline = copy.deepcopy(PIPELINE)
    pipeline[3].update(mode=mode)
    pipeline[-1] = dict(type='PackChipInputs')
    dataset = ChipDataset(inner, pipeline, **LEVELS)
    assert dataset.object_levels.promoted.tolist() == [True, False, False]
    items = np.flatnonzero(dataset.table.level == 2).tolist()
    for item in items:
        left, top, right, bottom = dataset.table.boxes[item].tolist()
        long_inside = left <= 10 and top <= 60 and right >= 170 and bottom >= 68
        assert dataset.get_cat_ids(item).count(0) == long_inside + (
            left <= 30 and top <= 150 and right >= 90 and bottom >= 210
        )
    return [dataset[item]['data_samples'] for item in items]


def sides_of(instances):
    boxes = instances.bboxes.tensor
    return (boxes[:, 2:] - boxes[:, :2]).tolist()


@pytest.mark.parametrize('mode', ['ignore', 'erase', 'drop'])
def test_a_long_object_counts_where_it_is_shown(tmp_path, mode):
    samples = samples_with_a_long_object(tmp_path, mode)
    valid = [sides_of(sample.gt_instances) for sample in samples]
    assert any([80, 4] in sides for sides in valid)
    assert not any([15, 15] in sides for sides in valid), 'others of its size stay out'
    for sample in samples:
        assert [80, 4] not in sides_of(sample.ignored_instances)


def test_proposals_on_a_long_object_count(tmp_path):
    seen = 0
    for sample in samples_with_a_long_object(tmp_path):
        valid, ignored = sample.gt_instances, sample.ignored_instances
        if [80, 4] not in sides_of(valid):
            continue
        seen += 1
        row = sides_of(valid).index([80, 4])
        assert valid.input_valid_range == (pytest.approx(np.sqrt(160 * 8 / 2) / 2), -1)
        valid.bboxes, ignored.bboxes = valid.bboxes.tensor, ignored.bboxes.tensor
        whole = valid.bboxes[row]
        part = whole.clone()
        part[2] -= 80 * 0.3  # an IoU of 0.7
        assigner = ValidRangeAssigner(
            dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5)
        )
        proposals = InstanceData(priors=torch.stack([whole, part]))
        assert assigner.assign(proposals, valid, ignored).gt_inds.tolist() == [row + 1] * 2
    assert seen


def test_chip_sample_alone_shows_long_objects(tmp_path):
    inner = write_coco(tmp_path, [(300, 300)], [[LONG[1]]])
    pipeline = copy.deepcopy(PIPELINE)
    pipeline[2].update(LEVELS)
    dataset = DATASETS.build(dict(inner, pipeline=pipeline))
    for _ in range(3):
        sample = dataset[0]['data_samples']
        assert sample.chip_level == 2
        assert len(sample.gt_instances) == 1 and len(sample.ignored_instances) == 0


def test_what_no_chip_shows_is_counted_and_named(tmp_path, caplog):
    boxes = [[(10, 10, 400, 3), (5, 30, 12, 1.5), LONG[1], (10, 60, 4, 4), (10, 80, 4, 3)]]
    inner = write_coco(tmp_path, [(450, 450)], boxes, draw=False)
    settings = dict(LEVELS, valid_ranges=[(4.2, 24), (16, 60), (40, -1)])
    _, log = log_of(caplog, lambda: ChipDataset(inner, PIPELINE, **settings))
    assert '2 objects are in no valid range and always ignored (4x4 px in ' in log
    assert '1 object is longer than a chip of the levels of their size, and shown at' in log
    assert '1 object is longer than a chip of any level' in log and '(400x3 px in ' in log
    assert '1 object is below 2 px thin' in log and '(12x1.5 px in ' in log
    caplog.clear()
    test = dict(levels=[1.0], valid_ranges=[(4.1, -1)], test_mode=True)
    _, log = log_of(caplog, lambda: ChipDataset(inner, PIPELINE, **test))
    assert '2 objects are in no valid range, so that none like them is ever detected' in log


def test_holes_and_falling_ranges_are_refused(tmp_path):
    inner, _ = drawn(tmp_path, num_images=2)
    hole = dict(LEVELS, valid_ranges=[(-1, 20), (30, 60), (40, -1)])
    for test_mode in (False, True):
        with pytest.raises(InputError, match='ChipDataset holds objects from 20 up to 30 px'):
            ChipDataset(inner, PIPELINE, test_mode=test_mode, **hole)
    dataset = ChipDataset(inner, PIPELINE, allow_holes=True, **hole)
    assert dataset.object_levels.out_of_range.any()
    falling = dict(LEVELS, valid_ranges=[(40, -1), (16, 60), (-1, 24)])
    with pytest.raises(InputError, match='ChipDataset must rise from fine to coarse'):
        ChipDataset(inner, PIPELINE, **falling)
    mixed = dict(levels=[0.5, (-1, 512)], valid_ranges=[(-1, 80), (40, -1)])
    with pytest.raises(InputError, match=r'in 2 of 2 images, such as .*0\.png'):
        ChipDataset(inner, PIPELINE, **mixed)


@pytest.mark.parametrize('room', [-1, 3])
def test_impossible_room_is_refused(tmp_path, room):
    inner, _ = drawn(tmp_path, num_images=2)
    with pytest.raises(InputError, match='room_for_negatives of ChipDataset must lie between 0'):
        ChipDataset(inner, PIPELINE, room_for_negatives=room, **LEVELS)
