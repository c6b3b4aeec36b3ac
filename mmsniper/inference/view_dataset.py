"""Loading of views: the pixels of each at its level, as the detector takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from mmdet.registry import TRANSFORMS
from mmengine.dataset import Compose, pseudo_collate
from torch.utils.data import Dataset

from mmsniper.datasets.chip_pipeline import check_chip_pipeline, load_chips_only, why_no_items
from mmsniper.datasets.transforms import LoadChip, ScaleNormalize
from mmsniper.datasets.transforms.chip_window import chip_window
from mmsniper.errors import InputError
from mmsniper.images import BrokenImageError, image_size, stated_image_size

from .batches import View
from .sources import Source

EMPTY = 'empty'


@dataclass(frozen=True, eq=False)
class LoadedBatch:
    """A batch on its way to the detector.

    Attributes:
        views: All views of the batch, without pixels.
        faults: Why a view could not be loaded, by its place in ``views``; :data:`EMPTY` of a tile
            that shows one colour only.
        data: What the detector takes, of all other views in order; None if there are none.
    """

    views: Sequence[View]
    faults: dict[int, str]
    data: dict[str, Any] | None


class ViewDataset(Dataset):
    """Views by themselves: an index is a :class:`View`, which says all there is to know of it.

    A tile all of whose pixels are alike, such as one without any data, shows nothing that could be
    detected and is not given to the detector. An image as a whole always is.

    Args:
        pipeline: Configs of transforms, from ``LoadChip`` to ``PackChipInputs``.

    Raises:
        InputError: The pipeline would not give views.
    """

    def __init__(self, pipeline: Sequence[dict]) -> None:
        self.pipeline = Compose([TRANSFORMS.build(dict(step)) for step in pipeline])
        check_chip_pipeline(self.pipeline, True)
        if why := why_no_items(self.pipeline):
            raise InputError(why)
        load_chips_only(self.pipeline)
        first = self.pipeline.transforms[0]
        self.loader = first if isinstance(first, LoadChip) else None

    def size_of(self, source: Source) -> tuple[int, int]:
        """Width and height of an image, which is not decoded for it.

        Raises:
            BrokenImageError: It cannot be read.
        """
        if source.pixels is not None:
            return source.pixels.shape[1], source.pixels.shape[0]
        is_local = '://' not in source.path
        if self.loader is None:
            return stated_image_size(source.path) if is_local else image_size(source.path)
        if is_local and self.loader.backend_args is None and self.loader.rules.turns:
            return stated_image_size(source.path)
        return image_size(
            source.path,
            rules=self.loader.rules,
            backend_args=self.loader.backend_args,
            cache=self.loader.cache,
        )

    def cut(self, view: View) -> View:
        """The view with no more pixels of an array than it shows, to be sent to another process."""
        pixels = view.source.pixels
        if pixels is None or self._wants_all:
            return view
        left, top, right, bottom = (int(side) for side in view.chip)
        window = np.ascontiguousarray(pixels[top:bottom, left:right])
        return replace(view, source=replace(view.source, pixels=window))

    @property
    def _wants_all(self) -> bool:
        return self.loader is None or self.loader.whole

    def __getitem__(self, view: View) -> tuple[View, dict | str]:
        """The view without its pixels, and what the detector takes or why there is nothing."""
        bare = replace(view, source=replace(view.source, pixels=None))
        try:
            packed = self._load(view)
        except (BrokenImageError, InputError) as error:
            return bare, ' '.join(str(error).split())
        return bare, EMPTY if packed is None else packed

    def _load(self, view: View) -> dict | None:
        """What the detector takes, or None of a tile without anything on it."""
        results: dict[str, Any] = dict(
            img_path=view.source.path or view.source.name,
            img_id=view.image,
            chip=view.chip,
            chip_level=view.level,
            chip_scale=view.scale,
            valid_range=view.valid_range,
            view=view.number,
            num_views=view.num_views,
        )
        steps = self.pipeline.transforms
        if view.source.pixels is not None:
            results.update(self._loaded(view, results))
            steps = steps[1:]
        for step in steps:
            results = step(results)
            if results is None:
                raise InputError(
                    f'{type(step).__name__} of the test pipeline gave nothing for '
                    f'{view.source.name}'
                )
            # Before anything else is put around it.
            resized = isinstance(step, ScaleNormalize)
            if resized and _is_tile(view) and _shows_one_colour(results['img']):
                return None
        return results

    def _loaded(self, view: View, results: dict) -> dict:
        """What ``LoadChip`` would have made of the pixels of a view."""
        if self.loader is None:
            name = type(self.pipeline.transforms[0]).__name__
            raise InputError(f'arrays cannot take the place of what {name} loads: give paths')
        pixels = view.source.pixels
        grey = self.loader.color_type.startswith('grayscale')
        if grey and pixels.ndim == 3:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        elif not grey and pixels.ndim == 2:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
        loaded = dict(img=pixels.astype(np.float32) if self.loader.to_float32 else pixels)
        loaded['img_shape'] = loaded['ori_shape'] = view.shape
        if not self._wants_all:
            loaded['loaded_window'] = chip_window(results, view.shape)
        return loaded


def collate(loaded: Sequence[tuple[View, dict | str]]) -> LoadedBatch:
    """Put the views of a batch together."""
    views = [view for view, _ in loaded]
    faults = {place: found for place, (_, found) in enumerate(loaded) if isinstance(found, str)}
    whole = [found for _, found in loaded if not isinstance(found, str)]
    return LoadedBatch(views, faults, pseudo_collate(whole) if whole else None)


def _is_tile(view: View) -> bool:
    height, width = view.shape
    left, top, right, bottom = view.chip
    return right - left < width or bottom - top < height


def _shows_one_colour(pixels: np.ndarray) -> bool:
    """Whether all pixels, shape (h, w) or (h, w, channels), are alike."""
    first = pixels[:1, :1]
    few = pixels[::64, ::64]  # most often enough to know that they are not
    return bool((few == first).all() and (pixels == first).all())
