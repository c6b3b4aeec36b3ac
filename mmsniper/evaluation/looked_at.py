"""Which share of the pyramid testing from coarse to fine looked at."""

from __future__ import annotations

import numpy as np
from mmengine.dist import all_gather_object
from mmengine.logging import print_log

from mmsniper.focus import CoarseToFine


class LookedAt:
    """Counts pixels of levels: how many were looked at, and how many the whole pyramid has."""

    def __init__(self) -> None:
        self.pixels: np.ndarray | None = None

    def add(self, search: CoarseToFine) -> None:
        """Count those of an image."""
        pixels = np.stack([search.pixels, search.pyramid_pixels])
        self.pixels = pixels if self.pixels is None else self.pixels + pixels

    def of_all_ranks(self) -> LookedAt:
        """The sum over all processes, in each of them."""
        result = LookedAt()
        found = [pixels for pixels in all_gather_object(self.pixels) if pixels is not None]
        result.pixels = sum(found) if found else None
        return result

    def log(self) -> None:
        """Say it in the log, if there was any search."""
        if self.pixels is None:
            return
        seen, whole = self.pixels
        levels = ', '.join(f'{share:.1%}' for share in seen / np.maximum(whole, 1))
        print_log(
            f'Looked at {seen.sum() / max(whole.sum(), 1):.1%} of the pixels of the pyramid, of '
            f'its levels from fine to coarse at {levels}.',
            logger='current',
        )
