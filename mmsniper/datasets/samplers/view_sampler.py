"""Deal whole images, not single views, to the ranks of a test and to their loading workers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence, Sized

import numpy as np
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from mmengine.logging import print_log
from torch.utils.data import BatchSampler, DataLoader, Sampler

from ...errors import InputError
from ...utils.settings import check_switch

# Pixels of the images that are dealt together: 200 MB, which LoadChip keeps decoded by default.
MOST_PIXELS = 2**26


@DATA_SAMPLERS.register_module()
class ViewSampler(Sampler):
    """Yields all views of an image in order, on one rank and to one loading worker.

    Rank ``r`` of ``W`` gets the images ``r``, ``r + W``, ``r + 2W``, ... That is the order in which
    mmengine's ``collect_results`` interleaves the results of the ranks and cuts them to the number
    of images, so every image is counted exactly once. A rank never gets an image twice.

    A data loader sends its batches to its workers in turn, so each of them would have to decode
    each image if the images simply came one after the other, as they do until :meth:`set_lanes` is
    called. From then on batches are dealt in as many lanes as there are workers, and a lane that is
    done with an image takes the next one that none has had. So images begin in order, though they
    may end in another, and each is loaded by one worker.

    Above one view per batch, up to as many images as a batch has views are dealt together, level by
    level, if each is a single view at every level: a batch of several levels is padded to the size
    of the finest. They begin in one batch, so images still begin in order, and are no larger
    together than what a worker keeps of decoded images. Images in tiles have enough views of a
    level of their own.

    In the end, when no image is left to begin with, an idle lane takes over the later half of what
    the fullest one still has to do, since the data loader passes no worker over: of a single huge
    image each worker loads parts that hang together. Fewer images than lanes are shared so. If each
    worker has to decode such an image as a whole, a single worker does less in all.

    Args:
        dataset: A :class:`ChipDataset` in test mode, whose ``view_starts[i]`` is the index of the
            first view of image ``i``, with the number of views at the end.
        shuffle: Must be False, views have to stay together. It is here because configs pass it.
        seed: Not used. It is here because mmengine passes it.
        round_up: Whether the first images are dealt out again so that every rank has equally many
            *images*. Defaults to True.

    Attributes:
        images (np.ndarray): The images of this rank in order, shape (num_images,), int64.

    Raises:
        InputError: If ``shuffle`` is True, a setting is neither True nor False, or the dataset has
            no ``view_starts``.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = False,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        check_switch('ViewSampler', 'shuffle', shuffle)
        check_switch('ViewSampler', 'round_up', round_up)
        if shuffle:
            raise InputError(
                'ViewSampler keeps the views of an image together and cannot shuffle: '
                'set shuffle=False in the sampler.'
            )
        view_starts = getattr(dataset, 'view_starts', None)
        if view_starts is None:
            raise InputError(
                f'ViewSampler cannot find the views of a {type(dataset).__name__} (it has no '
                'view_starts): use ChipDataset(test_mode=True) as the dataset of the dataloader.'
            )
        self.dataset = dataset
        self.round_up = round_up
        self.rank, self.world_size = get_dist_info()
        view_starts = np.asarray(view_starts, dtype=np.int64)
        self.images = images = self._images(len(view_starts) - 1)
        self.num_images = len(images)
        self._starts, self._ends = view_starts[images], view_starts[images + 1]
        self.set_lanes(1, 1)

    def set_lanes(self, num_lanes: int, batch_size: int) -> None:
        """Deal the batches of the epochs to come in lanes.

        Args:
            num_lanes: How many workers load batches in turn; with 1 the images come one after the
                other.
            batch_size: How many indices make a batch.
        """
        self.num_lanes = num_lanes
        self.batch_size = batch_size

    def _images(self, num_images: int) -> np.ndarray:
        """The images of this rank, in order, as an int64 array."""
        end = num_images
        if self.round_up and num_images:
            end = -(-num_images // self.world_size) * self.world_size
        images = np.arange(self.rank, end, self.world_size, dtype=np.int64)
        return images % max(num_images, 1)

    def __iter__(self) -> Iterator[int]:
        """Iterates the dataset indices of the views of this rank."""
        if not getattr(self.dataset, 'views_are_merged', True):
            print_log(
                'The views of an image are not merged, so metrics would be wrong: add '
                "dict(type='ChipMergeHook') to custom_hooks (a list in a config replaces the one "
                'it inherits).',
                logger='current',
                level=logging.WARNING,
            )
        return deal(self._queue(), self.num_lanes, self.batch_size)

    def _queue(self) -> Callable[[int], Sequence]:
        """What the next images are, for a lane that has room for so many views in its batch."""
        num_levels = getattr(getattr(self.dataset, 'pyramid', None), 'num_levels', 1)
        counts = self._ends - self._starts
        is_whole = (counts == num_levels) & (num_levels > 1) & (self.batch_size > 1)
        boxes = getattr(self.dataset, 'boxes', None)
        pixels = np.zeros(len(counts)) if boxes is None else boxes.heights * boxes.widths
        pixels = pixels[self.images] if boxes is not None else pixels
        begin = 0

        def take(room: int) -> Sequence:
            nonlocal begin
            while begin < len(counts) and not counts[begin]:
                begin += 1
            if begin == len(counts):
                return ()
            number = 1
            if is_whole[begin]:
                most = min(room, len(counts) - begin)
                run = slice(begin, begin + most)
                fits = is_whole[run] & (np.cumsum(pixels[run]) <= MOST_PIXELS)
                number = max(1, int(np.logical_and.accumulate(fits).sum()))
                number = _filling(number, room, num_levels, self.batch_size)
            starts, ends = self._starts, self._ends
            views = [range(starts[i], ends[i]) for i in range(begin, begin + number)]
            begin += number
            return views[0] if number == 1 else list(itertools.chain(*zip(*views)))

        return take

    def __len__(self) -> int:
        """The number of views of this rank; ranks may differ."""
        return int((self._ends - self._starts).sum())


def deal_to_workers(loader: DataLoader) -> None:
    """Have all views of an image loaded by one worker of a data loader, from its next epoch on.

    Loaders without a :class:`ViewSampler` are left alone, and so are those that make batches in
    another way than torch's ``BatchSampler``.
    """
    batches = loader.batch_sampler
    if type(batches) is BatchSampler and isinstance(batches.sampler, ViewSampler):
        batches.sampler.set_lanes(max(loader.num_workers, 1), batches.batch_size)


def _filling(most: int, room: int, num_levels: int, batch_size: int) -> int:
    """How many images to take, so that their last views fill a batch if that can be."""
    begun = batch_size - room
    full = (n for n in range(most, 0, -1) if (begun + n * num_levels) % batch_size == 0)
    return next(full, most)


def deal(queue: Callable[[int], Sequence], num_lanes: int, batch_size: int) -> Iterator:
    """Deal items in lanes.

    Args:
        queue: Gives the next group of items, which can be sliced, to a lane that has room for so
            many in its batch; an empty one when there is none.
        num_lanes: How many lanes take ``batch_size`` items in turn. One that is done with a group
            takes the next one, and when there is none, the later half of what the fullest has.
        batch_size: Likewise.

    Yields:
        All items.
    """
    lanes: list[Sequence] = [()] * num_lanes
    for lane in itertools.cycle(range(num_lanes)):
        room = batch_size
        while room:
            items = lanes[lane] or queue(room) or _take_over(lanes)
            if not items:
                return
            now, lanes[lane] = items[:room], items[room:]
            yield from now
            room -= len(now)


def _take_over(lanes: list[Sequence]) -> Sequence:
    """Takes the later half of what the fullest lane has, at least one item if it has any."""
    fullest = max(range(len(lanes)), key=lambda lane: len(lanes[lane]))
    items = lanes[fullest]
    half = len(items) // 2
    lanes[fullest] = items[:half]
    return items[half:]
