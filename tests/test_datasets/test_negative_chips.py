"""Negative chips of a ChipDataset."""

import copy
import json
import pickle

import coco_files
import numpy as np
import pytest
from coco_files import LEVELS, PIPELINE
from log_capture import log_of
from mmdet.registry import DATASETS
from mmengine.dataset import pseudo_collate
from proposal_tables import proposal_table, random_boxes
from torch.utils.data import DataLoader

from mmsniper import InputError
from mmsniper.datasets import ChipDataset
from mmsniper.datasets.proposal_file import write_proposals

SIZES = [(150, 200), (128, 96), (100, 100), (80, 120), (300, 300)]
BOXES = [
    [(10, 10, 20, 20), (120, 90, 30, 30), (30, 30, 100, 100)],
    [(5, 80, 35, 25), (60, 5, 30, 20)],
    [],
    [],
    [],
]
WITHOUT_OBJECTS = {2, 3, 4}


def write_coco(*arguments):
    # Serializing makes Python collect its garbage, which takes longer than all the rest.
    return dict(coco_files.write_coco(*arguments), serialize_data=False)


@pytest.fixture
def inner(tmp_path):
    return write_coco(tmp_path, SIZES, BOXES)


def proposals_of(seed=0, missing=()):
    """Proposals in a corner of every image but two: the fourth has none at all."""
    boxes_of = {
        '0.png': random_boxes(seed, 40, (140, 0, 200, 60), 5, 15),
        '1.png': random_boxes(seed + 1, 12, (0, 0, 90, 100), 32, 60),
        '2.png': random_boxes(seed + 2, 30, (40, 40, 100, 100), 5, 20),
        '3.png': [],
        # Far more than two chips' worth.
        '4.png': random_boxes(seed + 4, 600, (0, 0, 300, 300), 5, 20),
    }
    return proposal_table({name: boxes_of[name] for name in boxes_of if name not in missing})


def write(folder, name='proposals.npz', seed=0, missing=()):
    path = folder / name
    write_proposals(path, proposals_of(seed, missing))
    return str(path)


def with_proposals(inner, folder, **options):
    return ChipDataset(inner, PIPELINE, proposal_file=write(folder), **{**LEVELS, **options})


def rows(dataset):
    table = dataset.table
    return np.column_stack([table.image, table.level, table.boxes, table.negative])


def test_images_without_objects_are_trained_on(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path)
    plain = ChipDataset(inner, PIPELINE, **LEVELS)
    table = dataset.table
    assert set(plain.table.image.tolist()) == {0, 1}
    assert set(table.image.tolist()) == {0, 1, 2, 4}
    assert len(dataset) == len(table) == (~table.negative).sum() + table.negative.sum()
    assert (table.image[~table.negative] < 2).all()
    seen = set()
    for index in range(len(dataset)):
        item = dataset[index]
        sample, info = item['data_samples'], dataset.get_data_info(index)
        assert sample.chip.tolist() == info['chip'].tolist() == table.boxes[index].tolist()
        left, top, right, bottom = info['chip']
        factor = info['chip_scale']
        assert item['inputs'].shape[1:] == (
            int((bottom - top) * factor + 0.5),
            int((right - left) * factor + 0.5),
        )
        if table.image[index] in WITHOUT_OBJECTS:
            seen.add(sample.img_id - 1)
            assert len(sample.gt_instances) == len(sample.ignored_instances) == 0
            assert sample.gt_instances.bboxes.tensor.shape == (0, 4)
            assert sample.gt_instances.labels.shape == (0,)
            assert dataset.get_cat_ids(index) == []
            assert item['inputs'].float().mean() < 100, 'background'
        elif not table.negative[index]:
            assert len(sample.gt_instances)
    assert seen == {2, 4}


def test_negative_chips_hold_proposals_that_positive_chips_do_not(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path, max_negatives=100)
    proposals = proposals_of()
    for epoch in range(4):
        table = dataset._chips.generate(epoch)
        assert table.negative.any() and not table.negative.all()
        for image, level in {*zip(table.image.tolist(), table.level.tolist())}:
            here = (table.image == image) & (table.level == level)
            boxes = proposals.boxes[slice(*proposals.image_starts[image : image + 2])]
            sizes = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
            boxes = boxes[sizes < 40] if level == 0 else boxes[sizes >= 30]
            for chip in table.boxes[here & ~table.negative]:
                boxes = boxes[~((boxes[:, :2] >= chip[:2]) & (boxes[:, 2:] <= chip[2:])).all(1)]
            for chip in table.boxes[here & table.negative]:
                held = ((boxes[:, :2] >= chip[:2]) & (boxes[:, 2:] <= chip[2:])).all(1)
                assert held.sum() >= (25, 10)[level]
                boxes = boxes[~held]


def test_positive_chips_are_the_same_with_and_without_proposals(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path)
    plain = ChipDataset(inner, PIPELINE, **LEVELS)
    for epoch in range(3):
        table = dataset._chips.generate(epoch)
        positives = table[~table.negative]
        expected = plain._chips.generate(epoch)
        assert np.array_equal(positives.image, expected.image)
        assert np.array_equal(positives.boxes, expected.boxes)


@pytest.mark.parametrize('number', [0, 1, 2, 5])
def test_at_most_so_many_of_an_image_and_epoch(inner, tmp_path, number):
    dataset = with_proposals(inner, tmp_path, max_negatives=number)
    for epoch in range(4):
        table = dataset._chips.generate(epoch)
        assert np.bincount(table.image[table.negative], minlength=5).max() == number
    assert dataset.count_per_level(negative=True) != [0, 0] or number == 0


def test_each_epoch_draws_others(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path)
    drawn = set()
    for epoch in range(12):
        table = dataset._chips.generate(epoch)
        drawn.add(str(table.boxes[table.negative & (table.image == 4)].tolist()))
    assert len(drawn) > 9
    other = with_proposals(inner, tmp_path, seed=1)
    assert rows(other).tolist() != rows(dataset).tolist()


def test_epochs_are_a_function_of_seed_epoch_and_proposals(inner, tmp_path):
    dataset, other = (with_proposals(inner, tmp_path) for _ in range(2))
    of_epoch = []
    for epoch in range(6):
        dataset.set_epoch(epoch)
        of_epoch.append(rows(dataset))
        assert len(dataset) == len(of_epoch[epoch]) == len(of_epoch[0])
    other.set_epoch(5)  # straight there, as after a resume
    assert np.array_equal(rows(other), of_epoch[5])
    assert not np.array_equal(of_epoch[4], of_epoch[5])
    other.set_epoch(0)
    assert np.array_equal(rows(other), of_epoch[0])
    second = write(tmp_path, 'second.npz', seed=50)
    dataset.set_proposals(second)
    assert len(dataset) == len(of_epoch[0])
    assert not np.array_equal(rows(dataset), of_epoch[5])
    # As a resumed training has it: built with one file, given the other before it goes on.
    resumed = with_proposals(inner, tmp_path)
    resumed.set_proposals(second)
    resumed.set_epoch(5)
    assert np.array_equal(rows(resumed), rows(dataset))
    dataset.set_proposals(tmp_path / 'proposals.npz')
    assert np.array_equal(rows(dataset), of_epoch[5])
    assert dataset.num_generated == len(dataset._chips.generate(5))


def test_indices_beyond_the_length_are_of_later_epochs(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path)
    beyond = [dataset.get_data_info(2 * len(dataset) + i)['chip'] for i in range(len(dataset))]
    dataset.set_epoch(2)
    assert np.array_equal(beyond, dataset.table.boxes)


def persistent_loader(dataset):
    return DataLoader(
        dataset, batch_size=4, num_workers=1, persistent_workers=True, collate_fn=pseudo_collate
    )


def given_chips(loader):
    samples = [sample for batch in loader for sample in batch['data_samples']]
    return [[sample.img_id - 1, sample.chip_level, *sample.chip.tolist()] for sample in samples]


def test_running_workers_see_new_epochs_and_proposals(inner, tmp_path):
    # Begun without proposals, so that all of them reach the worker while it runs.
    dataset = ChipDataset(inner, PIPELINE, **LEVELS)
    length = len(dataset)
    loader = persistent_loader(dataset)
    assert given_chips(loader) == rows(dataset)[:, :-1].tolist()
    first = write(tmp_path)
    changes = [
        lambda: dataset.set_epoch(1),
        lambda: dataset.set_proposals(first),
        lambda: dataset.set_epoch(2),
        lambda: dataset.set_proposals(write(tmp_path, 'second.npz', seed=50)),
        lambda: dataset.set_proposals(first),
        lambda: dataset.set_proposals(first, min_proposals=3),
        lambda: dataset.set_proposals(write(tmp_path, seed=99)),  # the same name
        lambda: dataset.set_proposals(first, min_proposals=[25, 10]),
    ]
    for number, change in enumerate(changes):
        change()
        assert given_chips(loader) == rows(dataset)[:, :-1].tolist(), number
        assert len(dataset) == len(dataset.table) == length
        assert dataset.table.negative.any() == (number > 0)


def test_failed_changes_change_nothing(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path)
    before = rows(dataset)
    loader = persistent_loader(dataset)
    given_chips(loader)
    other = tmp_path / 'other.npz'
    write_proposals(other, proposal_table({'x.png': []}))
    attempts = [
        (dict(proposal_file=tmp_path / 'none.npz'), 'none.npz does not exist'),
        (dict(proposal_file=other), 'other.npz has proposals for none of the 5 images'),
        (dict(proposal_file=other, min_proposals=1), 'for none of the 5 images'),
        (dict(proposal_file=write(tmp_path, 's.npz', 50), min_proposals=0), 'min_proposals=0'),
        (dict(proposal_file=str(tmp_path / ('x' * 5000)) + '.npz'), 'cannot be read'),
    ]
    for options, message in attempts:
        with pytest.raises(InputError, match=message):
            dataset.set_proposals(**options)
        assert np.array_equal(rows(dataset), before)
        assert given_chips(loader) == before[:, :-1].tolist()
    assert dataset._chips.generate(3).negative.any()


def test_min_proposals_can_change_with_the_proposals(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path)
    usual = dataset._chips.generate(0).negative.sum()
    path = tmp_path / 'proposals.npz'
    dataset.set_proposals(path, min_proposals=1000)
    assert not dataset.table.negative.any()
    dataset.set_proposals(path)
    assert not dataset.table.negative.any(), 'as before'
    dataset.set_proposals(path, min_proposals=[25, 10])
    assert dataset.table.negative.sum() == usual
    dataset.set_proposals(path, min_proposals=[25, 1000])
    table = dataset._chips.generate(0)
    assert set(table.level[table.negative].tolist()) == {0}


def test_min_proposals_of_the_config(inner, tmp_path):
    few = with_proposals(inner, tmp_path, min_proposals=1, max_negatives=100)
    usual = with_proposals(inner, tmp_path, max_negatives=100)
    none = with_proposals(inner, tmp_path, min_proposals=[1000, 1000])
    assert few.table.negative.sum() > usual.table.negative.sum() > 0
    assert none.table.negative.sum() == 0 and none.has_proposals


def test_it_can_be_pickled_and_copied(inner, tmp_path):
    dataset = with_proposals(inner, tmp_path)
    dataset.set_proposals(write(tmp_path, 'second.npz', seed=50), min_proposals=5)
    dataset.set_epoch(3)
    expected = rows(dataset)
    for copied in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert np.array_equal(rows(copied), expected)
        # A copy goes its own way, and takes its own workers along.
        loader = persistent_loader(copied)
        given_chips(loader)
        copied.set_proposals(tmp_path / 'proposals.npz', min_proposals=20)
        assert given_chips(loader) == rows(copied)[:, :-1].tolist()
        assert not np.array_equal(rows(copied), expected)
        assert np.array_equal(rows(dataset), expected)


def test_the_log_tells_positive_from_negative(inner, tmp_path, caplog):
    path = write(tmp_path, missing=('2.png',))
    dataset, log = log_of(
        caplog, lambda: ChipDataset(inner, PIPELINE, **LEVELS, proposal_file=path)
    )
    positive, negative = (dataset.count_per_level(negative=kind) for kind in (False, True))
    assert np.add(positive, negative).tolist() == dataset.count_per_level()
    assert sum(negative) >= 3
    assert (
        f'{len(dataset)} chips of 5 images (fine to coarse: {positive} positive, {negative} '
        'negative); 2 images have no chip and are dropped, 2 of them for want of any box.'
    ) in log
    assert f'proposal file {path} has no proposals for 1 of 5 images' in log
    assert '2.png' in log


def test_a_log_without_proposals(inner, caplog):
    dataset, log = log_of(caplog, lambda: ChipDataset(inner, PIPELINE, **LEVELS))
    assert f'(fine to coarse: {dataset.count_per_level()})' in log
    assert not dataset.has_proposals and not dataset.table.negative.any()


def test_a_pickle_of_dump_proposals(inner, tmp_path):
    table = proposals_of()
    spans = list(zip(table.image_starts[:-1], table.image_starts[1:]))
    content = {  # with the images' folder, as the metric has it
        f'{tmp_path.name}/{name}': dict(bboxes=table.boxes[a:b], scores=table.scores[a:b])
        for name, (a, b) in zip(table.names.tolist(), spans)
    }
    path = tmp_path / 'p.pkl'
    path.write_bytes(pickle.dumps(content))
    dataset = ChipDataset(inner, PIPELINE, **LEVELS, proposal_file=str(path))
    assert np.array_equal(rows(dataset), rows(with_proposals(inner, tmp_path)))


def test_in_a_config(inner, tmp_path):
    config = dict(
        type='ChipDataset',
        dataset=inner,
        pipeline=PIPELINE,
        proposal_file=write(tmp_path),
        min_proposals=[20, 8],
        max_negatives=1,
        **LEVELS,
    )
    dataset = DATASETS.build(config)
    assert dataset.table.negative.sum() == 4


@pytest.mark.parametrize(
    'wrap',
    [
        lambda inner: dict(type='ConcatDataset', datasets=[inner, inner]),
        lambda inner: dict(type='RepeatDataset', dataset=inner, times=2),
    ],
)
def test_around_wrappers(inner, tmp_path, wrap):
    dataset = with_proposals(wrap(inner), tmp_path)
    assert dataset.num_images == 10
    table = dataset.table
    counts = np.bincount(table.image[table.negative], minlength=10).reshape(2, 5)
    assert (counts[:, [2, 4]] > 0).all() and (counts[:, 3] == 0).all()
    for index in np.flatnonzero(table.negative & (table.image >= 7)):
        sample = dataset[int(index)]['data_samples']
        assert sample.img_id - 1 == table.image[index] - 5
        assert len(sample.gt_instances) == 0


def test_concatenated_folders_with_the_same_names(tmp_path):
    boxes_of, inner = {}, []
    for number, folder in enumerate(('train', 'val')):
        (tmp_path / folder).mkdir()
        inner.append(write_coco(tmp_path / folder, [(100, 100)], [[(10, 10, 20, 20)]]))
        boxes_of[f'{folder}/0.png'] = random_boxes(0, 30 * number, (40, 40, 100, 100), 5, 20)
    path = tmp_path / 'p.npz'
    write_proposals(path, proposal_table(boxes_of))
    both = dict(type='ConcatDataset', datasets=inner)
    dataset = ChipDataset(both, PIPELINE, **LEVELS, proposal_file=str(path))
    assert set(dataset.table.image[dataset.table.negative].tolist()) == {1}
    write_proposals(path, proposal_table({'0.png': []}))
    with pytest.raises(InputError, match='the name 0.png in proposal file .* may stand for'):
        ChipDataset(both, PIPELINE, **LEVELS, proposal_file=str(path))


def test_views_take_no_notice_of_proposals(inner, tmp_path):
    options = dict(levels=[1.0, 0.5], valid_ranges=[(-1, 40), (30, -1)], test_mode=True)
    plain = ChipDataset(inner, PIPELINE, **options)
    dataset = ChipDataset(inner, PIPELINE, proposal_file=write(tmp_path), **options)
    assert len(dataset) == 2 * len(SIZES)
    assert np.array_equal(rows(dataset), rows(plain))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(proposal_file='nowhere/p.npz'), 'nowhere/p.npz does not exist'),
        (dict(proposal_file='p.json'), 'p.json must be an .npz'),
        (dict(min_proposals=0), 'min_proposals=0 must be'),
        (dict(min_proposals=[1, 2, 3]), r'min_proposals=\[1, 2, 3\] must be .* 2 levels'),
        (dict(max_negatives=-1), 'max_negatives=-1 must be'),
        (dict(max_negatives='2'), "max_negatives='2' must be"),
    ],
)
def test_bad_settings_are_named(inner, change, message):
    with pytest.raises(InputError, match=message):
        ChipDataset(inner, PIPELINE, **LEVELS, **change)


def test_bad_proposals_are_named(inner, tmp_path):
    def message(table):
        path = tmp_path / 'p.npz'
        write_proposals(path, table)
        with pytest.raises(InputError) as caught:
            ChipDataset(inner, PIPELINE, **LEVELS, proposal_file=str(path))
        assert f'proposal file {path}' in str(caught.value)
        return str(caught.value)

    assert 'proposals for none of the 5 images' in message(proposal_table({'x.png': []}))
    table = proposals_of()
    table.heights[1], table.widths[1] = 96, 128
    assert '1.png had 128x96 pixels then and has 96x128 now' in message(table)
    table = proposals_of()
    table.boxes[3] *= 2
    assert 'made for images of another size: 1 proposals reach beyond' in message(table)
    table = proposals_of()
    table.boxes[3, 2] = np.nan
    assert '1 proposals that are not finite, the first of image 0.png' in message(table)


@pytest.mark.parametrize('value', [None, 0])
def test_an_annotation_file_without_sizes(inner, tmp_path, value):
    path = tmp_path / 'annotations.json'
    content = json.loads(path.read_text())
    for image in content['images']:
        image['width'] = value
        if value is None:
            del image['width'], image['height']
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="has no 'height' and 'width'"):
        with_proposals(inner, tmp_path)


def test_one_object_in_all(tmp_path):
    inner = write_coco(tmp_path, SIZES, [[], [(60, 5, 30, 20)], [], [], []])
    dataset = with_proposals(inner, tmp_path)
    plain = ChipDataset(inner, PIPELINE, **LEVELS)
    assert len(plain) == 1
    assert (~dataset.table.negative).sum() == 1
    assert set(dataset.table.image[dataset.table.negative].tolist()) == {0, 1, 2, 4}
    for epoch in range(5):
        dataset.set_epoch(epoch)
        plain.set_epoch(epoch)
        assert len(plain.table) == 1
        assert len(dataset.table) == len(dataset)
        for index in range(len(dataset)):
            sample = dataset[index]['data_samples']
            found = len(sample.gt_instances) + len(sample.ignored_instances)
            assert found <= 1 and (sample.img_id == 2 or not found)


def test_no_object_at_all(tmp_path):
    inner = write_coco(tmp_path, SIZES, [[]] * 5)
    dataset = with_proposals(inner, tmp_path)
    assert dataset.table.negative.all() and len(dataset) > 4
    assert len(dataset[0]['data_samples'].gt_instances) == 0
    dataset.set_proposals(tmp_path / 'proposals.npz', min_proposals=1000)
    with pytest.raises(InputError, match='epoch 0 has no chips: .*proposals.npz make no negative'):
        dataset[0]
    with pytest.raises(InputError, match='annotations.json lists no annotations'):
        ChipDataset(inner, PIPELINE, **LEVELS)


def test_an_epoch_that_would_be_empty_by_chance(tmp_path):
    # Ten proposals of which only few positions of a chip hold all.
    inner = write_coco(tmp_path, [(64, 1000)], [[]])
    boxes = [[500 + 4 * i, 0, 524 + 4 * i, 20] for i in range(10)]
    write_proposals(tmp_path / 'p.npz', proposal_table({'0.png': boxes}))
    options = dict(levels=[1.0], valid_ranges=[(-1, -1)], chip_size=64, stride=64)
    options.update(proposal_file=str(tmp_path / 'p.npz'), min_proposals=10)
    for seed in range(200):
        try:
            dataset = ChipDataset(inner, PIPELINE, seed=seed, **options)
            break
        except InputError:
            continue
    assert len(dataset) == 1
    first = rows(dataset)
    empty = [epoch for epoch in range(30) if not len(dataset._chips.generate(epoch))]
    assert len(empty) > 10
    for epoch in empty[:3]:
        dataset.set_epoch(epoch)
        assert np.array_equal(rows(dataset), first)
        assert dataset.num_generated == 1
