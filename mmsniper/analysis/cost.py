"""Pixels that a detector has to look at.

Shapes: n images or chips, m images, L pyramid levels.
"""

from __future__ import annotations

import numpy as np

from mmsniper.chips import ChipTable


def megapixels(heights: np.ndarray, widths: np.ndarray, factors: np.ndarray) -> float:
    """Total area after resizing, sides rounded as when resizing.

    Args:
        heights (np.ndarray): (n,) in original pixels.
        widths (np.ndarray): (n,) in original pixels.
        factors (np.ndarray): (n,) or (n, L).

    Returns:
        float: Sum over all entries in 10**6 pixels.
    """
    factors = factors[:, None] if factors.ndim == 1 else factors
    return float(_areas(heights[:, None], widths[:, None], factors).sum() / 1e6)


def chip_megapixels(chips: ChipTable, factors: np.ndarray) -> np.ndarray:
    """Area of chips or views as the detector gets them, without padding.

    Args:
        chips (ChipTable): n chips or views of m images.
        factors (np.ndarray): (m, L), the factors of all images.

    Returns:
        np.ndarray: (L,) float64, for each level the sum over its chips in 10**6 pixels of it.
    """
    sides = chips.boxes[:, 2:] - chips.boxes[:, :2]
    areas = _areas(sides[:, 1], sides[:, 0], factors[chips.image, chips.level])
    return np.bincount(chips.level, areas, minlength=factors.shape[1]) / 1e6


def _areas(heights: np.ndarray, widths: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Pixels after resizing, of arrays that can be broadcast."""
    return np.floor(heights * factors + 0.5) * np.floor(widths * factors + 0.5)
