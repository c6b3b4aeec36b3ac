"""Colours, BGR, that tell classes and levels apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from .canvas import LEVEL_COLOURS

NUM_COLOURS = 256
DARK, LIGHT = (20, 16, 14), (255, 255, 255)


def class_colour(label: int) -> tuple[int, int, int]:
    """The colour of a class, whatever other classes there are; it repeats after 256 of them."""
    return _distinct_colours(())[label % NUM_COLOURS]


def level_colour(level: int) -> tuple[int, int, int]:
    """The colour of a pyramid level, 0 is the finest."""
    return _distinct_colours(LEVEL_COLOURS)[level % NUM_COLOURS]


def text_colour(background: Sequence[int]) -> tuple[int, int, int]:
    """Black or white, whichever is read better on ``background``."""
    # Relative luminance and contrast as of the Web Content Accessibility Guidelines 2.1.
    linear = ((np.array([background, DARK, LIGHT]) / 255 + 0.055) / 1.055) ** 2.4
    own, dark, light = linear @ (0.0722, 0.7152, 0.2126) + 0.05
    return DARK if own / dark > light / own else LIGHT


@lru_cache(maxsize=2)
def _distinct_colours(first: tuple) -> list[tuple[int, int, int]]:
    """``first``, and then always the colour that differs most from all before it.

    So the first few are as distinct as can be, and none depends on how many are used.
    """
    steps = np.arange(0, 256, 15)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3).astype(np.uint8)
    lightness, chroma = _lab(colours)[:, 0], np.hypot(*_lab(colours)[:, 1:].T)
    # Pale ones look like each other, and dark ones are not seen on most pictures.
    colours = colours[(lightness > 45) & (lightness < 92) & (chroma > 45)]
    chosen = [tuple(colour) for colour in first] or [(60, 60, 255)]
    lab = _lab(colours)
    distance = np.min([np.linalg.norm(lab - own, axis=1) for own in _lab(chosen)], axis=0)
    while len(chosen) < NUM_COLOURS:
        farthest = int(distance.argmax())
        chosen.append(tuple(colours[farthest].tolist()))
        np.minimum(distance, np.linalg.norm(lab - lab[farthest], axis=1), out=distance)
    return chosen


def _lab(colours: np.ndarray | Sequence) -> np.ndarray:
    """BGR, shape (n, 3), in CIELAB, where distances are those that are seen."""
    bgr = np.asarray(colours, np.float32).reshape(1, -1, 3) / 255
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2LAB)[0].astype(np.float64)
