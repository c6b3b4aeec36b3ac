"""What a process keeps of image files: open files, and decoded images up to a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

# Each holds its list of tiles and a file descriptor, none its pixels.
_MOST_OPEN_FILES = 16
_MOST_NOTES = 4096  # of some kilobytes each


class ImageCache:
    """The images that were asked for last, as long as they fit.

    One image may be larger than the bound: then it is kept alone. A copy, such as a worker process
    gets, begins empty.

    Args:
        max_bytes: How many bytes of pixels are kept.
    """

    def __init__(self, max_bytes: int = 2**28) -> None:
        self.max_bytes = max_bytes
        self._images: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._files: OrderedDict[Hashable, object] = OrderedDict()
        self._notes: OrderedDict[Hashable, dict] = OrderedDict()

    def get(self, key: Hashable, load: Callable[[], np.ndarray]) -> np.ndarray:
        """The image of a key, loaded if it is not here."""
        image = self._images.pop(key, None)
        if image is None:
            image = load()
            image.setflags(write=False)
            self._make_room(image.nbytes)
        self._images[key] = image
        return image

    def __contains__(self, key: Hashable) -> bool:
        return key in self._images

    def get_file(self, key: Hashable, load: Callable[[], object]) -> object:
        """The open file of a key, opened if it is not here."""
        file = self._files.pop(key, None)
        if file is None:
            file = load()
            # The bytes of files that cannot be read in pieces are kept of the last one only.
            for other in [k for k, f in self._files.items() if not f.cheap_windows]:
                del self._files[other]
            while len(self._files) >= _MOST_OPEN_FILES:
                self._files.popitem(last=False)
        self._files[key] = file
        return file

    def notes(self, key: Hashable) -> dict:
        """What was found out about a file, such as where its parts begin; to be added to."""
        notes = self._notes.pop(key, {})
        while len(self._notes) >= _MOST_NOTES:
            self._notes.popitem(last=False)
        self._notes[key] = notes
        return notes

    @property
    def num_bytes(self) -> int:
        """Bytes of pixels that are kept now."""
        return sum(image.nbytes for image in self._images.values())

    def _make_room(self, num_bytes: int) -> None:
        while self._images and self.num_bytes + num_bytes > self.max_bytes:
            self._images.popitem(last=False)

    def __reduce__(self) -> tuple:
        return type(self), (self.max_bytes,)
