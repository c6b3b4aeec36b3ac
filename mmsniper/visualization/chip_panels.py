"""The chips of one image, in a panel per pyramid level.

Shapes: n boxes, k chips, p proposals.
"""

from __future__ import annotations

import numpy as np

from mmsniper.chips import ChipTable, Pyramid, box_sizes
from mmsniper.chips.negative import candidate_proposals
from mmsniper.errors import InputError

from .canvas import (
    IGNORED_COLOUR,
    LEVEL_COLOURS,
    NEGATIVE_COLOUR,
    PROPOSAL_COLOUR,
    VALID_COLOUR,
    as_picture,
    caption,
    grid,
    outline_boxes,
    resize_picture,
    stack,
)

DIMMED = 0.4  # brightness outside the chips
MAX_PANEL_HEIGHT = 1200
MIN_PANEL_WIDTH = 400


def draw_chips(
    image: np.ndarray,
    chips: np.ndarray,
    levels: np.ndarray,
    boxes: np.ndarray,
    pyramid: Pyramid,
    ignore_flags: np.ndarray | None = None,
    negative: np.ndarray | None = None,
    proposals: np.ndarray | None = None,
    title: str = '',
    max_width: int = 1600,
) -> np.ndarray:
    """Draw where an image is cut into chips, and which boxes count at each level.

    The first panel shows all chips, each in the colour of its level, negative ones in red. Then
    each level has a panel: what its chips do not show is dimmed, boxes are coloured by whether
    their size is in the valid range of the level, and a negative chip shows the proposals that it
    was chosen for. Numbers of chips and boxes stand above.

    Args:
        image (np.ndarray): Shape (h, w) or (h, w, c), BGR.
        chips (np.ndarray): Shape (k, 4), xyxy in pixels of ``image``.
        levels (np.ndarray): Shape (k,), int, the level of each chip.
        boxes (np.ndarray): Shape (n, 4), xyxy in pixels of ``image``.
        pyramid (Pyramid): The levels and their valid ranges.
        ignore_flags (np.ndarray, optional): Shape (n,), bool, boxes that count at no level
            (crowds).
        negative (np.ndarray, optional): Shape (k,), bool, which chips are negative. Defaults to
            none.
        proposals (np.ndarray, optional): Shape (p, 4), xyxy in pixels of ``image``, what negative
            chips are chosen for.
        title (str): What stands at the top. Defaults to nothing.
        max_width (int): Of the picture, pixels; larger images are scaled down. Defaults to 1600.

    Returns:
        np.ndarray: Shape (H, W, 3), uint8 BGR, W <= ``max_width``.

    Raises:
        InputError: ``image`` is no image, a level does not exist, or ``max_width`` is below 200.
    """
    chips = np.asarray(chips, np.float32).reshape(-1, 4)
    levels = np.asarray(levels, np.int64).reshape(-1)
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    negative = np.zeros(len(chips), bool) if negative is None else np.asarray(negative, bool)
    proposals = np.asarray([] if proposals is None else proposals, np.float32).reshape(-1, 4)
    if len(levels) != len(chips) or ((levels < 0) | (levels >= pyramid.num_levels)).any():
        raise InputError(
            f'levels={levels.tolist()} must hold for each of the {len(chips)} chips a level from 0 '
            f'to {pyramid.num_levels - 1}'
        )
    if max_width < 200:
        raise InputError(f'max_width={max_width} leaves no room for captions; give at least 200')
    valid = pyramid.in_range(box_sizes(boxes))
    if ignore_flags is not None:
        valid &= ~np.asarray(ignore_flags, bool)[:, None]

    picture = as_picture(image)
    factors = pyramid.scale_factors(picture.shape[:1], picture.shape[1:2])[0]
    columns = 1 if max_width < 2 * MIN_PANEL_WIDTH else 2
    panel_width = (max_width - 8 * (columns + 1)) // columns
    picture_size = height, width = picture.shape[:2]
    enlarged = max(1.0, MIN_PANEL_WIDTH / width)
    shown = min(panel_width / width, MAX_PANEL_HEIGHT / height, enlarged)
    picture = resize_picture(picture, shown)
    caption_width = max(picture.shape[1], min(MIN_PANEL_WIDTH, panel_width))
    overview, heading = _overview(picture, chips * shown, levels, negative, boxes * shown, title)
    panels = [stack([caption(heading, caption_width), overview])]
    candidates = candidate_proposals(
        proposals,
        [0, len(proposals)],
        picture_size[:1],
        picture_size[1:],
        pyramid,
        ChipTable(np.zeros_like(levels), levels, chips)[~negative],
    )
    for level in range(pyramid.num_levels):
        of_level = levels == level
        positives, negatives = chips[of_level & ~negative], chips[of_level & negative]
        causes = proposals[candidates[:, level]]
        causes = causes[_inside(causes, negatives)]
        colour = _level_colour(level)
        panel = _level_panel(
            picture,
            positives * shown,
            negatives * shown,
            boxes * shown,
            valid[:, level],
            causes * shown,
            colour,
        )
        inside = _inside(boxes[valid[:, level]], chips[of_level]).sum()
        heading = [
            (f'level {level}: {_plural(len(positives), "chip")}', colour),
            f'{_describe_level(pyramid.levels[level])} (x{factors[level]:.3g})',
            f'valid: {_describe_range(pyramid.valid_ranges[level])}',
            (f'{valid[:, level].sum()} valid, {inside} of them whole in a chip', VALID_COLOUR),
            (f'{(~valid[:, level]).sum()} ignored', IGNORED_COLOUR),
        ]
        if len(negatives):
            heading += [
                (_plural(len(negatives), 'negative chip'), NEGATIVE_COLOUR),
                (f'{_plural(len(causes), "proposal")} behind them', PROPOSAL_COLOUR),
            ]
        panels.append(stack([caption(heading, caption_width), panel]))
    return grid(panels, columns)


def _overview(
    picture: np.ndarray,
    chips: np.ndarray,
    levels: np.ndarray,
    negative: np.ndarray,
    boxes: np.ndarray,
    title: str,
) -> tuple[np.ndarray, list]:
    """All chips in the colours of their levels, boxes in white, and its heading's parts."""
    panel = picture.copy()
    outline_boxes(panel, boxes, (255, 255, 255), thickness=1)
    for level in range(int(levels.max(initial=-1)), -1, -1):  # the fine, small ones on top
        of_level = levels == level
        outline_boxes(panel, chips[of_level & ~negative], _level_colour(level), thickness=4)
        outline_boxes(panel, chips[of_level & negative], NEGATIVE_COLOUR, thickness=4)
    counts = np.bincount(levels[~negative])
    heading = [title] if title else []
    heading += ['all levels', _plural(len(chips), 'chip'), _plural(len(boxes), 'box', 'boxes')]
    heading += [
        (f'level {level}: {count}', _level_colour(level)) for level, count in enumerate(counts)
    ]
    if negative.any():
        heading.append((f'negative: {negative.sum()}', NEGATIVE_COLOUR))
    return panel, heading


def _level_panel(
    picture: np.ndarray,
    positives: np.ndarray,
    negatives: np.ndarray,
    boxes: np.ndarray,
    valid: np.ndarray,
    proposals: np.ndarray,
    colour: tuple,
) -> np.ndarray:
    """One level: dim outside its chips, boxes coloured by ``valid``; coordinates of ``picture``."""
    panel = np.rint(picture * DIMMED).astype(np.uint8)
    for chip in np.rint(np.concatenate([positives, negatives])).astype(int):
        left, top, right, bottom = chip.tolist()
        panel[top:bottom, left:right] = picture[top:bottom, left:right]
    outline_boxes(panel, positives, colour, thickness=4)
    outline_boxes(panel, negatives, NEGATIVE_COLOUR, thickness=4)
    outline_boxes(panel, proposals, PROPOSAL_COLOUR, thickness=1)
    outline_boxes(panel, boxes[~valid], IGNORED_COLOUR, thickness=1)
    outline_boxes(panel, boxes[valid], VALID_COLOUR)
    return panel


def _inside(boxes: np.ndarray, chips: np.ndarray) -> np.ndarray:
    """Which of the boxes lie wholly in some chip, (n,) bool."""
    inside = np.zeros(len(boxes), bool)
    for chip in chips:
        inside |= (boxes[:, :2] >= chip[:2]).all(axis=1) & (boxes[:, 2:] <= chip[2:]).all(axis=1)
    return inside


def _level_colour(level: int) -> tuple[int, int, int]:
    return LEVEL_COLOURS[level % len(LEVEL_COLOURS)]


def _describe_level(level: tuple[int, int] | float) -> str:
    if isinstance(level, float):
        return 'by a factor'
    sides = zip(('short', 'long'), level)
    return ', '.join(f'{name} side {pixels}' for name, pixels in sides if pixels != -1)


def _describe_range(bounds: tuple[float, float]) -> str:
    low, high = bounds
    if low <= 0:
        return 'any size' if high < 0 else f'below {high:g} px'
    return f'from {low:g} px' if high < 0 else f'{low:g} to {high:g} px'


def _plural(count: int, one: str, many: str = '') -> str:
    return f'{count} {one if count == 1 else many or one + "s"}'
