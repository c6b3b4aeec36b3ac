"""A run over many inputs, whose results go to a folder, and that can be gone on with."""

from __future__ import annotations

import errno
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list
from mmengine.logging import print_log

from mmsniper.errors import InputError
from mmsniper.utils.whole_file import whole_text_file, write_whole

from .detections import ImageDetections
from .detector import Detector
from .formats import CollectedFormat, ImageFormat, OutputFormat
from .journal import Journal, check_same
from .merging import Merging
from .pictures import Pictures
from .sources import Source, Sources
from .stream import DetectionStream
from .videos import VideoFrames, VideoWriter

RECORD = 'run.json'
_JOURNAL = 'unfinished'


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


@dataclass(eq=False)
class Summary:
    """What came of a run.

    Attributes:
        images: How many images there were, by all processes together and in all runs.
        detections: How many were found.
        faults: Why images are not among them, a sentence each.
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
        InputError: The folder holds something else, or cannot be written.
    """
    started = time.perf_counter()
    try:
        if not _on_first_rank(lambda: _begin(outputs.folder, settings, resume), rank, world_size):
            print_log(f'the run in {outputs.folder} is complete: nothing is left to do', 'current')
            if rank == 0:  # which may have been stopped while it tidied up
                Journal(outputs.folder / _JOURNAL).remove()
            return _summary_of(outputs.folder)
        journal = Journal(outputs.folder / _JOURNAL, rank, world_size)
        stream = DetectionStream(detector, merging, batch_size, num_workers, journal)
        videos = {video.path for video in sources.videos}
        for image in progress(stream(sources, one_by_one=sources.is_stream)):
            if image.fault is not None:
                print_log(f'left out: {image.fault}', 'current', logging.WARNING)
            for output in outputs.formats:
                if isinstance(output, ImageFormat):
                    output.write(image)
            if outputs.pictures is not None and image.path not in videos:
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
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f'{outputs.folder} is full: make room and go on with --resume'
            ) from error
        raise


def _on_first_rank(action: Callable[[], Any], rank: int, world_size: int) -> Any:
    """What an action gives on the first of the processes; an error there is one everywhere."""
    outcome: list[Any] = [None, None]
    if rank == 0:
        try:
            outcome[0] = action()
        except InputError as error:
            outcome[1] = str(error)
    if world_size > 1:
        broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise InputError(outcome[1])
    return outcome[0]


def _begin(folder: Path, settings: dict[str, Any], resume: bool) -> bool:
    """Prepare the folder; whether anything is left to do."""
    record = folder / RECORD
    settings = json.loads(json.dumps(settings))
    if record.is_file() and resume:
        check_same(record, settings)
        return 'images' not in json.loads(record.read_text())
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = 'go on with it by --resume' if record.is_file() else 'it holds something else'
        raise InputError(f'{folder} is there already ({what}): give another folder')
    write_whole(record, json.dumps(settings, indent=1).encode())
    return True


def _finish(journal: Journal, sources: Sources, outputs: Outputs) -> Summary:
    """Write what is made of all images together, and tidy up."""
    summary = Summary()
    for image in journal.images():
        summary.images += 1
        summary.detections += len(image)
        if image.fault is not None:
            summary.faults.append(image.fault)
    for output in outputs.formats:
        if isinstance(output, CollectedFormat):
            output.write_all(journal.images())
    for video in sources.videos:
        if fault := _write_video(video, journal, outputs):
            summary.faults.append(fault)
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


def _write_video(video: Source, journal: Journal, outputs: Outputs) -> str | None:
    """Write a line of JSON per frame, and the video with what was found; what is wrong with it."""
    frames, name = VideoFrames(video.path), video.name
    pixels = iter(frames)
    found = (image for image in journal.images() if image.path == video.path)
    writer = None
    with whole_text_file(outputs.folder / f'{name}.jsonl') as lines:
        try:
            for image in found:
                frame = next(pixels, None)
                entry = dict(image.to_json(), frame=int(image.name.rsplit('/', 1)[-1]))
                entry.pop('path')
                lines.write(json.dumps(entry) + '\n')
                if outputs.pictures is not None and frame is not None:
                    drawn = outputs.pictures.draw_frame(image, frame)
                    if writer is None:
                        file_name = name if name.lower().endswith('.mp4') else f'{name}.mp4'
                        writer = VideoWriter(outputs.folder / file_name, frames.fps)
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
