"""A run over many inputs, whose results go to a folder, and that can be gone on with."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmsniper.errors import InputError
from mmsniper.utils.claim import claim_file, lock_of
from mmsniper.utils.first_rank import on_first_rank
from mmsniper.utils.whole_file import remove_leftovers, whole_text_file, write_whole

from .detections import ImageDetections
from .detector import Detector
from .formats import CollectedFormat, ImageFormat, OutputFormat
from .journal import Journal, check_same
from .merging import Merging
from .pictures import Pictures
from .places import check_length
from .sources import Source, Sources
from .stream import DetectionStream
from .videos import VideoFrames, VideoWriter, is_video

RECORD = 'run.json'
_JOURNAL = 'unfinished'
_FULL = errno.ENOSPC, errno.EDQUOT


@dataclass(frozen=True, eq=False)
class Outputs:
    """What is made of detections.

    Attributes:
        folder: Where to.
        formats: Those that are written.
        pictures: What draws; None if nothing is drawn.
    """

    folder: Path
    formats: Sequence[OutputFormat]
    pictures: Pictures | None = None

    def check(self, source: Source) -> None:
        """Raise an InputError if what is found in an image could not be written."""
        for output in self.formats:
            output.check(source)
        if self.pictures is not None and not is_video(source.path or ''):
            check_length(self.pictures.path(source.name), self.folder, source.name)

    def files_of_video(self, name: str) -> tuple[Path, Path]:
        """That of a video's detections, and the video with what was found."""
        drawn = name if name.lower().endswith('.mp4') else f'{name}.mp4'
        return self.folder / f'{name}.jsonl', self.folder / drawn


@dataclass(eq=False)
class Summary:
    """What came of a run.

    Attributes:
        images: How many images were looked at, by all processes together and in all runs.
        detections: How many were found.
        faults: Why others could not be, and which videos may be damaged, a sentence each.
        counts: What this process did in this run, see :class:`DetectionStream`.
        seconds: How long this run took, and how long of it the detector.
        looked_at: Which share of the pyramid it looked at, in a sentence, if it went from coarse to
            fine.
    """

    images: int = 0
    detections: int = 0
    faults: list[str] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    seconds: tuple[float, float] = (0.0, 0.0)
    looked_at: str = ''


def run(
    detector: Detector,
    merging: Merging,
    sources: Sources,
    outputs: Outputs,
    settings: dict[str, Any],
    *,
    batch_size: int = 8,
    num_workers: int = 2,
    resume: bool = False,
    rank: int = 0,
    world_size: int = 1,
    progress: Callable[[Iterator[ImageDetections]], Iterator[ImageDetections]] = iter,
) -> Summary:
    """Detect on all inputs and write what is found.

    Files of single images are written as soon as these are done, all others in the end. What is
    found is kept in ``unfinished`` until then, batch by batch. The results depend neither on how
    many processes share the work nor on when one was stopped.

    Args:
        detector: What detects.
        merging: What becomes of its detections.
        sources: The images.
        outputs: What is made of them.
        settings: All that the results depend on, as JSON has it: a run with others is not gone on
            with.
        batch_size: The most views of a forward pass.
        num_workers: Processes that load views.
        resume: Whether to go on with a run in the same folder.
        rank: Which of the processes that share the work this is. The first one writes what is made
            of all images together.
        world_size: How many there are.
        progress: Is given the results of this process, and gives them on.

    Raises:
        InputError: The folder holds something else, or cannot be written, or another run is at
            work there.
    """
    started = time.perf_counter()
    claims = ExitStack()

    def begin() -> bool:
        """Claim and prepare the folder; whether anything is left to do."""
        record = outputs.folder / RECORD
        _check_folder(record)
        if claims.enter_context(claim_file(record)) is None:
            raise InputError(
                f'another process is at work in {outputs.folder}: wait for its end, or give '
                'another folder'
            )
        return _prepare(record, settings, resume)

    try:
        if not on_first_rank(begin):
            print_log(f'the run in {outputs.folder} is complete: nothing is left to do', 'current')
            if rank == 0:  # which may have been stopped while it tidied up
                Journal(outputs.folder / _JOURNAL).remove()
            return _summary_of(outputs.folder)
        for video in sources.videos:
            for path in outputs.files_of_video(video.name):
                check_length(path, outputs.folder, video.path)
        journal = Journal(outputs.folder / _JOURNAL, rank, world_size)
        stream = DetectionStream(detector, merging, batch_size, num_workers, journal)
        for image in progress(stream(sources, sources.is_stream, outputs.check)):
            if image.fault is not None:
                print_log(f'left out: {image.fault}', 'current', logging.WARNING)
            for output in outputs.formats:
                if isinstance(output, ImageFormat):
                    output.write(image)
            if outputs.pictures is not None and not is_video(image.path or ''):
                outputs.pictures.write(image)
        if rank == 0:
            journal.wait()
            summary = _finish(journal, sources, outputs)
        else:
            summary = Summary()
        summary.counts = stream.counts
        summary.seconds = time.perf_counter() - started, stream.seconds
        summary.looked_at = stream.looked_at.sentence
        return summary
    except (OSError, InputError) as error:
        # What writes files says which one it could not write.
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError) and cause.errno in _FULL:
            raise InputError(
                f'{outputs.folder} is full: make room and go on with --resume ({error})'
            ) from error
        raise
    finally:
        claims.close()


def _check_folder(record: Path) -> None:
    """Raise an InputError if a folder is there that is not of a run."""
    folder = record.parent
    if not folder.exists() or record.is_file():
        return
    if not folder.is_dir() or {path.name for path in folder.iterdir()} - {lock_of(record).name}:
        raise InputError(
            f'{folder} is there already (it holds something else): give another folder'
        )


def _prepare(record: Path, settings: dict[str, Any], resume: bool) -> bool:
    """Write the record of a new run, or see that an earlier one is the same; whether to go on."""
    settings = json.loads(json.dumps(settings))
    if not record.is_file():
        write_whole(record, json.dumps(settings, indent=1).encode())
        return True
    if not resume:
        raise InputError(
            f'{record.parent} is there already (go on with it by --resume): give another folder'
        )
    check_same(record, settings)
    remove_leftovers(record.parent)
    return 'images' not in json.loads(record.read_text())


def _finish(journal: Journal, sources: Sources, outputs: Outputs) -> Summary:
    """Write what is made of all images together, and tidy up."""
    summary = Summary()
    videos = {video.path: video for video in sources.videos}

    def counted_frames() -> Iterator[ImageDetections]:
        for image in journal.images():
            summary.images += image.fault is None
            summary.detections += len(image)
            if image.fault is not None:
                summary.faults.append(image.fault)
            if image.path in videos and image.name != videos[image.path].name:
                yield image

    # Those of a video come one after the other.
    for path, frames in itertools.groupby(counted_frames(), lambda frame: frame.path):
        if fault := _write_video(videos[path], frames, outputs):
            summary.faults.append(fault)
    for output in outputs.formats:
        if isinstance(output, CollectedFormat):
            output.write_all(journal.images())
    record = outputs.folder / RECORD
    done = dict(
        json.loads(record.read_text()),
        images=summary.images,
        detections=summary.detections,
        faults=summary.faults,
    )
    write_whole(record, json.dumps(done, indent=1).encode())
    journal.remove()
    return summary


def _write_video(video: Source, found: Iterable[ImageDetections], outputs: Outputs) -> str | None:
    """Write a line of JSON per frame, and the video with what was found; what is wrong with it."""
    frames = VideoFrames(video.path)
    table, drawing = outputs.files_of_video(video.name)
    pixels = iter(frames)
    writer = None
    with whole_text_file(table) as lines:
        try:
            for image in found:
                frame = next(pixels, None)
                entry = dict(image.to_json(), frame=int(image.name.rsplit('/', 1)[-1]))
                entry.pop('path')
                lines.write(json.dumps(entry) + '\n')
                if outputs.pictures is not None and frame is not None:
                    drawn = outputs.pictures.draw_frame(image, frame)
                    if writer is None:
                        writer = VideoWriter(drawing, frames.fps)
                    writer.write(drawn)
            for _ in pixels:  # its end tells of damage
                pass
            if writer is not None:
                writer.close()
        except BaseException:
            if writer is not None:
                writer.discard()
            raise
    return frames.fault


def _summary_of(folder: Path) -> Summary:
    record = json.loads((folder / RECORD).read_text())
    return Summary(record['images'], record['detections'], record['faults'])
