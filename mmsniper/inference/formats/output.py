"""What all formats have in common: where files go, and how they are written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mmsniper.utils.whole_file import whole_text_file, write_whole

from ..detections import ImageDetections

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


class ImageFormat(OutputFormat):
    """A format with a file of its own for each image, below ``folder/NAME_OF_THE_FORMAT``."""

    name: str
    ending: str

    def write(self, image: ImageDetections) -> None:
        """Write the file of an image; none of an image with a fault.

        Raises:
            InputError: It cannot be written.
        """
        if image.fault is None:
            write_whole(self.path(image), self.content(image).encode())

    def content(self, image: ImageDetections) -> str:
        """The text of the file of an image."""
        raise NotImplementedError

    def path(self, image: ImageDetections) -> Path:
        """The file of an image: its name with another ending behind its own.

        So ``a.jpg`` and ``a.png`` have files of their own.

        Raises:
            InputError: The name leads out of the folder.
        """
        return self.folder / self.name / f'{image.name_below("file")}{self.ending}'


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
