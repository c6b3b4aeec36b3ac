"""Which views go through the detector together."""

import numpy as np

from mmsniper.inference import Source, ViewPlan
from mmsniper.inference.batches import blocks, in_lanes

PLAN = ViewPlan(whole_level=(200, 200), tile_size=200)


def padded(width, height):
    return -(-width // 32) * 32, -(-height // 32) * 32


def made(sizes, batch_size=4, sequence=None, **settings):
    sources = [
        Source(str(number), pixels=np.zeros((h, w), np.uint8), sequence=sequence)
        for number, (w, h) in enumerate(sizes)
    ]
    return list(
        blocks(sources, PLAN, lambda s: s.pixels.shape[::-1], padded, batch_size, **settings)
    )


def random_sizes(count):
    rng = np.random.default_rng(0)
    return [tuple(size) for size in rng.choice([90, 180, 200, 333, 500], (count, 2)).tolist()]


def test_all_views_once_and_none_is_padded_for_another():
    sizes = random_sizes(60)
    found = made(sizes)
    views = [view for block in found for batch in block.batches for view in batch]
    assert len({(view.image, view.number) for view in views}) == len(views)
    for number, (width, height) in enumerate(sizes):
        mine = [view for view in views if view.image == number]
        assert len(mine) == len(PLAN.views(width, height)) == mine[0].num_views
    for block in found:
        for number, batch in enumerate(block.batches):
            assert 1 <= len(batch) <= 4
            shapes = {padded(*((v.chip[2:] - v.chip[:2]) * v.scale).round()) for v in batch}
            assert len(shapes) == 1
            assert {(view.block, view.batch) for view in batch} == {(block.number, number)}
        assert len(block.images) <= 16
    assert [image.index for block in found for image in block.images] == list(range(60))


def test_shares_are_parts_of_the_whole():
    sizes = random_sizes(90)
    whole = made(sizes)
    shares = [made(sizes, chosen=lambda number, r=rank: number % 3 == r) for rank in range(3)]
    by_number = {block.number: block for share in shares for block in share}
    assert sorted(by_number) == [block.number for block in whole]
    for block in whole:
        other = by_number[block.number]
        assert [[(v.image, v.number) for v in batch] for batch in block.batches] == [
            [(v.image, v.number) for v in batch] for batch in other.batches
        ]


def test_streams_wait_for_no_more_than_a_batch():
    asked = []

    def stream():
        for number in range(7):
            asked.append(number)
            yield Source(str(number), pixels=np.zeros((100, 100), np.uint8), sequence='camera')

    counts = []
    for block in blocks(stream(), PLAN, lambda s: (100, 100), padded, 3):
        counts.append((len(block.images), len(asked)))
    assert counts == [(3, 3), (3, 6), (1, 7)]


def test_images_that_cannot_be_read_are_in_their_blocks():
    def size_of(source):
        if source.name == '1':
            raise ValueError('it is broken')
        return 100, 100

    (block,) = blocks([Source(str(n), 'x') for n in range(3)], PLAN, size_of, padded, 4)
    assert [image.fault for image in block.images] == [None, 'it is broken', None]
    assert [view.image for batch in block.batches for view in batch] == [0, 2]


def test_lanes_have_blocks_of_their_own():
    batches = [block.batches for block in made(random_sizes(90))]
    alone = list(in_lanes(batches, 1))
    assert [id(batch) for batch in alone] == [id(b) for block in batches for b in block]
    dealt = list(in_lanes(batches, 2))
    assert sorted(map(id, dealt)) == sorted(map(id, alone))
    workers = {}
    for place, batch in enumerate(dealt[: len(dealt) * 2 // 3]):
        workers.setdefault(batch[0].block, set()).add(place % 2)
    assert all(len(of_block) == 1 for of_block in workers.values())
