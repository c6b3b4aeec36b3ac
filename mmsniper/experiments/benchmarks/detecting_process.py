"""A process of its own that detects on a picture when it is asked, and says how long that took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from .asked_process import AskedProcess, answer_questions, peak_mb
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


class DetectingProcess(AskedProcess):
    """Detects in one way, to be used as a context.

    Args:
        way: One of :data:`mmsniper.experiments.benchmarks.detecting_ways.WAYS`.
        config: Of the detector.
        checkpoint: Its weights.
        settings: Of all ways.
    """

    start_method = 'forkserver'

    def __init__(self, way: str, config: Config, checkpoint: Path, settings: Settings) -> None:
        super().__init__('detects', _serve, way, config, checkpoint, settings)

    def start(self) -> float:
        """Make the detector, and use it once on a small picture, which does not count.

        Returns:
            float: The largest memory before the detector was made, in 10**6 bytes.
        """
        return self.ask(None)

    def detect(self, path: Path) -> Found:
        """Detect on a picture.

        Raises:
            InputError: It cannot be read, or the process ended.
        """
        return self.ask(path)


def _serve(
    way: str, config: Config, checkpoint: Path, settings: Settings, connection: Connection
) -> None:
    MMLogger.get_current_instance().setLevel('WARNING')
    cv2.setNumThreads(settings.threads)
    torch.set_num_threads(settings.threads)
    detect = None

    def answer(path: Path | None) -> float | Found:
        nonlocal detect
        if path is None:
            before = peak_mb()
            detect = make_way(way, config, checkpoint, settings)
            detect(np.zeros((settings.tile_size, settings.tile_size, 3), np.uint8))
            return before
        seconds, cpu_seconds = time.perf_counter(), time.process_time()
        found = detect(path)
        seconds = time.perf_counter() - seconds
        cpu_seconds = time.process_time() - cpu_seconds
        return Found(*found, seconds, cpu_seconds, peak_mb())

    answer_questions(connection, answer)
