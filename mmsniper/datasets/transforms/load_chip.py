"""Loading no more of an image than its chip, at no more than the resolution of its level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mmdet.registry import TRANSFORMS

from mmsniper.images import ImageCache, image_orientation, image_size, read_window
from mmsniper.utils.settings import check_whole

from .chip_window import chip_window, level_size
from .load_image import LoadIntactImage
from .moving import check_image_size


@TRANSFORMS.register_module()
class LoadChip(LoadIntactImage):
    """Load the part of an image that is its chip, as :class:`LoadIntactImage` loads all of it.

    It stands first in the pipeline of a :class:`mmsniper.datasets.ChipDataset`. Where the file's
    format makes it cheaper, the chip is decoded at the resolution of its level, else at its own;
    ``ChipSample`` and ``ScaleNormalize`` then do what is left to do, and everything but the
    image itself comes out of them as if all of the image had been loaded. Damage in parts of a file
    that are not needed is not looked for until they are.

    Transforms between this one and ``ScaleNormalize`` get just the chip's pixels, while boxes and
    shapes are those of the whole image. With one there that may need more, ``ChipDataset`` says so
    in the log and the whole image is loaded. So it is without a chip, as in SNIP.

    Modified keys: img, img_shape and ori_shape (both the height and width of the whole image).

    Added keys, where a chip is loaded:

    - loaded_window (tuple[int, int, int, int]): what ``img`` is of the image, xyxy in its pixels,
      half-open. ``ScaleNormalize`` takes it out again.

    Args:
        cache_size (int): How many bytes of decoded images each process keeps, of files that cannot
            be read in parts. Defaults to 2**28.
        bands (Sequence[int], optional): Which bands of the file become channels, counted from 1:
            (3, 2, 1) is BGR of a file that begins with red, green and blue. Defaults to the colour
            or grey that the file says it has.
        depth_percentiles (Sequence[float], optional): In place of ``depth_range``, such as (2, 98):
            each band is brought to 8 bits by these percentiles of the whole image.
        nodata (float, optional): The value in the file that means that there is no data. Defaults
            to what the file says.
        nodata_fill (int): What pixels without data become, 0 to 255. Defaults to 0.
        **kwargs: Those of :class:`LoadIntactImage`.

    Attributes:
        whole (bool): Whether to load all of the image although there is a chip.
        chips_follow (bool): Whether other chips of an image will be asked for next. It is known of
            the views of testing.

    Raises:
        BrokenImageError: The file is missing, or what is needed of it cannot be decoded.
        InputError: An argument cannot be used, an image needs ``depth_range`` or has not the size
            that its annotation states, or the chip is not inside of it.
    """

    def __init__(
        self,
        *args,
        cache_size: int = 2**28,
        bands: Sequence[int] | None = None,
        depth_percentiles: Sequence[float] | None = None,
        nodata: float | None = None,
        nodata_fill: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.rules = replace(
            self.rules,
            bands=bands,
            depth_percentiles=depth_percentiles,
            nodata=nodata,
            nodata_fill=nodata_fill,
        )
        check_whole('LoadChip', 'cache_size', cache_size, 0, 'bytes')
        self.cache = ImageCache(cache_size)
        self.whole = False
        self.chips_follow = False

    def transform(self, results: dict) -> dict:
        """Load the chip ``results['chip']`` of ``results['img_path']`` into ``results['img']``."""
        path, window, size = results['img_path'], None, None
        reading = dict(rules=self.rules, backend_args=self.backend_args, cache=self.cache)
        if 'chip' in results and not self.whole:
            shape = image_size(path, **reading)[::-1]
            # ChipSample would say the same, of less than there is by then.
            check_image_size(results, shape)
            window = results['loaded_window'] = chip_window(results, shape)
            size = _reduced_size(window, results.get('chip_scale', 1.0))
        more = self.chips_follow or results.get('num_views', 1) != 1  # 0 is not known
        image = read_window(path, window, size, exact=False, more=more, **reading)
        if window is None:
            shape = image.shape[:2]
        if self._may_tell_of_turning(results):
            self._tell_of_turning(path, image_orientation(path, **reading), shape)
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = shape
        return results

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, rules={self.rules}, cache_size={self.cache.max_bytes})'


def _reduced_size(window: tuple[int, int, int, int], scale: float) -> tuple[int, int] | None:
    """Width and height of a chip at its level, or None if that is larger in any direction."""
    left, top, right, bottom = window
    size = level_size((right - left, bottom - top), scale)
    return None if size[0] > right - left or size[1] > bottom - top else size
