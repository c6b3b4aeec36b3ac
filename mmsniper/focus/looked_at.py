"""Which share of the pyramid testing from coarse to fine looked at."""

from __future__ import annotations

import numpy as np
from mmengine.dist import all_gather_object

from .search import CoarseToFine


class LookedAt:
    """Counts pixels of levels: how many were looked at, and how many the whole pyramid has."""

    def __init__(self) -> None:
        self._pixels: dict[int, np.ndarray] = {}  # by the number of levels, which images may have

    def add(self, search: CoarseToFine) -> None:
        """Count those of an image."""
        pixels = np.stack([search.pixels, search.pyramid_pixels])
        self._pixels[len(search.levels)] = self._pixels.get(len(search.levels), 0) + pixels

    def of_all_ranks(self) -> LookedAt:
        """The sum over all processes, in each of them."""
        result = LookedAt()
        for found in all_gather_object(self._pixels):
            for number, pixels in found.items():
                result._pixels[number] = result._pixels.get(number, 0) + pixels
        return result

    @property
    def share(self) -> float:
        """How many of the pixels of the pyramid were looked at, from 0 to 1."""
        seen, whole = np.sum([each.sum(1) for each in self._pixels.values()] or [[0, 0]], axis=0)
        return float(seen / whole) if whole else 0.0

    @property
    def sentence(self) -> str:
        """What to say of it, empty if there was no search."""
        if not self._pixels:
            return ''
        levels = []
        for number, (seen, whole) in sorted(self._pixels.items()):
            shares = ', '.join(f'{share:.1%}' for share in seen / np.maximum(whole, 1))
            of = f' of images with {number} levels' if len(self._pixels) > 1 else ''
            levels.append(f'{shares}{of}')
        return (
            f'Looked at {self.share:.1%} of the pixels of the pyramid; of its levels, fine to '
            f'coarse: {"; ".join(levels)}.'
        )
