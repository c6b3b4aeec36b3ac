import errno
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from mmdet.evaluation import DumpProposals
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from proposal_tables import proposal_table

from mmsniper import InputError
from mmsniper.datasets import proposal_file
from mmsniper.datasets.proposal_file import (
    ProposalTable,
    read_proposals,
    shortest_names,
    write_proposals,
)

COLUMNS = ('names', 'heights', 'widths', 'image_starts', 'boxes', 'scores')


def some_table():
    return proposal_table(
        {
            'a/1.jpg': [[0, 0, 10, 10], [5.5, 2.25, 30, 40]],
            'a/2.jpg': [],
            'b/Büro 空.png': [[1, 2, 3, 4]],
        },
        {'a/1.jpg': (100, 200), 'a/2.jpg': (50, 60)},
    )


def assert_same(found: ProposalTable, expected: ProposalTable):
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(found, column), getattr(expected, column))


def message_of(path) -> str:
    """What the user is told, which names the file and is one line."""
    with pytest.raises(InputError) as caught:
        read_proposals(path)
    text = str(caught.value)
    assert str(path) in text and '\n' not in text
    return text


@pytest.mark.parametrize('name', ['proposals.npz', 'Vorschläge 空.npz', 'new/folder/p.npz'])
def test_what_is_written_is_read(tmp_path, name):
    path = tmp_path / name
    write_proposals(path, some_table())
    for way in (path, str(path)):
        found = read_proposals(way)
        assert_same(found, some_table())
        assert (found.boxes.dtype, found.scores.dtype) == (np.float32, np.float32)
        assert {getattr(found, column).dtype for column in COLUMNS[1:4]} == {np.dtype(np.int64)}
        assert found.names.tolist() == ['a/1.jpg', 'a/2.jpg', 'b/Büro 空.png']
        assert len(found) == 3
    assert os.listdir(path.parent) == [path.name], 'nothing else is left behind'


def test_a_table_without_images_or_proposals(tmp_path):
    for table in (proposal_table({}), proposal_table({'1.jpg': [], '2.jpg': []})):
        write_proposals(tmp_path / 'p.npz', table)
        found = read_proposals(tmp_path / 'p.npz')
        assert_same(found, table)
        assert found.boxes.shape == (0, 4)


def test_no_pickle_is_written(tmp_path):
    table = some_table()
    objects = ProposalTable(
        *(getattr(table, column).astype(object) for column in COLUMNS)
    )  # as from a list of strings in an array of objects
    write_proposals(tmp_path / 'p.npz', objects)
    with np.load(tmp_path / 'p.npz', allow_pickle=False) as file:
        assert sorted(file) == sorted(COLUMNS)
        assert all(file[column].dtype != object for column in COLUMNS)
    assert_same(read_proposals(tmp_path / 'p.npz'), table)


@pytest.mark.parametrize('error', [KeyboardInterrupt(), OSError(errno.ENOSPC, 'disk full')])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / 'p.npz'
    write_proposals(path, some_table())
    before = path.read_bytes()

    def write_half(target, **arrays):
        with open(target, 'wb') as file:
            file.write(before[:100])
        raise error

    monkeypatch.setattr(proposal_file.np, 'savez_compressed', write_half)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_proposals(path, proposal_table({'3.jpg': []}))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ['p.npz']


def test_a_new_table_replaces_the_old_one(tmp_path):
    write_proposals(tmp_path / 'p.npz', some_table())
    write_proposals(tmp_path / 'p.npz', proposal_table({'3.jpg': []}))
    assert read_proposals(tmp_path / 'p.npz').names.tolist() == ['3.jpg']


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(InputError, match='ends in .npz, not to .*p.pkl'):
        write_proposals(tmp_path / 'p.pkl', some_table())
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='p.npz cannot be written: '):
        write_proposals(tmp_path / 'file' / 'p.npz', some_table())
    (tmp_path / 'p.npz').mkdir()
    with pytest.raises(InputError, match='p.npz cannot be written: Is a directory'):
        write_proposals(tmp_path / 'p.npz', some_table())


def dump(folder, results, **options):
    """The pickle of MMDetection's metric: results are (image path, boxes, scores)."""
    metric = DumpProposals(output_dir=str(folder), **options)
    for path, boxes, scores in results:
        sample = DetDataSample(metainfo=dict(img_path=path))
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            scores=torch.tensor(scores, dtype=torch.float32),
        )
        metric.process([], [sample.to_dict()])
    metric.evaluate(len(results))
    return metric.proposals_file


RESULTS = [
    ('data/train2017/1.jpg', [[0, 0, 10, 10], [5.5, 2.25, 30, 40]], [0.25, 0.75]),
    ('data/train2017/2.jpg', [], []),
    ('/data/空/Büro.png', [[1, 2, 3, 4]], [0.5]),
]


def test_what_mmdetection_dumps_is_read(tmp_path):
    found = read_proposals(dump(tmp_path, RESULTS))
    assert found.names.tolist() == ['train2017/1.jpg', 'train2017/2.jpg', '空/Büro.png']
    assert found.image_starts.tolist() == [0, 2, 2, 3]
    assert found.boxes.tolist() == [[5.5, 2.25, 30, 40], [0, 0, 10, 10], [1, 2, 3, 4]]
    assert found.scores.tolist() == [0.75, 0.25, 0.5]
    assert found.heights.tolist() == found.widths.tolist() == [0, 0, 0], 'not in the file'
    assert (found.boxes.dtype, found.image_starts.dtype) == (np.float32, np.int64)
    fewer = read_proposals(
        dump(tmp_path, RESULTS, proposals_file='fewer.pickle', num_max_proposals=1)
    )
    assert fewer.boxes.tolist() == [[5.5, 2.25, 30, 40], [1, 2, 3, 4]]


def test_a_pickle_of_nothing(tmp_path):
    path = tmp_path / 'p.pkl'
    for content in ({}, {'1.jpg': dict(bboxes=[], scores=[])}):
        path.write_bytes(pickle.dumps(content))
        found = read_proposals(path)
        assert found.names.tolist() == list(content)
        assert found.boxes.shape == (0, 4) and found.scores.shape == (0,)


def test_files_that_are_cut_short(tmp_path):
    write_proposals(tmp_path / 'p.npz', some_table())
    for whole in (tmp_path / 'p.npz', dump(tmp_path, RESULTS)):
        content = open(whole, 'rb').read()
        cut = tmp_path / f'cut{os.path.splitext(whole)[1]}'
        lengths = {*range(0, len(content), 29), *range(len(content) - 24, len(content)), 1, 2, 3, 4}
        for length in sorted(lengths):
            cut.write_bytes(content[:length])
            assert 'is cut short' in message_of(cut), length


def test_damaged_npz_files_are_refused_or_read_right(tmp_path):
    write_proposals(tmp_path / 'p.npz', some_table())
    content = (tmp_path / 'p.npz').read_bytes()
    damaged = tmp_path / 'damaged.npz'
    refused = 0
    for place in range(0, len(content), 5):
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:  # most bytes are under a checksum, but not the times in the archive
            assert_same(read_proposals(damaged), some_table())
        except InputError as error:
            assert str(damaged) in str(error)
            refused += 1
    assert refused > 100


class Intruder:
    """Something that runs code as soon as its pickle is loaded."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_no_pickle_is_loaded_from_an_npz(tmp_path):
    victim = tmp_path / 'victim'
    path = tmp_path / 'p.npz'
    intruder = np.array([Intruder(victim)], dtype=object)
    table = some_table()
    for column in COLUMNS:
        arrays = {name: getattr(table, name) for name in COLUMNS}
        np.savez(path, **{**arrays, column: intruder})
        assert 'cut short or no .npz file' in message_of(path)
    path.write_bytes(pickle.dumps(Intruder(victim)))
    assert 'no .npz file' in message_of(path)
    with zipfile.ZipFile(path, 'w') as archive:
        for column in COLUMNS:
            archive.writestr(f'{column}.npy', pickle.dumps(Intruder(victim)))
    assert 'do not fit together' in message_of(path), 'only bytes to NumPy'
    assert not victim.exists()
    pickle.loads(pickle.dumps(Intruder(victim)))
    assert victim.exists(), 'loading it would have shown'


@pytest.mark.parametrize('name', ['p.npz', 'p.pkl', 'p.pickle'])
def test_files_that_are_none(tmp_path, name):
    path = tmp_path / name
    assert message_of(path).endswith('does not exist')
    assert message_of(tmp_path / 'no' / name).endswith('does not exist')
    path.write_bytes(b'')
    assert 'cut short' in message_of(path)
    path.write_text('{"images": []}')
    assert 'cut short or no' in message_of(path)
    path.unlink()
    path.mkdir()
    assert message_of(path).endswith('cannot be read: Is a directory')


@pytest.mark.parametrize('name', ['p.json', 'p', 'p.npy', 'npz'])
def test_other_suffixes(tmp_path, name):
    (tmp_path / name).write_text('')
    assert "must be an .npz of tools/extract_proposals.py or a .pkl of MMDetection's" in (
        message_of(tmp_path / name)
    )


def test_an_array_instead_of_an_archive(tmp_path):
    np.save(tmp_path / 'p.npy', np.zeros((3, 4)))
    os.replace(tmp_path / 'p.npy', tmp_path / 'p.npz')
    assert 'no .npz file' in message_of(tmp_path / 'p.npz')


@pytest.mark.parametrize('column', COLUMNS)
def test_missing_arrays_are_named(tmp_path, column):
    arrays = {name: getattr(some_table(), name) for name in COLUMNS if name != column}
    np.savez(tmp_path / 'p.npz', **arrays, other=np.zeros(3))
    assert f"has no array '{column}'" in message_of(tmp_path / 'p.npz')


@pytest.mark.parametrize(
    'change',
    [
        dict(names=np.array(['a', 'b'])),
        dict(names=np.array('a')),
        dict(heights=np.zeros(2, int)),
        dict(heights=np.array([100.5, 50, 0])),
        dict(widths=np.zeros((3, 1), int)),
        dict(widths=np.array(['100', 'x', '0'])),
        dict(image_starts=np.array([0, 2, 3])),
        dict(image_starts=np.array([0, 2, 2, 4])),
        dict(image_starts=np.array([1, 2, 2, 3])),
        dict(image_starts=np.array([0, 3, 2, 3])),
        dict(image_starts=np.array([0, np.nan, 2, 3])),
        dict(image_starts=np.zeros(0, int)),
        dict(boxes=np.zeros((3, 5), np.float32)),
        dict(boxes=np.zeros(12, np.float32)),
        dict(boxes=np.zeros((2, 4), np.float32)),
        dict(boxes=np.array([['1', '2', '3', 'x']] * 3)),
        dict(boxes=np.array(1.0)),
        dict(scores=np.zeros(2, np.float32)),
        dict(scores=np.zeros((3, 1), np.float32)),
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_do_not_fit_together(tmp_path, change):
    arrays = {name: getattr(some_table(), name) for name in COLUMNS}
    np.savez(tmp_path / 'p.npz', **{**arrays, **change})
    assert 'do not fit together' in message_of(tmp_path / 'p.npz')


def test_members_that_are_no_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / 'p.npz', 'w') as archive:
        for column in COLUMNS:
            archive.writestr(column, 'text')
    assert 'do not fit together' in message_of(tmp_path / 'p.npz')


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('column', ['boxes', 'scores'])
@pytest.mark.parametrize('suffix', ['npz', 'pkl'])
def test_proposals_that_are_not_finite_are_counted(tmp_path, value, column, suffix):
    table = some_table()
    # Two of the values are of the same proposal.
    for place in ((2, 1), (2, 3)) if column == 'boxes' else (2,):
        getattr(table, column)[place] = value
    path = tmp_path / f'p.{suffix}'
    if suffix == 'npz':
        write_proposals(path, table)
    else:
        spans = zip(table.image_starts[:-1], table.image_starts[1:])
        content = {
            name: InstanceData(bboxes=table.boxes[a:b], scores=table.scores[a:b])
            for name, (a, b) in zip(table.names.tolist(), spans)
        }
        path.write_bytes(pickle.dumps(content))
    text = message_of(path)
    assert 'has 1 proposals that are not finite, the first of image b/Büro 空.png' in text


ONE_BOX = dict(bboxes=np.ones((1, 4)), scores=np.ones(1))


@pytest.mark.parametrize(
    'content, part',
    [
        (None, 'NoneType'),
        ([np.zeros((3, 5))], 'list'),
        (np.zeros((3, 5)), 'ndarray'),
        ('text', 'str'),
        (7, 'int'),
        (InstanceData(**ONE_BOX), 'InstanceData'),
        ({'1.jpg': None}, 'TypeError'),
        ({'1.jpg': np.zeros((3, 5))}, 'IndexError'),
        ({'1.jpg': [ONE_BOX]}, 'TypeError'),
        ({'1.jpg': dict(bboxes=np.ones((1, 4)))}, 'scores'),
        ({'1.jpg': dict(scores=np.ones(1))}, 'bboxes'),
        ({'1.jpg': InstanceData(scores=np.ones(1))}, 'bboxes'),
        ({'1.jpg': dict(ONE_BOX, scores=np.ones(2))}, r'1\.jpg has arrays of shape'),
        ({'1.jpg': dict(ONE_BOX, scores=np.zeros(0))}, r'1\.jpg has arrays of shape'),
        ({'1.jpg': dict(ONE_BOX, scores=np.float32(1))}, r'1\.jpg has arrays of shape'),
        ({'1.jpg': dict(bboxes=np.ones((4, 5)), scores=np.ones(5))}, r'\(4, 5\) and \(5,\)'),
        ({'1.jpg': dict(bboxes=np.ones((4, 3)), scores=np.ones(3))}, r'\(4, 3\) and \(3,\)'),
        ({'1.jpg': dict(bboxes=np.ones((4, 0)), scores=np.ones(4))}, r'\(4, 0\) and \(4,\)'),
        ({'1.jpg': dict(bboxes=[['a', 'b', 'c', 'd']], scores=[1])}, 'ValueError'),
        ({'1.jpg': dict(bboxes=[[1, 2, 3], [4]], scores=[1])}, 'ValueError'),
        ({'0.jpg': ONE_BOX, '1.jpg': {'boxes': 1}}, 'KeyError'),
    ],
)
def test_pickles_of_something_else(tmp_path, content, part):
    path = tmp_path / 'p.pkl'
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=f'is not what MMDetection.* writes.*{part}'):
        read_proposals(path)


def test_a_pickle_of_a_missing_module(tmp_path):
    path = tmp_path / 'p.pkl'
    path.write_bytes(b'cno_such_module\nThing\n.')
    assert 'ModuleNotFoundError' in message_of(path)


@pytest.mark.parametrize(
    'paths, names',
    [
        ([], []),
        (['data/train/1.jpg'], ['1.jpg']),
        (['data/train/1.jpg', 'data/train/2.jpg'], ['1.jpg', '2.jpg']),
        (['data/train/1.jpg', 'data/val/1.jpg'], ['train/1.jpg', 'val/1.jpg']),
        (['data/train/1.jpg', 'data/train2/1.jpg'], ['train/1.jpg', 'train2/1.jpg']),
        (['/a/b/1.jpg', '/a/1.jpg'], ['b/1.jpg', '1.jpg']),
        (['/a/1.jpg', 'a/b/1.jpg'], ['1.jpg', 'b/1.jpg']),
        (['./a//x/1.jpg', 'a/./y/1.jpg'], ['x/1.jpg', 'y/1.jpg']),
        (['a/1.jpg', 'a/1.jpg'], ['1.jpg', '1.jpg']),
        (['1.jpg', '2.jpg'], ['1.jpg', '2.jpg']),
        (['1.jpg', 'a/1.jpg'], ['1.jpg', 'a/1.jpg']),
        (['C:\\data\\a\\1.jpg', 'C:\\data\\b\\1.jpg'], ['a/1.jpg', 'b/1.jpg']),
        (['s3://bucket/a/1.jpg', 's3://bucket/b/1.jpg'], ['a/1.jpg', 'b/1.jpg']),
        (['a/空/ü.jpg', 'a/b/ü.jpg'], ['空/ü.jpg', 'b/ü.jpg']),
    ],
)
def test_shortest_names(paths, names):
    found = shortest_names(paths)
    assert found.tolist() == names
    assert found.dtype.kind == 'U'
