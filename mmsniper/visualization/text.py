"""Text of any size and script, as masks that can be put into pictures.

OpenCV's own letters are ASCII. The font here is DejaVu Sans, which Matplotlib brings with it, for
Latin, Greek, Cyrillic and more. For other scripts the machine's fonts are searched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

ELLIPSIS = '\N{HORIZONTAL ELLIPSIS}'
_DEJAVU = str(Path(get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'))
# Of several fonts that have the letters, an upright sans serif of middle weight is read best.
_PREFERRED = re.compile('sans', re.IGNORECASE)
_AVOIDED = re.compile('bold|italic|oblique|light|thin|black|mono|serif|condensed', re.IGNORECASE)


def can_draw(text: str) -> bool:
    """Whether there is a font on this machine that has all letters of ``text``."""
    return _font_of(_letters(text)) is not None


@lru_cache(maxsize=4096)
def text_mask(text: str, size: int) -> np.ndarray:
    """One line of text.

    Args:
        text (str): What to write. What no font has becomes a box.
        size (int): Height of the font, pixels.

    Returns:
        np.ndarray: Shape (h, w), uint8, 255 where there is ink; not to be written to. All texts of
            a size have the same height, with the baseline in the same row.
    """
    font = _font(text, size)
    sheet = Image.new('L', (text_width(text, size), line_height(size)))
    # On the baseline, so that lines of different fonts agree.
    baseline = round(0.92 * size)
    ImageDraw.Draw(sheet).text((0, baseline), text, fill=255, font=font, anchor='ls')
    mask = np.array(sheet)
    mask.setflags(write=False)
    return mask


def put_text(
    picture: np.ndarray, text: str, place: Sequence[int], size: int, colour: Sequence[int]
) -> None:
    """Write one line of text into a picture.

    Args:
        picture (np.ndarray): Shape (h, w, 3), uint8, changed in place.
        text (str): As of :func:`text_mask`.
        place (Sequence[int]): Left and upper border of the line in pixels, not negative; what goes
            beyond the picture is cut off.
        size (int): Height of the font, pixels.
        colour (Sequence[int]): BGR.
    """
    left, top = place
    mask = text_mask(text, size)
    target = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
    ink = mask[: target.shape[0], : target.shape[1], None].astype(np.uint16)
    target[...] = (target * (255 - ink) + np.array(colour, np.uint16) * ink + 127) // 255


@lru_cache(maxsize=16384)
def text_width(text: str, size: int) -> int:
    """Width of :func:`text_mask` in pixels, without drawing it."""
    return max(1, int(np.ceil(_font(text, size).getlength(text))))


def line_height(size: int) -> int:
    """Height of :func:`text_mask` in pixels."""
    return round(1.16 * size)


def shorten(text: str, size: int, width: int) -> str:
    """``text``, cut and with an ellipsis where it is wider than ``width``; maybe empty."""
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text) - 1  # letters that are kept: low fit, those above high do not
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + ELLIPSIS, size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS if low > 0 else ''


def _letters(text: str) -> frozenset[str]:
    return frozenset(letter for letter in text if letter.isprintable() and not letter.isspace())


def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    return _open_font(_font_of(_letters(text)) or _DEJAVU, size)


@lru_cache(maxsize=64)
def _open_font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=1024)
def _font_of(letters: frozenset[str]) -> str | None:
    if letters <= _letters_of(_DEJAVU):
        return _DEJAVU
    return next((path for path in _system_fonts() if letters <= _letters_of(path)), None)


@lru_cache(maxsize=1)
def _system_fonts() -> list[str]:
    """Paths of fonts, those that are read best first, always in the same order."""
    from matplotlib.font_manager import findSystemFonts  # slow to import, and rarely needed

    def rank(path: str) -> tuple:
        name = Path(path).name
        return bool(_AVOIDED.search(name)), not _PREFERRED.search(name), path

    return sorted(findSystemFonts(), key=rank)


@cache
def _letters_of(path: str) -> frozenset[str]:
    """What a font has; nothing if it cannot be drawn at any size, as those of colour emojis."""
    try:
        font = FT2Font(path)
        ImageFont.truetype(path, 12)
        return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()
