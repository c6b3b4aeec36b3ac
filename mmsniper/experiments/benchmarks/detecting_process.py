"""A process of its own that detects on a picture when it is asked to, and says how long that took.

It is forked: needs Linux.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmsniper.errors import InputError

from .detecting_ways import Settings, make_way


@dataclass(frozen=True, eq=False)
class Found:
    """What one way found in one picture.

    Attributes:
        boxes: Shape (n, 4), float32, xyxy in pixels of the picture.
        scores: Shape (n,), float32.
        classes: The name of the class of each.
        num_views: How many forward passes the picture took, each of a batch counted.
        seconds: From the file to the detections.
        cpu_seconds: The processor's time in these.
        peak_mb: The largest resident memory of the process so far, in 10**6 bytes.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: Sequence[str]
    num_views: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


class DetectingProcess:
    """Detects in one way, to be used as a context.

    Args:
        way: One of :data:`mmsniper.experiments.benchmarks.detecting_ways.WAYS`.
        config: Of the detector.
        checkpoint: Its weights.
        settings: Of all ways.
    """

    def __init__(self, way: str, config: Config, checkpoint: Path, settings: Settings) -> None:
        context = multiprocessing.get_context('fork')
        self._connection, theirs = context.Pipe()
        arguments = way, config, checkpoint, settings, theirs
        self._process = context.Process(target=_serve, args=arguments)
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the connection

    def __enter__(self) -> DetectingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join()

    def start(self) -> float:
        """Make the detector, and use it once on a small picture, which does not count.

        Returns:
            float: The largest memory before the detector was made, in 10**6 bytes.
        """
        return self._ask(None)

    def detect(self, path: Path) -> Found:
        """Detect on a picture.

        Raises:
            InputError: It cannot be read, or the process ended.
        """
        return self._ask(path)

    def _ask(self, path: Path | None) -> Any:
        try:
            self._connection.send(path)
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise InputError(
                f'a process that detects ended with status {self._process.exitcode}: there may '
                'have been too little memory'
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(
    way: str, config: Config, checkpoint: Path, settings: Settings, connection: Connection
) -> None:
    """Answer questions until the one who asks is gone."""
    MMLogger.get_current_instance().setLevel('WARNING')
    cv2.setNumThreads(settings.threads)
    torch.set_num_threads(settings.threads)
    detect = None
    try:
        while True:
            path = connection.recv()
            try:
                if path is None:
                    answer: Any = _peak_mb()
                    detect = make_way(way, config, checkpoint, settings)
                    detect(np.zeros((settings.tile_size, settings.tile_size, 3), np.uint8))
                else:
                    seconds, cpu_seconds = time.perf_counter(), time.process_time()
                    found = detect(path)
                    seconds = time.perf_counter() - seconds
                    cpu_seconds = time.process_time() - cpu_seconds
                    answer = Found(*found, seconds, cpu_seconds, _peak_mb())
            except Exception as error:
                answer = error
            connection.send(answer)
    except (EOFError, KeyboardInterrupt):
        return


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
