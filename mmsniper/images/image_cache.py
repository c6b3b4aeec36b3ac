"""Decoded images that a process keeps, bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np


class ImageCache:
    """The images that were asked for last, as long as they fit.

    One image may be larger than the bound: then it is kept alone. A copy, such as a worker process
    gets, begins empty.

    Args:
        max_bytes: How many bytes of pixels are kept.
    """

    def __init__(self, max_bytes: int = 2**29) -> None:
        self.max_bytes = max_bytes
        self._images: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, key: Hashable, load: Callable[[], np.ndarray]) -> np.ndarray:
        """The image of a key, loaded if it is not here."""
        image = self._images.pop(key, None)
        if image is None:
            image = load()
            image.setflags(write=False)
            self._make_room(image.nbytes)
        self._images[key] = image
        return image

    @property
    def num_bytes(self) -> int:
        return sum(image.nbytes for image in self._images.values())

    def _make_room(self, num_bytes: int) -> None:
        while self._images and self.num_bytes + num_bytes > self.max_bytes:
            self._images.popitem(last=False)

    def __reduce__(self) -> tuple:
        return type(self), (self.max_bytes,)
