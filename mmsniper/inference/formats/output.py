"""What all formats have in common: where files go, and how they are written whole or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from mmsniper.utils.whole_file import ENCODING, whole_text_file, write_whole

from ..detections import ImageDetections
from ..places import check_length, name_below, stem
from ..sources import Source

# Digits behind the point: a thousandth of a pixel, and scores as far as ranking needs them.
BOX_DIGITS = 3
SCORE_DIGITS = 6


class OutputFormat:
    """A format of detections.

    Args:
        folder: Where its files go.
        classes: Names by label.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.folder = Path(folder)
        self.classes = tuple(classes)

    def check(self, source: Source) -> None:
        """Raise an InputError if what is found in an image could not be written."""


class ImageFormat(OutputFormat):
    """A format with a file of its own for each image, below ``folder/PLACE``.

    It is where the image is, with another ending in place of its own, as programs expect it:
    ``north/a.txt`` of ``north/a.jpg``. Where that is no image's alone, as of ``a.jpg`` and
    ``a.png``, the ending is put behind the whole name: ``a.jpg.txt`` and ``a.png.txt``.

    Args:
        folder: Where ``PLACE`` is made.
        classes: Names by label.
        whole_names: The images whose whole names are needed.
    """

    place: str
    ending: str

    def __init__(
        self, folder: Path, classes: Sequence[str], whole_names: Collection[str] = ()
    ) -> None:
        super().__init__(folder, classes)
        self.whole_names = whole_names

    def check(self, source: Source) -> None:
        """See :class:`OutputFormat`."""
        check_length(self.path(source), self.folder, source.name)

    def write(self, image: ImageDetections) -> None:
        """Write the file of an image; none of an image with a fault.

        Raises:
            InputError: It cannot be written.
        """
        if image.fault is None:
            write_whole(self.path(image), self.content(image).encode(**ENCODING))

    def content(self, image: ImageDetections) -> str:
        """The text of the file of an image."""
        raise NotImplementedError

    def path(self, image: ImageDetections | Source) -> Path:
        """The file of an image.

        Raises:
            InputError: The image's name leads out of the folder.
        """
        name = name_below(image.name, 'file')
        if name not in self.whole_names:
            name = stem(name)
        return self.folder / self.place / f'{name}{self.ending}'


class CollectedFormat(OutputFormat):
    """A format with one file for all images, which is written in the end."""

    file_name: str

    @property
    def file(self) -> Path:
        """The file."""
        return self.folder / self.file_name

    def write_all(self, images: Iterable[ImageDetections]) -> None:
        """Write the file; of images with a fault there is nothing in it.

        Args:
            images: In order; no more than one is kept in memory.

        Raises:
            InputError: It cannot be written.
        """
        with whole_text_file(self.file) as file:
            for piece in self.pieces(image for image in images if image.fault is None):
                file.write(piece)

    def pieces(self, images: Iterable[ImageDetections]) -> Iterator[str]:
        """The text of the file, piece by piece."""
        raise NotImplementedError
