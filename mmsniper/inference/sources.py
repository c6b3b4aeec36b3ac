"""What can be looked at: pictures by path, folder or pattern, videos, arrays, streams of them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Union

import numpy as np
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from mmengine.logging import print_log

from mmsniper.errors import InputError

from .places import without_stem_of_their_own
from .videos import VIDEO_SUFFIXES, VideoFrames, is_video

Input = Union[str, Path, np.ndarray]
Inputs = Union[Input, Sequence[Input], Iterable[Input]]


@dataclass(frozen=True, eq=False)
class Source:
    """One image that is to be looked at.

    Attributes:
        name: See :class:`mmsniper.inference.ImageDetections`.
        path: Of its file or video; None of an array.
        pixels: Shape (h, w, 3) or (h, w), uint8, BGR or grey; None of a file, which is read later.
        sequence: The stream that it is a frame of, whose frames are of one size and come one by
            one; None of other images.
        fault: Why it cannot be looked at, as one sentence, if that is known already.
    """

    name: str
    path: str | None = None
    pixels: np.ndarray | None = field(default=None, repr=False)
    sequence: str | None = None
    fault: str | None = None


class Sources:
    """All images of some inputs, in order. What is named on a disk is listed at once.

    Args:
        inputs: A path of a picture, a folder (with all below it), a pattern such as ``'a/*.jpg'``,
            a video, an array (BGR or grey, uint8), a list of these, or any other iterable of
            arrays and paths of pictures, which is asked for one after the other and once.

    Raises:
        InputError: Something does not exist, is nothing that can be looked at, or is given twice.
    """

    def __init__(self, inputs: Inputs) -> None:
        self._stream: Iterator | None = None
        self._listed: list[Source] = []
        if isinstance(inputs, (str, os.PathLike, np.ndarray)):
            inputs = [inputs]
        if isinstance(inputs, (list, tuple)):
            self._listed = _listed(inputs)
        elif isinstance(inputs, Iterable):
            self._stream = iter(inputs)
        else:
            raise InputError(
                f'an input of type {type(inputs).__name__} cannot be looked at: give a path, an '
                'array, or a list or another iterable of such'
            )

    @property
    def is_stream(self) -> bool:
        """Whether images come one by one from who knows where."""
        return self._stream is not None

    @property
    def count(self) -> int | None:
        """How many images there are, None if nobody knows: a stream tells no end.

        Those of a video are as many as its file states, which may be wrong.
        """
        if self._stream is not None:
            return None
        total = 0
        for source in self._listed:
            try:
                frames = VideoFrames(source.path).count if _is_video(source) else 1
            except InputError:  # one image with a fault
                frames = 1
            if frames is None:
                return None
            total += frames
        return total

    @property
    def videos(self) -> list[Source]:
        """The videos, whose frames are images with their names in front."""
        return [source for source in self._listed if _is_video(source)]

    @property
    def sharing_stems(self) -> frozenset[str]:
        """The names that without their endings would be others' too, as far as is listed."""
        return without_stem_of_their_own(source.name for source in self._listed)

    @property
    def paths(self) -> list[str | None]:
        """Of each thing that is listed, in order; None of an array."""
        return [source.path for source in self._listed]

    def __iter__(self) -> Iterator[Source]:
        if self._stream is not None:
            for index, given in enumerate(self._stream):
                yield _from_stream(given, index)
        for source in self._listed:
            if not _is_video(source):
                yield source
                continue
            try:
                frames = VideoFrames(source.path)
            except InputError as error:
                yield Source(source.name, source.path, sequence=source.name, fault=str(error))
                continue
            for index, frame in enumerate(frames):
                yield Source(f'{source.name}/{index:06d}', source.path, frame, source.name)


def check_pixels(pixels: np.ndarray, name: str) -> np.ndarray:
    """An array of pixels, after making sure that it is an image as OpenCV reads them.

    Raises:
        InputError: It is not.
    """
    shape = pixels.shape
    is_image = pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] in (1, 3))
    if not is_image or 0 in shape or pixels.dtype != np.uint8:
        raise InputError(
            f'{name} is an array of shape {shape} and type {pixels.dtype}: give (height, width, 3) '
            'in the order blue, green, red, or (height, width), of type uint8'
        )
    return pixels[..., 0] if pixels.shape[2:] == (1,) else pixels


def _from_stream(given: object, index: int) -> Source:
    name = f'image-{index:06d}'
    if isinstance(given, np.ndarray):
        return Source(name, pixels=check_pixels(given, name), sequence='stream')
    if isinstance(given, (str, os.PathLike)) and not Path(given).is_dir():
        return Source(str(given), str(given), sequence='stream')
    raise InputError(
        f'item {index} of the input is {str(given)[:80]!r} of type {type(given).__name__}: only '
        'arrays and paths of pictures can come one by one'
    )


def _listed(inputs: Sequence[Input]) -> list[Source]:
    found: list[Source] = []
    for index, given in enumerate(inputs):
        if isinstance(given, np.ndarray):
            name = f'image-{index:06d}'
            found.append(Source(name, pixels=check_pixels(given, name)))
        elif isinstance(given, (str, os.PathLike)):
            try:
                found += _files(os.fspath(given))
            except OSError as error:  # such as a folder that may not be looked into
                raise InputError(f'{given} cannot be read: {error.strerror}') from error
        else:
            raise InputError(
                f'input {index} is of type {type(given).__name__}: give paths or arrays'
            )
    if not found:
        raise InputError('there is nothing to look at: the list of inputs is empty')
    return _with_unique_names(found)


def _files(given: str) -> list[Source]:
    path = Path(given)
    if '://' in given or path.is_file():
        return [Source(os.path.basename(given), given)]
    if path.is_dir():
        return _files_below(path)
    if glob.has_magic(given):
        names = sorted(name for name in glob.glob(given, recursive=True) if Path(name).is_file())
        chosen = [name for name in names if _suffix(name) in (*IMG_EXTENSIONS, *VIDEO_SUFFIXES)]
        if not chosen:
            raise InputError(f'no picture or video matches {given}')
        _tell_of_others(given, len(names) - len(chosen))
        root = os.path.commonpath([os.path.dirname(os.path.abspath(name)) for name in chosen])
        return [
            Source(Path(os.path.abspath(name)).relative_to(root).as_posix(), name)
            for name in chosen
        ]
    what = 'is neither a file nor a folder' if path.exists() else 'does not exist'
    raise InputError(f'{given} {what}')


def _files_below(folder: Path) -> list[Source]:
    """The pictures of a folder; videos are named one by one, since they are much to look at.

    Folders that may not be looked into are among them, as something with a fault.
    """
    pictures, others = [], Counter()
    closed: list[OSError] = []
    been_in: set[str] = set()  # links may lead back to a folder above them
    for root, folders, names in os.walk(folder, followlinks=True, onerror=closed.append):
        if (real := os.path.realpath(root)) in been_in:
            folders.clear()
            continue
        been_in.add(real)
        folders.sort()
        for name in sorted(names):
            if _suffix(name) in IMG_EXTENSIONS:
                pictures.append(Path(root, name))
            else:
                others[_suffix(name) or 'no ending'] += 1
    if not pictures:
        if closed:
            raise closed[0]
        endings = ', '.join(f'{count} of {ending}' for ending, count in sorted(others.items()))
        raise InputError(
            f'folder {folder} has no picture ({" ".join(IMG_EXTENSIONS)}) in it or below it, but '
            f'{endings or "nothing at all"}'
        )
    _tell_of_others(str(folder), sum(others.values()))
    found = [Source(path.relative_to(folder).as_posix(), str(path)) for path in pictures]
    for error in sorted(closed, key=lambda error: error.filename):
        name = Path(error.filename).relative_to(folder).as_posix()
        fault = f'folder {error.filename} cannot be read: {error.strerror}'
        found.append(Source(name, error.filename, fault=fault))
    return found


def _tell_of_others(where: str, count: int) -> None:
    if count:
        print_log(f'{count} files of {where} are no pictures and are left out', 'current')


def _with_unique_names(sources: list[Source]) -> list[Source]:
    """The sources, by their whole paths where two would have one name."""
    paths = Counter(os.path.abspath(s.path) for s in sources if s.path and '://' not in s.path)
    twice = next((path for path, count in paths.items() if count > 1), None)
    if twice is not None:
        raise InputError(f'{twice} is given twice: results of one image have one place')
    names = Counter(source.name for source in sources)
    if len(names) == len(sources):
        return sources
    root = os.path.commonpath([os.path.dirname(path) for path in paths] or ['/'])
    return [
        replace(source, name=Path(os.path.abspath(source.path)).relative_to(root).as_posix())
        if source.path and '://' not in source.path
        else source
        for source in sources
    ]


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _is_video(source: Source) -> bool:
    return source.fault is None and source.path is not None and is_video(source.path)
