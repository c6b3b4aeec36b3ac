"""Frames of videos in, and videos of drawn frames out, by OpenCV."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from mmsniper.errors import InputError
from mmsniper.images.damage import captured_errors
from mmsniper.utils.whole_file import temporary_of

VIDEO_SUFFIXES = tuple(
    '.3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv'.split()
)
USUAL_FPS = 25.0
# What FFmpeg's decoders say, such as "[mpeg4 @ 0x55d0] ac-tex damaged at 1 0".
_COMPLAINT = re.compile(rb'\[(\w[\w,]*) @ [^\]]*\] (.*)')


def is_video(path: str) -> bool:
    """Whether a file is taken for a video: by the ending of its name."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


class VideoFrames:
    """The frames of a video, upright.

    Many decoders go on after an error, with a frame that repeats the one before or is partly grey,
    without a frame, or by ending the video early, and OpenCV does not tell. So what they write to
    standard error is read, and frames are counted: :attr:`fault` says what was noticed. It cannot
    be known which frames are wrong, as decoders work ahead of what they give, nor whether a frame
    is wrong that no decoder complains of, nor whether a container that states no or a wrong number
    of frames has lost some. Frame numbers after a lost frame are lower than in the original.

    Args:
        path: The file.

    Attributes:
        path: The file.
        fps: Frames per second; 25 where the file does not say it.
        count: How many frames the container says it has: for some formats an estimate from its
            length in seconds; None where it does not say it.
        size: Width and height in pixels.
        fault: After all frames were read or skipped, one sentence if a decoder has complained or
            more than 2 % of the stated frames are missing.

    Raises:
        InputError: There is no such file, it is no video, or none of its frames can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f'video {path} does not exist')
        self.fault: str | None = None
        capture = self._open()
        read, frame = capture.read()
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        fps = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        if not read:
            raise InputError(
                f'video {path} has no frame that OpenCV can read: it is empty, damaged or of a '
                'kind that this OpenCV does not know; convert it, for example to an MP4 with H.264'
            )
        self.size = frame.shape[1], frame.shape[0]
        # Streams without an index state 0, or absurd numbers.
        self.count = int(count) if 1 <= count < 2**31 else None
        self.fps = float(fps) if 0 < fps <= 1000 else USUAL_FPS

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.frames()

    def frames(self, start: int = 0, step: int = 1) -> Iterator[np.ndarray]:
        """Frames from one on.

        Those before it and between are decoded too: jumping ends at another frame in many files.

        Args:
            start: How many frames to skip.
            step: Gives every so many frames.

        Yields:
            Shape (h, w, 3), uint8 BGR. A few formats change their size on the way.
        """
        self.fault = None
        complaints: list[tuple[int, str]] = []
        number = 0
        capture = self._open()
        try:
            while True:
                wanted = number >= start and (number - start) % step == 0
                with captured_errors() as said:
                    found = capture.grab()
                    read, frame = capture.retrieve() if found and wanted else (False, None)
                if complaint := _COMPLAINT.search(bytes(said)):
                    text = b': '.join(complaint.groups()).decode(errors='replace')
                    complaints.append((number, text.strip()))
                if not found:
                    break
                if read:
                    yield frame
                elif wanted:
                    complaints.append((number, 'no pixels'))
                number += 1
        finally:
            capture.release()
        self.fault = self._judge(number, complaints)

    def _open(self) -> cv2.VideoCapture:
        # One thread complains while its frame is asked for, several do at any time.
        one_thread = [cv2.CAP_PROP_N_THREADS, 1]
        path = _for_opencv(self.path)
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, one_thread)
        if not capture.isOpened():
            capture = cv2.VideoCapture(path)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # not the default everywhere
        return capture

    def _judge(self, number: int, complaints: Sequence[tuple[int, str]]) -> str | None:
        notes = []
        # What is stated may include frames that are not to be shown, or be an estimate.
        if self.count is not None and self.count - number > max(1, self.count // 50):
            notes.append(f'{number} of the {self.count} frames that it states could be read')
        if complaints:
            near, complaint = complaints[0]
            notes.append(f'its decoder complains first near frame {near} ({complaint})')
        return f'video {self.path} may be damaged: {", and ".join(notes)}' if notes else None


def _for_opencv(path: Path) -> str:
    """A path as OpenCV takes it, which ends the program over one that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f'OpenCV cannot open video {path}, whose path is not UTF-8: rename it'
        ) from error
    return str(path)


class VideoWriter:
    """Writes an MP4, which is there whole or not at all.

    To be used in a ``with`` statement: its end finishes the file, and an exception in it leaves
    none. H.264 is taken where this OpenCV can encode it, else MPEG-4 Part 2, which some browsers
    do not play.

    Args:
        path: The file, which is replaced; its folder is made where missing.
        fps: Frames per second.
        size: Width and height of the frames in pixels. Defaults to that of the first one. Codecs
            need even sides, so the last column and row are repeated where one is odd.
        codecs: FOURCC of codecs, the first that works is taken.

    Attributes:
        codec: The one that is used; None before the first frame.
        written: How many frames there are by now.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float = USUAL_FPS,
        size: tuple[int, int] | None = None,
        codecs: Sequence[str] = ('avc1', 'mp4v'),
    ) -> None:
        self.path = Path(path)
        self.fps = float(fps)
        self.size = size
        self.codecs = tuple(codecs)
        self.codec: str | None = None
        self.written = 0
        # Encoders go by the ending.
        self._temporary = temporary_of(self.path, '.mp4')
        self._writer: cv2.VideoWriter | None = None
        if not 0 < self.fps <= 1000:
            raise InputError(f'cannot write video {path} of {fps} frames per second')

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind, value, trace) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, frame: np.ndarray) -> None:
        """Add a frame.

        Args:
            frame: Shape (h, w, 3), uint8 BGR, of the video's size.

        Raises:
            InputError: The frame is of another size, or no video can be written.
        """
        size = frame.shape[1], frame.shape[0]
        self.size = self.size or size
        if size != self.size:
            raise InputError(
                f'frame {self.written} of video {self.path} is of {size[0]}x{size[1]} pixels, but '
                f'the video of {self.size[0]}x{self.size[1]}'
            )
        if self._writer is None:
            self._writer = self._open()
        odd = size[1] % 2, size[0] % 2
        if any(odd):
            frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode='edge')
        self._writer.write(np.ascontiguousarray(frame))
        self.written += 1

    def close(self) -> None:
        """Finish the file, look whether all frames are in it, and move it to its place.

        Without a frame there is no file.

        Raises:
            InputError: The file is not whole, such as on a full disk.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        readable = self._count_readable()
        if readable != self.written:
            self.discard()
            raise InputError(
                f'cannot write video {self.path}: of {self.written} frames encoded by '
                f'{self.codec!r}, {readable} can be read again; see whether the disk is full'
            )
        try:
            os.replace(self._temporary, self.path)
        except OSError as error:
            self.discard()
            raise InputError(f'cannot write video {self.path}: {error.strerror}') from error

    def discard(self) -> None:
        """Leave no file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        with suppress(OSError):
            self._temporary.unlink()

    def _open(self) -> cv2.VideoWriter:
        path = _for_opencv(self._temporary)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.touch()  # says what is wrong, which OpenCV does not
        except OSError as error:
            raise InputError(f'cannot write video {self.path}: {error.strerror}') from error
        even = self.size[0] + self.size[0] % 2, self.size[1] + self.size[1] % 2
        for codec in self.codecs:
            # A missing encoder is no fault as long as another one is there.
            with captured_errors(hand_on=False):
                fourcc = cv2.VideoWriter_fourcc(*codec)
                writer = cv2.VideoWriter(path, fourcc, self.fps, even)
            if writer.isOpened():
                self.codec = codec
                return writer
            writer.release()
        self.discard()
        raise InputError(
            f'cannot write video {self.path} of {self.size[0]}x{self.size[1]} pixels: this OpenCV '
            f'has no encoder for it among {", ".join(self.codecs)}'
        )

    def _count_readable(self) -> int:
        """How many frames the file has: what it states, if the last of them can be read."""
        capture = cv2.VideoCapture(str(self._temporary))
        try:
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            capture.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
            return max(count, 0) if capture.read()[0] else 0
        finally:
            capture.release()
