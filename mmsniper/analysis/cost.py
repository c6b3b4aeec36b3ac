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
    sides_y = np.floor(heights[:, None] * factors + 0.5)
    sides_x = np.floor(widths[:, None] * factors + 0.5)
    return float((sides_y * sides_x).sum() / 1e6)


def chip_megapixels(chips: ChipTable, factors: np.ndarray) -> float:
    """Total area of chips as the detector gets them.

    Args:
        chips (ChipTable): n chips of m images.
        factors (np.ndarray): (m, L), the factors of all images.

    Returns:
        float: Sum over all chips in 10**6 pixels of their levels.
    """
    sides = chips.boxes[:, 2:] - chips.boxes[:, :2]
    return megapixels(sides[:, 1], sides[:, 0], factors[chips.image, chips.level])
