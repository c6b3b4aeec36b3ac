"""What to train and test a detector with: levels, valid ranges and the size of chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.config import Config

from mmsniper.analysis.scale_proposal import widen_ranges
from mmsniper.chips import Pyramid
from mmsniper.datasets.chip_dataset import (
    TEST_LEVELS,
    TEST_VALID_RANGES,
    TRAIN_LEVELS,
    TRAIN_VALID_RANGES,
)
from mmsniper.datasets.nesting import find_chip_dataset
from mmsniper.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """The settings of the method, those of the paper by default (arXiv:1805.09300).

    Attributes:
        levels (Sequence): Pyramid levels of training, fine to coarse, as of
            :class:`mmsniper.chips.Pyramid`.
        valid_ranges (Sequence): For each level the range of sqrt(w*h) in pixels of the original
            image in which objects are trained.
        test_levels (Sequence, optional): Those of testing. Defaults to the paper's if ``levels``
            are the paper's, else to ``levels``.
        test_valid_ranges (Sequence, optional): Likewise; ``valid_ranges`` made wider if these are
            not the paper's, since predicted sizes are not exact.
        chip_size (int): Largest side of a chip in pixels of its level.
        stride (int): Distance of candidate chips in pixels of their level.
        tile_size (int, optional): Largest side of a view in testing; larger ones are tiled.
        chips_per_image (float, optional): How many chips an image has on average. Defaults to None:
            counted where the annotations are there, else the paper's for COCO.
        allow_holes (bool): Whether ranges may leave out sizes between the smallest and the largest.

    Raises:
        InputError: A setting is impossible.
    """

    levels: Sequence = TRAIN_LEVELS
    valid_ranges: Sequence = TRAIN_VALID_RANGES
    test_levels: Sequence | None = None
    test_valid_ranges: Sequence | None = None
    chip_size: int = 512
    stride: int = 32
    tile_size: int | None = None
    chips_per_image: float | None = None
    allow_holes: bool = False

    def __post_init__(self) -> None:
        for name in ('chip_size', 'stride', 'tile_size', 'chips_per_image'):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f'{name} must be positive, but is {value}')
        train = Pyramid(self.levels, self.valid_ranges)
        paper = train == Pyramid(TRAIN_LEVELS, TRAIN_VALID_RANGES)
        levels, ranges = self.test_levels, self.test_valid_ranges
        if levels is not None and ranges is None:
            raise InputError('test levels need test valid ranges as well')
        if levels is None:
            levels = TEST_LEVELS if paper else train.levels
        if ranges is None:
            ranges = TEST_VALID_RANGES if paper else widen_ranges(train.valid_ranges)
        test = Pyramid(levels, ranges)
        for name, pyramid in (('', train), ('test_', test)):
            pyramid.check_ranges(f'the {name or "train_"}dataloader', self.allow_holes)
            object.__setattr__(self, f'{name}levels', pyramid.levels)
            object.__setattr__(self, f'{name}valid_ranges', pyramid.valid_ranges)

    @property
    def train_pyramid(self) -> Pyramid:
        """Levels and valid ranges of training."""
        return Pyramid(self.levels, self.valid_ranges)

    def train_settings(self) -> dict:
        """What a ``ChipDataset`` of training is given."""
        return dict(
            levels=list(self.levels),
            valid_ranges=_plain(self.valid_ranges),
            chip_size=self.chip_size,
            stride=self.stride,
            **self._allowing_holes(),
        )

    def test_settings(self) -> dict:
        """What a ``ChipDataset`` of testing is given."""
        settings = dict(
            levels=list(self.test_levels),
            valid_ranges=_plain(self.test_valid_ranges),
            **self._allowing_holes(),
        )
        return settings if self.tile_size is None else dict(settings, tile_size=self.tile_size)

    def _allowing_holes(self) -> dict:
        return dict(allow_holes=True) if self.allow_holes else {}

    @classmethod
    def from_config(cls, config: Config) -> Recipe:
        """The recipe of a config that trains on chips, such as ``analyze_scales.py`` writes.

        Raises:
            InputError: The config does not train on chips.
        """
        train = find_chip_dataset(config, 'train_dataloader')
        if train is None:
            raise InputError(
                f'{config.filename} has no ChipDataset in train_dataloader whose levels could be '
                'used; give a config that trains on chips'
            )
        test = find_chip_dataset(config, 'val_dataloader') or {}
        settings = {key: train[key] for key in _TRAIN_KEYS if key in train}
        settings.update({name: test[key] for key, name in _TEST_KEYS.items() if key in test})
        return cls(**settings)


_TRAIN_KEYS = ('levels', 'valid_ranges', 'chip_size', 'stride', 'allow_holes')
_TEST_KEYS = {
    'levels': 'test_levels',
    'valid_ranges': 'test_valid_ranges',
    'tile_size': 'tile_size',
}


def _plain(ranges: Sequence[tuple[float, float]]) -> list[tuple]:
    """Ranges without decimals where they have none."""
    return [
        tuple(int(bound) if float(bound).is_integer() else bound for bound in bounds)
        for bounds in ranges
    ]
