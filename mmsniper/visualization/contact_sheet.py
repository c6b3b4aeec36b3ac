"""Many chips on one page, as the detector gets them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmsniper.errors import InputError

from .canvas import (
    IGNORED_COLOUR,
    MARGIN,
    VALID_COLOUR,
    as_picture,
    caption,
    grid,
    outline_boxes,
    resize_picture,
    stack,
)

MIN_CELL = 80


def contact_sheet(
    tiles: Sequence[np.ndarray],
    captions: Sequence[str],
    valid: Sequence[np.ndarray],
    ignored: Sequence[np.ndarray],
    columns: int = 4,
    max_width: int = 1600,
) -> np.ndarray:
    """Arrange chips in a grid, boxes that count in one colour and ignored ones in another.

    All tiles are resized by the same factor, so that objects can be compared across them.

    Args:
        tiles (Sequence[np.ndarray]): Shape (h, w) or (h, w, c) each, BGR.
        captions (Sequence[str]): What stands under each tile. Where it is too long for one line,
            it is broken at its line breaks first.
        valid (Sequence[np.ndarray]): For each tile the boxes that count, shape (n, 4), xyxy in its
            pixels.
        ignored (Sequence[np.ndarray]): For each tile the boxes that are ignored, shape (m, 4),
            likewise.
        columns (int): Tiles to a row. Defaults to 4.
        max_width (int): Of the sheet, pixels. Defaults to 1600.

    Returns:
        np.ndarray: Shape (H, W, 3), uint8 BGR, W <= ``max_width``.

    Raises:
        InputError: There is no tile, the arguments differ in length, a tile is no image, or there
            is no room for the columns.
    """
    lengths = {len(tiles), len(captions), len(valid), len(ignored)}
    if len(lengths) > 1 or not len(tiles):
        raise InputError(
            f'a contact sheet of {len(tiles)} tiles, {len(captions)} captions, {len(valid)} arrays '
            f'of valid and {len(ignored)} of ignored boxes cannot be made; give as many of each, '
            'and at least one'
        )
    side = (max_width - MARGIN * (columns + 1)) // columns if columns > 0 else 0
    if side < MIN_CELL:
        raise InputError(
            f'columns={columns} and max_width={max_width} leave no room for tiles; take at least '
            f'one column, and {MIN_CELL + MARGIN} pixels for each'
        )
    pictures = [as_picture(tile) for tile in tiles]
    factor = side / max(max(picture.shape[:2]) for picture in pictures)
    cells = []
    for picture, text, counting, ignoring in zip(pictures, captions, valid, ignored):
        shown = resize_picture(picture, factor)
        outline_boxes(shown, np.asarray(ignoring) * factor, IGNORED_COLOUR)
        outline_boxes(shown, np.asarray(counting) * factor, VALID_COLOUR)
        cells.append(stack([shown, caption(text.split('\n'), side)]))
    page = grid(cells, columns)
    legend = [('valid: trained on', VALID_COLOUR), ('ignored: no influence', IGNORED_COLOUR)]
    return stack([caption(legend, page.shape[1]), page])
