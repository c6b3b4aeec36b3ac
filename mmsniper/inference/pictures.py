"""Pictures of what was found: one of an image, or an overview and closeups of a huge one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmsniper.errors import InputError
from mmsniper.images import PixelRules, read_window
from mmsniper.images.formats import is_jpeg, is_tiff
from mmsniper.utils.whole_file import write_whole
from mmsniper.visualization.canvas import as_picture, caption, outline_boxes, stack
from mmsniper.visualization.detections import COLOURINGS, draw_detections, text_size
from mmsniper.visualization.text import line_height, put_text, text_width

from .closeups import choose_closeups, in_window
from .detections import ImageDetections
from .places import name_below

HUGE = 16_000_000  # pixels
STRIP = 16_000_000  # pixels
LONGEST = 16_000  # pixels of a side; a JPEG can have 65,535, viewers show fewer
OVERVIEW_SIDE = 2200
SMALL_SIDE = 480  # what small images are enlarged to at most, to make room for letters
CROWD = 40  # from so many detections on a legend replaces labels that find no room
MARK = (255, 255, 255)
QUALITY = 92


class Pictures:
    """Draws detections and writes them as JPEG files.

    An image becomes ``folder/pictures/NAME.jpg``, where NAME has its sub folders and its own
    ending, so that ``a.jpg`` and ``a.png`` become ``a.jpg.jpg`` and ``a.png.jpg``. Images whose
    sides are all at most 240 px are enlarged by a whole number.

    One of more than 16 million pixels becomes ``folder/pictures/NAME/overview.jpg``, 2200 px long,
    with what was found and numbered frames, and ``crop-1.jpg`` and so on, which show up to eight
    places of 1200x900 px at full resolution. They are those where the sum of scores is highest.

    Args:
        folder: Where ``pictures`` is made.
        classes: Names by label.
        colour_by: 'class' or 'level'.
        score_thr: Detections below are not drawn.
        level_names: What to call the pyramid levels, the finest first.
        rules: How samples in image files become pixels.

    Raises:
        InputError: ``colour_by`` is unknown.
    """

    def __init__(
        self,
        folder: str | Path,
        classes: Sequence[str],
        colour_by: str = 'class',
        score_thr: float = 0.0,
        level_names: Sequence[str] | None = None,
        rules: PixelRules | None = None,
    ) -> None:
        if colour_by not in COLOURINGS:
            raise InputError(f'colour_by={colour_by!r} must be one of {", ".join(COLOURINGS)}')
        self.folder = Path(folder) / 'pictures'
        self.classes = classes
        self.colour_by = colour_by
        self.score_thr = score_thr
        self.level_names = level_names
        self.rules = rules or PixelRules()

    def write(self, image: ImageDetections, pixels: np.ndarray | None = None) -> None:
        """Draw an image into its file or files, each of which is written whole or not at all.

        The same detections give the same bytes. Nothing is written of an image with a fault.

        Args:
            image: What was found.
            pixels: The image, shape (h, w) or (h, w, c) with BGR first. Defaults to what is read
                from ``image.path``: only what is shown of it, where its format allows that.

        Raises:
            InputError: The image cannot be read, or the file cannot be written.
        """
        if image.fault is not None:
            return
        for part, picture in self._pages(image, pixels):
            _, content = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            write_whole(self.path(image.name, part), content.tobytes())

    def path(self, name: str, part: str = '') -> Path:
        """The file of an image, or of a part of a huge one.

        Raises:
            InputError: The image's name leads out of the folder.
        """
        return self.folder / f'{name_below(name, "picture")}{part}.jpg'

    def draw(self, image: ImageDetections, pixels: np.ndarray | None = None) -> np.ndarray:
        """One picture of an image; of a huge one the overview.

        Args:
            image: What was found; it has no fault.
            pixels: As of :meth:`write`.

        Returns:
            Shape (h, w, 3), uint8 BGR. It is larger than the image where that is small, and where
            a legend stands below it.

        Raises:
            InputError: The image cannot be read.
        """
        pixels = self._checked(image, pixels)
        shown = image.of(image.scores >= self.score_thr)
        if is_huge(image):
            return self._overview(shown, pixels, choose_closeups(shown))
        width, height = image.width, image.height
        factor = max(1, SMALL_SIDE // max(width, height))
        picture = _read(image, pixels, (0, 0, width, height), (width, height), self.rules)
        if factor > 1:
            size = width * factor, height * factor
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
            shown = in_window(shown, (0, 0, width, height), size)
        return self._draw(picture, shown, legend=len(shown) > CROWD)

    def draw_frame(self, image: ImageDetections, frame: np.ndarray) -> np.ndarray:
        """A frame of a video, which is of the same size whatever was found in it.

        Args:
            image: What was found.
            frame: Its pixels, shape (h, w, 3), uint8 BGR.

        Returns:
            Shape (h, w, 3), uint8 BGR; higher than the frame by a legend, if colours mean levels
            that have names.
        """
        has_legend = self.colour_by == 'level' and self.level_names
        return draw_detections(
            frame,
            image.of(image.scores >= self.score_thr),
            self.classes,
            self.colour_by,
            level_names=self.level_names,
            legend='names' if has_legend else 'none',
        )

    def _pages(
        self, image: ImageDetections, pixels: np.ndarray | None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Pictures, and what is added to the name of each; the overview comes last."""
        if not is_huge(image):
            yield '', self.draw(image, pixels)
            return
        pixels = self._checked(image, pixels)
        shown = image.of(image.scores >= self.score_thr)
        windows = choose_closeups(shown)
        for number, window in enumerate(windows.tolist(), 1):
            left, top, right, bottom = window
            size = right - left, bottom - top
            picture = _read(image, pixels, window, size, self.rules)
            there = in_window(shown, window)
            drawn = self._draw(picture, there, legend=len(there) > CROWD)
            place = f'{number} of {len(windows)}: x {left} to {right}, y {top} to {bottom}'
            text = caption([f'{image.name}, {place}'], drawn.shape[1], text_size(*size))
            yield f'/crop-{number}', stack([drawn, text])
        yield '/overview', self._overview(shown, pixels, windows)

    def _checked(self, image: ImageDetections, pixels: np.ndarray | None) -> np.ndarray | None:
        """All pixels, if they are given or can only be had at once; None if parts can be read."""
        if pixels is None:
            if image.path is None:
                raise InputError(f'{image.name} was given as an array: give its pixels to draw it')
            if _starts(image.path, is_jpeg, is_tiff):
                return None
            pixels = read_window(image.path, rules=self.rules)
        if pixels.shape[1::-1] != (image.width, image.height):
            raise InputError(
                f'{image.name} has {image.width}x{image.height} pixels, but those to draw it from '
                f'are {pixels.shape[1]}x{pixels.shape[0]}'
            )
        return pixels

    def _overview(
        self, shown: ImageDetections, pixels: np.ndarray | None, windows: np.ndarray
    ) -> np.ndarray:
        whole = 0, 0, shown.width, shown.height
        factor = min(1.0, OVERVIEW_SIDE / max(shown.width, shown.height))
        size = max(1, round(shown.width * factor)), max(1, round(shown.height * factor))
        picture = _read(shown, pixels, whole, size, self.rules)
        # Labels of a crowd would hide it; in the closeups there is room for them.
        labels = len(shown) <= CROWD
        drawn = self._draw(picture, in_window(shown, whole, size), legend=True, labels=labels)
        letters = text_size(*size)
        frames = windows * np.tile(np.array(size) / (shown.width, shown.height), 2)
        outline_boxes(drawn[: size[1]], frames, MARK, 5)
        for number, (left, top) in enumerate(frames[:, :2].tolist(), 1):
            # A dark plate, unlike those of classes.
            text, edge = f' {number} ', line_height(letters)
            x, y = max(0, round(left)), max(0, round(top))
            drawn[y : y + edge, x : x + text_width(text, letters)] = 0
            put_text(drawn, text, (x, y), letters, MARK)
        note = f'{shown.name}, {shown.width}x{shown.height} pixels, {len(shown)} found'
        notes = [note, ('closeups', MARK)] if len(windows) else [note]
        return stack([drawn, caption(notes, size[0], letters)])

    def _draw(
        self, picture: np.ndarray, shown: ImageDetections, legend: bool, labels: bool = True
    ) -> np.ndarray:
        return draw_detections(
            picture,
            shown,
            self.classes,
            self.colour_by,
            level_names=self.level_names,
            legend='counts' if legend else 'auto',
            labels=labels,
        )


def is_huge(image: ImageDetections) -> bool:
    """Whether an image is shown by an overview and closeups."""
    return image.width * image.height > HUGE or max(image.width, image.height) > LONGEST


def _read(
    image: ImageDetections,
    pixels: np.ndarray | None,
    window: Sequence[int],
    size: tuple[int, int],
    rules: PixelRules,
) -> np.ndarray:
    """A window of an image at a size that is at most its own, as a picture."""
    left, top, right, bottom = window
    if pixels is not None:
        return as_picture(_shrunk(pixels[top:bottom, left:right], size))
    width, height = size
    # Without reduced copies in the file, a strip at a time is all that has to be in memory.
    strips = -(-(right - left) * (bottom - top) // STRIP) if _starts(image.path, is_tiff) else 1
    ends = [height * number // strips for number in range(strips + 1)]
    parts = []
    for start, end in zip(ends[:-1], ends[1:]):
        if start == end:
            continue
        rows = (top + (bottom - top) * row // height for row in (start, end))
        part = left, next(rows), right, next(rows)
        part_size = width, end - start
        part_pixels = read_window(image.path, part, part_size, rules=rules, exact=False)
        parts.append(as_picture(_shrunk(part_pixels, part_size)))
    return np.concatenate(parts)


def _shrunk(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if pixels.shape[1::-1] == size:
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _starts(path: str, *kinds: Callable[[bytes], bool]) -> bool:
    """Whether a file begins as one of some kinds do."""
    try:
        with open(path, 'rb') as file:
            head = file.read(16)
    except OSError:  # reading the image says what is wrong
        return True
    return any(kind(head) for kind in kinds)
