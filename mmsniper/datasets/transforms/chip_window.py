"""Which pixels of an image a chip is, and how many it is at its level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmsniper.errors import InputError

# In pixels: MMDetection's PackDetInputs raises on a flipped image that is one pixel wide or high.
SMALLEST_SIDE = 2


def whole_shape(results: dict) -> tuple[int, int]:
    """Height and width of the whole image, of which maybe just a window was loaded.

    Args:
        results (dict): The results of a pipeline before its chip is cut.
    """
    return results['ori_shape'] if 'loaded_window' in results else results['img'].shape[:2]


def chip_window(results: dict, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The pixels of a chip, xyxy, half-open.

    Args:
        results (dict): The results of a pipeline with a chip that is still to be cut.
        shape (Sequence[int]): Height and width of the whole image.

    Raises:
        InputError: It is not inside the image.
    """
    height, width = shape
    left, top, right, bottom = (int(value) for value in np.rint(results['chip']))
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise InputError(
            f'chip {(left, top, right, bottom)} is not inside image '
            f'{results.get("img_path")} of {width}x{height} pixels'
        )
    return left, top, right, bottom


def level_size(size: Sequence[int], scale: float) -> tuple[int, int]:
    """Width and height of a chip at its level.

    Args:
        size (Sequence[int]): Its width and height in pixels of the original image.
        scale (float): The scale factor of the level.
    """
    # mmcv.rescale_size rounds the same way, so that a whole image comes out as from Resize.
    width, height = (max(SMALLEST_SIDE, int(side * scale + 0.5)) for side in size)
    return width, height
