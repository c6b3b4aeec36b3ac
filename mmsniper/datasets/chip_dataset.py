"""The dataset of chips around a dataset of images."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmdet.registry import DATASETS

from mmsniper.chips import BoxLevels, ChipTable, Pyramid, box_sizes, pyramid_views
from mmsniper.errors import InputError
from mmsniper.focus import View

from .annotation_reading import AnnotationReading
from .announced_negatives import announced_room
from .box_table import read_boxes
from .chip_items import ChipItems
from .chip_summary import (
    log_chips,
    log_dropped_boxes,
    log_objects_without_chips,
    log_views,
    log_warnings,
)
from .class_order import common_label_names
from .epoch_chips import EpochChips
from .mask_census import MaskCensus
from .nesting import nested_datasets
from .nothing_left import empty_datasets, why_no_chips

TRAIN_LEVELS = ((1400, 2000), (800, 1280), (-1, 512))
TRAIN_VALID_RANGES = ((-1, 80), (32, 150), (120, -1))
TEST_LEVELS = ((1400, 2000), (800, 1280), (480, 512))
TEST_VALID_RANGES = ((-1, 90), (32, 180), (75, -1))


@DATASETS.register_module()
class ChipDataset(ChipItems):
    """Chips of the images of a dataset: the SNIPER way to train and test (arXiv:1805.09300).

    In training an item is a chip, chosen so that the chips of an image cover its objects at the
    level where their size is valid. A long and thin object that fits no chip there is shown at the
    next coarser level where it does, and counts there whatever its size. With a ``proposal_file``
    there are negative chips too, where proposals pile up that no other chip shows, on images
    without any object as well.

    Every epoch has new chips, which are a pure function of ``seed`` and the epoch (see
    ``set_epoch``, which :class:`mmsniper.engine.ChipEpochHook` calls; that hook is added to a run
    which has none, unless the sampler sets ``sampler_chooses_epochs``), so they are the same on all
    ranks and after a resume. Every epoch shows every object. The length is fixed and has room for
    that: what an epoch leaves over is filled with chips that come again, and negative chips that
    there is no room for are left out at random. An index beyond the length stands for a chip of a
    later epoch (see :class:`mmsniper.datasets.InfiniteChipSampler`).

    With ``test_mode`` an item is a view: each image at each level, whole or in tiles. Needs
    :class:`mmsniper.datasets.ViewSampler` and :class:`mmsniper.engine.ChipMergeHook`.

    Items carry ``chip`` (xyxy in pixels of the original image, float32), ``chip_level``,
    ``chip_scale`` (the level's scale factor), ``valid_range``, in training ``is_negative``, and
    in test mode ``view`` and ``num_views``. The transforms ``ChipSample`` and ``ScaleNormalize``
    make use of them.

    Wrappers that choose images by their content, such as ``ClassBalancedDataset``, belong inside:
    outside, they would go on with what they read off the chips of epoch 0. A wrapper outside takes
    this dataset as a config, not as an object.

    Args:
        dataset (dict or Dataset): The dataset of images, or any wrapper of such that answers
            ``get_data_info``. Its own pipeline must be empty.
        pipeline (Sequence[dict]): Transforms of a chip, from loading to packing, ``ChipSample`` and
            ``ScaleNormalize`` among them. Without any there are no items, just what
            ``get_data_info`` and ``table`` say.
        levels (Sequence, optional): Pyramid levels, fine to coarse: ``(short, long)`` bounds in
            pixels, -1 for none, or scale factors. Defaults to the paper's (for training or for
            testing).
        valid_ranges (Sequence, optional): For each level the range ``[lo, hi)`` of sqrt(w*h) in
            pixels of the original image in which boxes count, -1 for open. Defaults to the paper's.
        chip_size (int): Largest side of a chip in pixels of its level. Defaults to 512.
        stride (int): Distance of candidate chips in pixels of their level. Defaults to 32.
        proposal_file (str, optional): Proposals on these images, for negative chips: an ``.npz`` of
            ``tools/extract_proposals.py`` or a ``.pkl`` of MMDetection's ``DumpProposals``. Loading
            a pickle can run any code: name none whose origin you do not trust. Not read in test
            mode. Defaults to None, without negative chips.
        min_proposals (int | Sequence[int], optional): The fewest proposals of a negative chip, for
            all levels or for each. Defaults to 25 at the finest level and 10 at the others.
        max_negatives (int): The most negative chips of an image in an epoch, drawn at random.
            Defaults to 2.
        room_for_negatives (float, optional): Negative chips per image that the length has room for,
            because proposals come later (see ``set_proposals``). Defaults to None: as many as those
            of ``proposal_file`` make, and with :class:`mmsniper.engine.OnlineNegativesHook` 0.3.
        test_mode (bool): Whether items are views instead of chips. Defaults to False.
        seed (int): Seed of the chips. Defaults to 0.
        tile_size (int, optional): Largest side of a view in pixels of its level; larger images are
            tiled. Defaults to None, whole images.
        tile_overlap (float): What a tile and its neighbour share at least, as a share of
            ``tile_size``. Objects up to this size are wholly in a tile. Defaults to 0.25.
        skip_broken_images (bool): Whether training goes on with another chip where an image cannot
            be loaded; each one is named and counted in the log. Defaults to False.
        max_refetch (int): How many other chips to try where the pipeline gives None. Defaults to
            100.
        allow_holes (bool): Whether ``valid_ranges`` may leave out sizes between the smallest and
            the largest. Defaults to False.
        lazy_init (bool): Whether to wait with reading the annotations. Defaults to False.

    Raises:
        InputError: An annotation file or a setting is unusable, or no image has a valid box.
    """

    def __init__(
        self,
        dataset,
        pipeline: Sequence[dict] = (),
        levels: Sequence | None = None,
        valid_ranges: Sequence | None = None,
        chip_size: int = 512,
        stride: int = 32,
        proposal_file: str | None = None,
        min_proposals: int | Sequence[int] | None = None,
        max_negatives: int = 2,
        room_for_negatives: float | None = None,
        test_mode: bool = False,
        seed: int = 0,
        tile_size: int | None = None,
        tile_overlap: float = 0.25,
        skip_broken_images: bool = False,
        max_refetch: int = 100,
        allow_holes: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if (levels is None) != (valid_ranges is None):
            raise InputError('ChipDataset needs both levels and valid_ranges, or neither of them')
        if levels is None:
            levels = TEST_LEVELS if test_mode else TRAIN_LEVELS
            valid_ranges = TEST_VALID_RANGES if test_mode else TRAIN_VALID_RANGES
        for name, value in (('chip_size', chip_size), ('stride', stride)):
            if not value > 0:
                raise InputError(f'{name} of ChipDataset must be positive, but is {value}')
        if seed < 0:
            raise InputError(f'seed of ChipDataset must be 0 or more, but is {seed}')
        if room_for_negatives is not None and not 0 <= room_for_negatives <= max_negatives:
            raise InputError(
                f'room_for_negatives of ChipDataset must lie between 0 and max_negatives='
                f'{max_negatives}, chips per image, but is {room_for_negatives}'
            )
        self.pyramid = Pyramid(levels, valid_ranges)
        self.pyramid.check_ranges('ChipDataset', allow_holes)
        self.chip_size = chip_size
        self.stride = stride
        self.proposal_file = proposal_file
        self.min_proposals = min_proposals
        self.max_negatives = max_negatives
        self.room_for_negatives = room_for_negatives
        self.test_mode = test_mode
        self.seed = seed
        self.tile_size = tile_size
        self.tile_overlap = tile_overlap
        super().__init__(pipeline, skip_broken_images, max_refetch)
        self._reading = AnnotationReading()
        if isinstance(dataset, dict):
            with self._reading.watch():
                dataset = DATASETS.build(dataset)
        self.dataset = _without_pipeline(dataset)
        # Shared, so that workers which outlive an epoch see the next one.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self.sampler_chooses_epochs = False  # until a sampler says so that goes beyond the length
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def __setstate__(self, state: dict) -> None:
        """Restore a copy: Runner copies datasets that it is given, and copies share no memory."""
        super().__setstate__(state)
        self._epoch.share_memory_()

    def full_init(self) -> None:
        """Read the annotations and choose the chips of epoch 0, unless that is done."""
        if self._fully_initialized:
            return
        reading = self._reading
        with reading.watch():
            self.dataset.full_init()
        self.label_names = common_label_names(self.dataset, reading)
        reading.notes += empty_datasets(self.dataset, reading)
        masks = MaskCensus(self.pipeline)
        self.boxes = read_boxes(self.dataset, masks.look_at)
        masks.report()
        sizes = self.boxes.heights, self.boxes.widths
        self.pyramid.check_order_in(self.boxes.paths, *sizes)
        self.level_scales = self.pyramid.scale_factors(*sizes)
        if self.test_mode:
            self.views_are_merged = False  # until ChipMergeHook says so
            views = pyramid_views(*sizes, self.pyramid, self.tile_size, self.tile_overlap)
            self.view_starts = np.searchsorted(views.image, np.arange(self.num_images + 1))
            self._views = views
        else:
            self._chips = EpochChips(
                self.boxes,
                self.pyramid,
                self.chip_size,
                self.stride,
                self.seed,
                self.proposal_file,
                self.min_proposals,
                self.max_negatives,
                announced_room() if self.room_for_negatives is None else self.room_for_negatives,
            )
        self._fully_initialized = True
        self._reading = AnnotationReading()  # lets go of what no one will ask for again
        log_warnings(reading.notes)
        log_dropped_boxes(self.boxes, reading.num_dropped)
        log_objects_without_chips(self)
        if self.test_mode:
            log_views(self)
        elif len(self):
            log_chips(self)
        else:
            raise InputError(
                why_no_chips(self.boxes, self.pyramid, self.chip_size, reading, self.proposal_file)
            )

    @property
    def metainfo(self) -> dict:
        """A copy of the inner dataset's meta information."""
        return copy.deepcopy(self.dataset.metainfo)

    @property
    def num_images(self) -> int:
        """Number of images of the inner dataset."""
        return self.boxes.num_images

    @property
    def epoch(self) -> int:
        """The epoch whose chips are given out."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Give out the chips of another epoch, in the data loader's running workers as well."""
        self._epoch.fill_(0 if self.test_mode else epoch)

    @property
    def table(self) -> ChipTable:
        """The chips or views given out now: a row per item."""
        self.full_init()
        return self._views if self.test_mode else self._chips.table(self.epoch)

    @property
    def num_generated(self) -> int:
        """How many different chips this epoch has, with negative ones that were left out."""
        return self._chips.num_generated(self.epoch)

    @property
    def num_negatives_left_out(self) -> int:
        """How many negative chips of this epoch are left out for want of room."""
        return self._chips.num_left_out(self.epoch)

    @property
    def object_levels(self) -> BoxLevels:
        """At which levels each object of ``boxes`` counts in training."""
        self.full_init()
        return self._chips.levels

    def count_per_level(self, negative: bool | None = None) -> list[int]:
        """How many chips or views are given out now at each level, fine to coarse.

        Args:
            negative: Whether to count the negative or the positive chips. Defaults to None, all.
        """
        table = self.table
        levels = table.level if negative is None else table.level[table.negative == negative]
        return np.bincount(levels, minlength=self.pyramid.num_levels).tolist()

    @property
    def has_proposals(self) -> bool:
        """Whether there are proposals to choose negative chips for."""
        self.full_init()
        return not self.test_mode and self._chips.has_proposals

    def proposals_of(self, image: int) -> np.ndarray:
        """The proposals of an image, (n, 4) float32 xyxy in its pixels, none without a file."""
        self.full_init()
        return self._chips.proposals_of(image)

    def set_proposals(
        self, proposal_file: str, min_proposals: int | Sequence[int] | None = None
    ) -> None:
        """Choose negative chips for other proposals from now on, in running workers as well.

        The length stays, so that negative chips beyond ``room_for_negatives`` may be left out at
        random. See :meth:`mmsniper.datasets.epoch_chips.EpochChips.set_proposals`.
        """
        if self.test_mode:
            raise InputError('a ChipDataset in test mode has no chips to choose proposals for')
        self.full_init()
        self._chips.set_proposals(proposal_file, min_proposals)

    def __len__(self) -> int:
        """Number of chips of every epoch, or of views."""
        self.full_init()
        return len(self._views if self.test_mode else self._chips)

    def __iter__(self) -> Iterator[dict]:
        """All items once: indices beyond the length are valid too, so Python could not know."""
        return (self[index] for index in range(len(self)))

    def _locate(self, index: int) -> tuple[ChipTable, int]:
        length = len(self)
        if index < 0:
            index += length
        later, row = divmod(index, length)
        if index < 0 or (later and self.test_mode):
            raise IndexError(f'index {index} is out of range for {length} items')
        if self.test_mode:
            return self._views, row
        return self._chips.table(self.epoch + later), row

    def get_data_info(self, index: int) -> dict:
        """What is known of a chip or view before its image is loaded.

        Args:
            index (int): Index of the item.

        Returns:
            dict: The image's information with the keys of the chip (see the class).
        """
        table, row = self._locate(index)
        image, level = int(table.image[row]), int(table.level[row])
        info = self._chip_info(image, level, table.boxes[row])
        info['sample_idx'] = row
        if self.test_mode:
            info['view'] = int(row - self.view_starts[image])
            info['num_views'] = int(self.view_starts[image + 1] - self.view_starts[image])
        else:
            info['is_negative'] = bool(table.negative[row])
            of_image = slice(*self.boxes.image_starts[image : image + 2])
            promoted = self.object_levels[of_image].promoted_to(level)
            if promoted.any():
                info['promoted_boxes'] = self.boxes.boxes[of_image][promoted]
        return info

    def _chip_info(self, image: int, level: int, chip: np.ndarray) -> dict:
        """An image's information with the keys of a chip of it."""
        info = self.dataset.get_data_info(image)
        if image in self.boxes.unusable:
            unusable = set(self.boxes.unusable[image].tolist())
            info['instances'] = [
                instance for i, instance in enumerate(info['instances']) if i not in unusable
            ]
        info['chip'] = chip.copy()
        info['chip_level'] = level
        info['chip_scale'] = float(self.level_scales[image, level])
        info['valid_range'] = self.pyramid.valid_ranges[level]
        return info

    def load_view(self, image: int, view: View) -> dict:
        """A view of an image that a search asks for, after the pipeline.

        Args:
            image (int): Index of the image.
            view (View): What is to be seen of it. How many there will be is not known:
                ``num_views`` is 0.

        Raises:
            BrokenImageError: The image cannot be loaded.
            InputError: The pipeline is empty, or gives None.
        """
        self.check_items()
        info = self._chip_info(image, view.level, view.chip)
        info.update(sample_idx=image, view=view.number, num_views=0)
        results = self.run_pipeline(info)
        if results is None:
            raise InputError(
                f'the pipeline of ChipDataset gave nothing for a view of {self.boxes.paths[image]}'
                '; check its transforms'
            )
        return results

    def get_cat_ids(self, index: int) -> list[int]:
        """Class indices of the valid boxes that lie wholly in a chip."""
        table, row = self._locate(index)
        image, chip = table.image[row], table.boxes[row]
        of_image = slice(*self.boxes.image_starts[image : image + 2])
        boxes = self.boxes.boxes[of_image]
        inside = (boxes[:, :2] >= chip[:2]).all(1) & (boxes[:, 2:] <= chip[2:]).all(1)
        if self.test_mode:
            valid = self.pyramid.in_range(box_sizes(boxes))
        else:
            valid = self.object_levels.valid[of_image]
        inside &= valid[:, table.level[row]]
        return self.boxes.labels[of_image][inside].tolist()


def _without_pipeline(dataset):
    """The dataset, after making sure that it has no transforms, which ChipDataset would not run."""
    for inner in nested_datasets(dataset):
        if getattr(getattr(inner, 'pipeline', None), 'transforms', None):
            raise InputError(
                f'the {type(inner).__name__} inside ChipDataset has a pipeline of its own, '
                "which would never run; move its transforms into ChipDataset's pipeline"
            )
    return dataset
