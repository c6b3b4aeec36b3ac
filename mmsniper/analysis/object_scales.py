"""The sizes of a data set's objects, and the factors that they ask for.

Factors are those of a typical image, one of the median long side; "seen" means in pixels of a
level. Shapes: n boxes.
"""

from __future__ import annotations

import numpy as np

from mmsniper.chips import box_sizes
from mmsniper.chips.pyramid import Level

from .coco_boxes import Annotations
from .scale_statistics import box_images

# The shares of the objects, sorted by size, that count as the small and as the large end: what
# lies beyond is often an annotation error.
LOW, HIGH = 0.025, 0.975
# Detectors with a feature pyramid find objects from the size of the smallest anchor upwards.
SMALLEST_SEEN = 32
# Objects from here on need no more pixels, so images of larger ones are reduced.
LARGE_ENOUGH = 128
# Enlarging more than that adds pixels but nothing to see. The paper's is 2.9.
MAX_ENLARGEMENT = 3.0


class ObjectScales:
    """Sizes of the objects of a data set, and the form that its levels are best written in.

    Levels are factors if all images have one size, or if objects have the same sizes in small and
    in large images. Otherwise they are (short, long), as in the paper.

    Args:
        annotations (Annotations): With at least one box, all boxes usable.

    Attributes:
        sizes (np.ndarray): (n,) sqrt(w * h) in original pixels.
        relative (np.ndarray): (n,) the factor of an object's image at a level at which a typical
            image has factor 1.
        long_sides (np.ndarray): (n,) longer side of each box times ``relative``.
        typical (tuple[float, float] | None): Short and long side of a typical image in pixels if
            levels are (short, long), or None if they are factors.
        low (float): Size, times ``relative``, of the objects at the small end.
        high (float): The same at the large end.
        longest_image (float): Long side in pixels: of a typical image if levels are (short, long),
            else of the largest.
    """

    def __init__(self, annotations: Annotations) -> None:
        heights, widths = annotations.heights, annotations.widths
        short, long = np.minimum(heights, widths), np.maximum(heights, widths)
        sides = annotations.boxes[:, 2:] - annotations.boxes[:, :2]
        self.sizes = box_sizes(annotations.boxes).astype(np.float64)
        # Nearly square images need the bound of the short side, the others only that of the long.
        typical_short = float(np.quantile(short, 0.75))
        typical = typical_short, max(typical_short, float(np.median(long)))
        relative = np.minimum(typical[0] / short, typical[1] / long)[box_images(annotations)]
        one_size = (short == short[0]).all() and (long == long[0]).all()
        # A tenth more spread is chance rather than a reason to depart from the paper's form.
        as_factors = one_size or _spread(self.sizes * relative) > 1.1 * _spread(self.sizes) + 0.1
        self.typical = None if as_factors else typical
        self.relative = np.ones_like(self.sizes) if as_factors else relative
        self.long_sides = sides.max(axis=1) * self.relative
        self.low, self.high = np.quantile(self.sizes * self.relative, (LOW, HIGH))
        self.longest_image = float(long.max()) if as_factors else typical[1]

    @property
    def wanted_finest(self) -> float:
        """The factor that small objects should be seen at.

        They are enlarged until a detector finds them, left as they are, or, if even they are
        large, reduced until they are just large enough.
        """
        if self.low < SMALLEST_SEEN:
            factor = min(SMALLEST_SEEN / self.low, MAX_ENLARGEMENT)
            return factor if factor > 1.1 else 1.0
        return min(1.0, LARGE_ENOUGH / self.low)

    @property
    def least_finest(self) -> float:
        """The factor that no budget goes below: small objects are never shrunk."""
        return min(1.0, SMALLEST_SEEN / self.low)

    def level(self, factor: float, round_down: bool = False) -> Level:
        """A level at which a typical image has a given factor, in round numbers.

        Args:
            factor (float): The factor.
            round_down (bool): Whether it may not become larger. Defaults to False.
        """
        rounding = np.floor if round_down else np.rint
        if self.typical is None:
            # A third digit where the factor is that of a whole image in a chip.
            unit = 10.0 ** (np.floor(np.log10(factor)) - (2 if round_down else 1))
            # What is exact stays so: 0.128 / 0.001 may be a little less than 128.
            return float(np.round(rounding(factor / unit + 1e-9) * unit, 9))
        sides = [side * factor for side in self.typical]
        unit = 10 if min(sides) >= 200 else 1
        short, long = (max(int(rounding(side / unit + 1e-9)) * unit, 1) for side in sides)
        return short, long


def _spread(sizes: np.ndarray) -> float:
    low, high = np.quantile(np.log(sizes), (LOW, HIGH))
    return float(high - low)
