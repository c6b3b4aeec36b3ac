"""Images whose loading is measured, as they are and tiled, and the datasets of their chips."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import DATASETS

from mmsniper.datasets import ChipDataset
from mmsniper.errors import InputError
from mmsniper.images.tiled_set import Outcome, Picture, TiledSet, tile_set
from mmsniper.utils.coco_entries import check_coco_content
from mmsniper.utils.json_file import read_json

WHOLE, BEFORE, WINDOWS, TILED = WAYS = ('mmdet', 'before', 'windows', 'tiled')
TO_BANDS = WINDOWS, TILED
# Values do not change what loading costs, but files that hardly use their 16 bits ask for a range.
_DEEP = dict(depth_range=(0, 2**16 - 1))


@dataclass(frozen=True)
class ImageSet:
    """Images with objects, as they are and tiled.

    Attributes:
        annotation_file: Of the images.
        images: Their folder.
        tiled: The tiled ones; None if they are not wanted.
        classes: The classes of the annotation file.
        num_images: How many there are.
    """

    annotation_file: Path
    images: Path
    tiled: TiledSet | None
    classes: tuple[str, ...]
    num_images: int

    def config(self, is_tiled: bool) -> dict[str, Any]:
        """Config of the dataset of the images, without a pipeline."""
        file, folder = self.annotation_file, self.images
        if is_tiled:
            file = self.tiled.annotation_file
            folder = file.parent
        return dict(
            type='CocoDataset',
            ann_file=str(file),
            data_prefix=dict(img=str(folder)),
            metainfo=dict(classes=self.classes),
        )

    def read_all(self) -> None:
        """Read all files, so that later they come from memory, whoever asks first."""
        content = json.loads(self.annotation_file.read_text())
        for image in content['images']:
            (self.images / image['file_name']).read_bytes()
        if self.tiled:
            for path in self.tiled.annotation_file.parent.rglob('*.tif'):
                path.read_bytes()


@dataclass(frozen=True)
class Chips:
    """Which chips or views are loaded: arguments of :class:`mmsniper.datasets.ChipDataset`.

    Attributes:
        levels: Pyramid levels, None for those by default.
        valid_ranges: Their valid ranges, likewise.
        chip_size: Largest side of a chip.
        seed: Of the chips and of their order.
        bands: Which bands become channels, in the ways :data:`TO_BANDS`; None for colour or grey.
    """

    levels: Sequence | None = None
    valid_ranges: Sequence | None = None
    chip_size: int = 512
    seed: int = 0
    bands: Sequence[int] | None = None

    def dataset(
        self, images: ImageSet, way: str, test_mode: bool = False, tile_size: int | None = None
    ) -> Any:
        """The dataset of chips or views that are loaded in a way, or that of whole images."""
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
            return self._build(images.config(way == TILED), way, test_mode, tile_size)

    def _build(self, config: dict, way: str, test_mode: bool, tile_size: int | None) -> Any:
        if way == WHOLE:
            resize = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
            return DATASETS.build(dict(config, pipeline=[dict(type='LoadImageFromFile'), resize]))
        load = dict(type='LoadIntactImage', **_DEEP)
        if way in TO_BANDS:
            load = dict(load, type='LoadChip', bands=self.bands)
        return ChipDataset(
            config,
            [load, dict(type='ChipSample'), dict(type='ScaleNormalize')],
            levels=self.levels,
            valid_ranges=self.valid_ranges,
            chip_size=self.chip_size,
            seed=self.seed,
            test_mode=test_mode,
            tile_size=tile_size,
            allow_holes=True,
        )


def prepare_images(
    annotation_file: Path,
    images: Path,
    folder: Path,
    max_images: int,
    seed: int = 0,
    with_tiled: bool = True,
    tell: Callable[[Sequence[Picture], Iterator[Outcome]], Iterator[Outcome]] | None = None,
) -> ImageSet:
    """Choose images that have objects, at random, and tile them.

    Args:
        annotation_file: In COCO format.
        images: The folder of its images.
        folder: Where to put what is made.
        max_images: The most images.
        seed: Of the choice.
        with_tiled: Whether to tile them.
        tell: As of :func:`mmsniper.images.tile_set`.

    Raises:
        InputError: The files cannot be used, or no image has an object.
    """
    content = read_json(annotation_file, 'annotation file')
    check_coco_content(str(annotation_file), content)
    with_objects = {
        entry['image_id'] for entry in content['annotations'] if not entry.get('iscrowd')
    }
    listed = [image for image in content['images'] if image['id'] in with_objects]
    if not listed:
        raise InputError(f'annotation file {annotation_file} has no image with an object')
    number = min(max_images, len(listed))
    chosen = np.random.default_rng(seed).choice(len(listed), number, replace=False)
    content['images'] = [listed[index] for index in sorted(chosen)]
    missing = [
        path for image in content['images'] if not (path := images / image['file_name']).is_file()
    ]
    if missing:
        raise InputError(
            f'image {missing[0]} does not exist, as {len(missing)} of {number} that annotation '
            f'file {annotation_file} lists: give the folder that they are in'
        )
    ids = {image['id'] for image in content['images']}
    content['annotations'] = [e for e in content['annotations'] if e['image_id'] in ids]
    subset = folder / 'annotations.json'
    subset.write_text(json.dumps(content))
    tiled = tile_set(subset, images, folder / 'tiled', tell=tell) if with_tiled else None
    classes = tuple(category['name'] for category in content['categories'])
    return ImageSet(subset, images, tiled, classes, number)
