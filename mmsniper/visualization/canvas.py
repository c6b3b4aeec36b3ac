"""What all pictures are made of: images fit to be shown, boxes and captions.

Pictures are (H, W, 3) uint8 BGR; boxes are xyxy in pixels, half-open.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mmsniper.errors import InputError

from .text import line_height, put_text, shorten, text_width

VALID_COLOUR = (70, 230, 90)  # green
IGNORED_COLOUR = (60, 120, 255)  # orange
NEGATIVE_COLOUR = (50, 50, 235)  # red
PROPOSAL_COLOUR = (255, 130, 190)  # violet
LEVEL_COLOURS = ((60, 230, 250), (250, 200, 60), (240, 110, 230), (250, 250, 250))
TEXT_COLOUR = (235, 235, 235)
PAPER_COLOUR = (38, 34, 32)

TEXT_SIZE = 14
MARGIN = 8


def as_picture(image: np.ndarray) -> np.ndarray:
    """Turn an image of any usual kind into one that can be shown.

    Args:
        image (np.ndarray): Shape (h, w) or (h, w, c) with BGR first, of numbers. Values are taken
            to span 0 to 255; where some lie above, the largest becomes white. Of more than three
            channels the first three are shown.

    Returns:
        np.ndarray: A copy, shape (h, w, 3), uint8 BGR.

    Raises:
        InputError: The array is no image.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or 0 in image.shape:
        raise InputError(
            f'an array of shape {image.shape} cannot be shown; give an image of shape (h, w) or '
            '(h, w, c)'
        )
    image = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    if image.dtype != np.uint8:
        image = np.nan_to_num(image.astype(np.float32))
        image = np.rint(np.clip(image / max(image.max() / 255, 1), 0, 255)).astype(np.uint8)
    return np.array(image, order='C')


def resize_picture(picture: np.ndarray, factor: float) -> np.ndarray:
    """Resize a picture, shape (h, w, 3), uint8, by ``factor``, to one pixel a side at the least."""
    height, width = picture.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=method)


def outline_boxes(
    picture: np.ndarray, boxes: np.ndarray, colour: Sequence[int], thickness: int = 2
) -> None:
    """Draw boxes into a picture.

    Args:
        picture (np.ndarray): Shape (h, w, 3), uint8, changed in place.
        boxes (np.ndarray): Shape (n, 4), xyxy in pixels of ``picture``.
        colour (Sequence[int]): BGR.
        thickness (int): Of the line, in pixels. Those of 3 and more have a dark rim that sets them
            off from any background.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(boxes):
        return
    limits = np.array([picture.shape[1], picture.shape[0]] * 2) - 1
    # The last pixel of a half-open box is the one before its end.
    edges = np.clip(np.rint(boxes) - (0, 0, 1, 1), 0, limits).astype(np.int32)
    corners = edges[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 1, 2)
    if thickness >= 3:
        cv2.polylines(picture, list(corners), True, (0, 0, 0), thickness)
        thickness -= 2
    cv2.polylines(picture, list(corners), True, tuple(colour), thickness)


def caption(parts: Sequence, width: int, size: int = TEXT_SIZE) -> np.ndarray:
    """A strip of text.

    Args:
        parts (Sequence): Texts, or pairs of a text and the BGR colour of a swatch before it. A part
            that finds no room on a line goes to the next; one longer than a line is broken between
            words, and words longer than a line are cut.
        width (int): Of the strip, pixels.
        size (int): Height of the font, pixels; all else grows with it.

    Returns:
        np.ndarray: Shape (h, width, 3), uint8, as high as its lines need.
    """
    margin, swatch, gap = round(0.6 * size), round(0.85 * size), round(1.3 * size)
    height = round(1.45 * size)
    placed, x, line = [], margin, 0
    for part in parts:
        text, colour = (part, None) if isinstance(part, str) else part
        indent = 0 if colour is None else round(1.3 * size)
        for piece in _break(text, width - 2 * margin - indent, size):
            needed = indent + text_width(piece, size)
            if x > margin and x + needed > width - margin:
                x, line = margin, line + 1
            placed.append((piece, colour, x, line, indent))
            x += needed + gap
            colour = None
    strip = np.full((height * (line + 1) + margin, width, 3), PAPER_COLOUR, np.uint8)
    for piece, colour, x, line, indent in placed:
        top = margin // 2 + height * line + (height - line_height(size)) // 2
        if colour is not None:
            # On the baseline, as high as the letters.
            strip[top + size - swatch : top + size, x : x + swatch] = colour
        put_text(strip, piece, (x + indent, top), size, TEXT_COLOUR)
    return strip


def _break(text: str, width: int, size: int) -> list[str]:
    """``text`` in pieces of whole words that fit into ``width`` pixels; longer words are cut."""
    pieces: list[str] = []
    for word in text.split():
        if pieces and text_width(f'{pieces[-1]} {word}', size) <= width:
            pieces[-1] += f' {word}'
        else:
            pieces.append(shorten(word, size, width))
    return pieces or ['']


def stack(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures, shape (h, w, 3), uint8, below each other, narrower ones in the middle."""
    width = max(picture.shape[1] for picture in pictures)
    page = np.full((sum(p.shape[0] for p in pictures), width, 3), PAPER_COLOUR, np.uint8)
    top = 0
    for picture in pictures:
        height, own_width = picture.shape[:2]
        left = (width - own_width) // 2
        page[top : top + height, left : left + own_width] = picture
        top += height
    return page


def grid(cells: Sequence[np.ndarray], columns: int, gap: int = MARGIN) -> np.ndarray:
    """Arrange pictures in rows, each column as wide and each row as high as its largest.

    Args:
        cells (Sequence[np.ndarray]): At least one picture, shape (h, w, 3), uint8.
        columns (int): How many to a row.
        gap (int): Pixels around and between them.

    Returns:
        np.ndarray: Shape (H, W, 3), uint8.
    """
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    sizes = np.zeros((rows * columns, 2), int)
    sizes[: len(cells)] = [cell.shape[:2] for cell in cells]
    sizes = sizes.reshape(rows, columns, 2)
    tops = np.concatenate([[0], np.cumsum(sizes[..., 0].max(axis=1) + gap)]) + gap
    lefts = np.concatenate([[0], np.cumsum(sizes[..., 1].max(axis=0) + gap)]) + gap
    page = np.full((tops[-1], lefts[-1], 3), PAPER_COLOUR, np.uint8)
    for index, cell in enumerate(cells):
        top, left = tops[index // columns], lefts[index % columns]
        page[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return page
