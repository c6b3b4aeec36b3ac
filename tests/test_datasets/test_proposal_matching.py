import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MMLogger
from proposal_tables import proposal_table

from mmsniper import InputError
from mmsniper.datasets.box_table import BoxTable
from mmsniper.datasets.proposal_matching import match_proposals

SIZE = (100, 200)  # height, width


def images_at(*paths, sizes=None):
    """A dataset's images without boxes."""
    heights, widths = np.array(sizes or [SIZE] * len(paths), np.int64).reshape(-1, 2).T
    return BoxTable(
        paths=np.array(paths, dtype=str),
        heights=heights,
        widths=widths,
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int64),
        image_starts=np.zeros(len(paths) + 1, np.int64),
    )


def box(number):
    """A box that tells which it is."""
    return [number, 0, number + 1.5, 1]


def matched(table, images):
    """The left borders of the proposals of each image, and what the log says."""
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    logger, handler = MMLogger.get_current_instance(), Keep()
    logger.addHandler(handler)
    try:
        boxes, starts = match_proposals(table, images, 'proposal file p.pkl')
    finally:
        logger.removeHandler(handler)
    assert boxes.dtype == np.float32 and starts.dtype == np.int64
    assert len(starts) == images.num_images + 1 and starts[-1] == len(boxes)
    spans = zip(starts[:-1], starts[1:])
    return [boxes[a:b, 0].tolist() for a, b in spans], '\n'.join(lines)


def test_images_in_another_order():
    table = proposal_table({'3.jpg': [box(3), box(4)], '1.jpg': [box(1)], '2.jpg': []})
    found, log = matched(table, images_at('d/1.jpg', 'd/2.jpg', 'd/3.jpg'))
    assert found == [[1], [], [3, 4]]
    assert log == ''


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1), st.permutations(range(5)), st.data())
def test_every_image_gets_its_own(repeated, order, data):
    counts = [data.draw(st.integers(0, 3)) for _ in order]
    boxes_of = {f'a/{i}.jpg': [box(10 * i + k) for k in range(counts[i])] for i in order}
    images = images_at(*(f'root/a/{i}.jpg' for i in repeated))
    if min(repeated) >= 5:
        with pytest.raises(InputError, match='for none of the'):
            match_proposals(proposal_table(boxes_of), images, 'p')
        return
    found, _ = matched(proposal_table(boxes_of), images)
    expected = [[10 * i + k for k in range(counts[i])] if i < 5 else [] for i in repeated]
    assert found == expected


@pytest.mark.parametrize(
    'name, path',
    [
        ('1.jpg', '1.jpg'),
        ('1.jpg', '/data/train/1.jpg'),
        ('train/1.jpg', '/data/train/1.jpg'),
        ('data/train/1.jpg', '/data/train/1.jpg'),
        ('/data/train/1.jpg', '/data/train/1.jpg'),
        ('train/1.jpg', 'data//train//1.jpg'),
        ('train//1.jpg', 'data/train/1.jpg'),
        ('./1.jpg', './1.jpg'),
        ('./1.jpg', 'data/./1.jpg'),
        ('../1.jpg', 'data/train/../1.jpg'),
        ('train\\1.jpg', 'data/train/1.jpg'),
        ('train/1.jpg', 'C:\\data\\train\\1.jpg'),
        ('bucket/1.jpg', 's3://bucket/1.jpg'),
        ('空/Büro.jpg', '/data/空/Büro.jpg'),
    ],
)
def test_names_that_stand_for_a_path(name, path):
    found, log = matched(proposal_table({name: [box(7)]}), images_at(path))
    assert (found, log) == ([[7]], '')


@pytest.mark.parametrize(
    'name, path',
    [
        ('1.jpg', 'data/11.jpg'),
        ('1.jpg', 'data/1.png'),
        ('val/1.jpg', 'data/train/1.jpg'),
        ('rain/1.jpg', 'data/train/1.jpg'),
        ('data/train/1.jpg', 'train/1.jpg'),
        ('1.JPG', '1.jpg'),
        ('/', '1.jpg'),
    ],
)
def test_names_that_do_not(name, path):
    with pytest.raises(
        InputError,
        match=f'p.pkl has proposals for none of the 1 images: it names {name}, .* are {path}$',
    ):
        match_proposals(proposal_table({name: [box(7)]}), images_at(path), 'p.pkl')


def test_a_file_of_nothing_matches_nothing():
    with pytest.raises(InputError, match='it names nothing, but the images are 1.jpg, 2.jpg$'):
        match_proposals(proposal_table({}), images_at('1.jpg', '2.jpg'), 'p.pkl')


def test_folders_tell_images_of_the_same_name_apart():
    boxes_of = {'train/1.jpg': [box(1)], 'val/1.jpg': [box(2)], '2.jpg': [box(3)]}
    images = images_at('d/val/1.jpg', 'd/train/1.jpg', 'd/train/2.jpg')
    assert matched(proposal_table(boxes_of), images) == ([[2], [1], [3]], '')
    # The longest name that fits is meant, and a short one may stand for the other image.
    boxes_of = {'1.jpg': [box(1)], 'val/1.jpg': [box(2)]}
    found, log = matched(proposal_table(boxes_of), images_at('d/val/1.jpg', 'd/train/1.jpg'))
    assert (found, log) == ([[2], [1]], '')


@pytest.mark.parametrize(
    'name, paths',
    [
        ('1.jpg', ('d/train/1.jpg', 'd/val/1.jpg')),
        ('train/1.jpg', ('d/train/1.jpg', 'e/train/1.jpg')),
    ],
)
def test_ambiguous_names(name, paths):
    # As DumpProposals does, whose later image takes the earlier one's place.
    table = proposal_table({name: [box(1)], '2.jpg': [box(2)]})
    with pytest.raises(
        InputError,
        match=f'the name {name} in p.pkl may stand for {paths[0]} or for {paths[1]}: extract',
    ):
        match_proposals(table, images_at('d/2.jpg', *paths), 'p.pkl')


def test_an_image_that_comes_several_times():
    table = proposal_table({'1.jpg': [box(1), box(2)], '2.jpg': [box(3)]})
    images = images_at('d/1.jpg', 'd/2.jpg', 'd/1.jpg', './d//1.jpg')
    assert matched(table, images) == ([[1, 2], [3], [1, 2], [1, 2]], '')


def test_a_name_that_comes_several_times():
    table = proposal_table({'1.jpg': [box(1)], './1.jpg': [box(1)], '2.jpg': [box(2)]})
    table.names[1] = '1.jpg'
    assert matched(table, images_at('d/1.jpg', 'd/2.jpg')) == ([[1], [2]], '')


def test_missing_images_are_counted_and_named():
    table = proposal_table({'0.jpg': [box(1)], '1.jpg': []})
    found, log = matched(table, images_at(*(f'd/{i}.jpg' for i in range(7))))
    assert found == [[1]] + [[]] * 6
    assert log == (
        'ChipDataset: proposal file p.pkl has no proposals for 5 of 7 images, which get no '
        'negative chips: d/2.jpg, d/3.jpg, d/4.jpg and 2 more.'
    )


def test_images_that_the_dataset_lacks_are_counted_and_named():
    names = ['x/3.jpg', 'x/1.jpg', 'x/4.jpg', 'x/5.jpg', 'x/6.jpg']
    table = proposal_table({name: [box(i)] for i, name in enumerate(names)})
    found, log = matched(table, images_at('x/1.jpg'))
    assert found == [[1]]
    assert log == (
        'ChipDataset: 4 of the 5 images of proposal file p.pkl are not in the dataset: '
        'x/3.jpg, x/4.jpg, x/5.jpg and 1 more.'
    )


@pytest.mark.parametrize('size', [(101, 200), (100, 199), (200, 100), (50, 100)])
def test_images_of_another_size(size):
    table = proposal_table({'1.jpg': [], '2.jpg': []}, {'1.jpg': SIZE, '2.jpg': size})
    with pytest.raises(
        InputError,
        match=f'p.npz was made for other images: d/2.jpg had {size[1]}x{size[0]} pixels then and '
        r'has 200x100 now \(2 images differ\); extract it anew',
    ):
        match_proposals(table, images_at('d/1.jpg', 'd/2.jpg', 'd/2.jpg'), 'p.npz')


def test_unused_images_may_have_any_size():
    table = proposal_table({'1.jpg': [box(1)], '2.jpg': []}, {'1.jpg': SIZE, '2.jpg': (9, 9)})
    assert matched(table, images_at('d/1.jpg'))[0] == [[1]]


@pytest.mark.parametrize('place, value', [(0, -7), (1, -5), (2, 207), (3, 105)])
def test_boxes_beyond_an_image_of_unknown_size(place, value):
    wrong = [10.0, 10.0, 20.0, 20.0]
    wrong[place] = value
    table = proposal_table({'1.jpg': [box(1)], '2.jpg': [box(2), wrong]})
    images = images_at('d/2.jpg', 'd/1.jpg')
    with pytest.raises(
        InputError,
        match=r'p.pkl was made for images of another size: 1 proposals reach beyond their image, '
        r'such as \[.*\] in d/2.jpg of 200x100 pixels',
    ):
        match_proposals(table, images, 'p.pkl')
    # A pixel or two come from rounding.
    wrong[place] += 2 if value < 0 else -2
    boxes, starts = match_proposals(
        proposal_table({'1.jpg': [box(1)], '2.jpg': [box(2), wrong]}), images, 'p.pkl'
    )
    assert starts.tolist() == [0, 2, 3]
    assert (boxes >= 0).all() and (boxes <= [200, 100, 200, 100]).all()
    assert boxes[1][place] == (0 if value < 0 else (200, 100)[place - 2])


def test_boxes_beyond_an_image_of_the_same_size_are_clipped():
    table = proposal_table({'1.jpg': [[-50, -60, 300, 400]]}, {'1.jpg': SIZE})
    boxes, starts = match_proposals(table, images_at('1.jpg'), 'p.npz')
    assert boxes.tolist() == [[0, 0, 200, 100]] and starts.tolist() == [0, 1]


def test_empty_boxes_are_dropped_and_counted():
    table = proposal_table(
        {
            '1.jpg': [[5, 5, 5, 9], box(1), [9, 9, 5, 5]],
            '2.jpg': [[-1.5, 5, -1, 9]],
            '3.jpg': [box(2), [200, 5, 202, 9]],
        }
    )
    found, log = matched(table, images_at('3.jpg', '2.jpg', '1.jpg'))
    assert found == [[2], [], [1]]
    assert log == ('ChipDataset dropped 4 of 6 proposals of proposal file p.pkl, which are empty.')
