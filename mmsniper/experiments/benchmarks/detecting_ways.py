"""Ways of detecting on large pictures: mmsniper's, and SAHI's where that is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import transforms
from mmdet.registry import TRANSFORMS
from mmengine.config import Config

from mmsniper.apis import PyramidInferencer
from mmsniper.conversion.components import is_component
from mmsniper.conversion.source import load_source
from mmsniper.conversion.steps import all_steps
from mmsniper.errors import InputError
from mmsniper.inference import DetectionStream, ViewPlan

DEFAULT = 'mmsniper'
TILES = 'mmsniper_tiles'
SAHI = 'sahi'
SAHI_NMS = 'sahi_nms'
WAYS = (DEFAULT, TILES, SAHI, SAHI_NMS)
REFERENCE = SAHI
WORDS = {
    DEFAULT: 'mmsniper, its own levels',
    TILES: "mmsniper, SAHI's tiles only",
    SAHI: 'SAHI, GREEDYNMM by IOS',
    SAHI_NMS: 'SAHI, NMS by IOU',
}
_POSTPROCESSING = {SAHI: ('GREEDYNMM', 'IOS'), SAHI_NMS: ('NMS', 'IOU')}
_THRESHOLD = 0.5

# Boxes (n, 4) xyxy in pixels, scores (n,), names of classes, and the number of views.
Answer = tuple[np.ndarray, np.ndarray, Sequence[str], int]
Detect = Callable[[Any], Answer]


@dataclass(frozen=True)
class Settings:
    """What all ways have in common.

    Attributes:
        tile_size: Side of a tile in pixels of the picture, and what a whole one is resized to.
        tile_overlap: The share of a tile that the next one overlaps.
        score_thr: Detections below are left out.
        batch_size: The most views of a forward pass; SAHI's wrapper of MMDetection has one.
        device: Where the detector runs.
        threads: Of PyTorch and OpenCV.
    """

    tile_size: int
    tile_overlap: float
    score_thr: float
    batch_size: int = 8
    device: str = 'cpu'
    threads: int = 1


def available_ways() -> tuple[str, ...]:
    """Those that can be gone here."""
    has_sahi = importlib.util.find_spec('sahi') is not None
    return tuple(way for way in WAYS if has_sahi or way not in _POSTPROCESSING)


def load_config(path: str, tile_size: int) -> Config:
    """A config whose whole images are resized to the size of tiles, as SAHI's ``image_size`` does.

    Raises:
        InputError: There is no such config, or it does not resize whole images.
    """
    config = load_source(path)
    loader = config.get('test_dataloader') or {}
    steps = (loader.get('dataset') or {}).get('pipeline') or ()
    resizing = [
        step
        for step in all_steps(steps)
        if is_component(TRANSFORMS, step, transforms.Resize) and step.get('scale') is not None
    ]
    if not resizing:
        raise InputError(
            f'the test pipeline of {path} does not bring whole images to a scale: give a config of '
            'a detector that is tested on whole images'
        )
    for step in resizing:
        step['scale'] = (tile_size, tile_size)
    return config


def make_way(way: str, config: Config, checkpoint: Path, settings: Settings) -> Detect:
    """A function that detects on one picture: a path, or an array in the order blue, green, red."""
    make = _make_sahi if way in _POSTPROCESSING else _make_mmsniper
    return make(way, config, checkpoint, settings)


def _make_mmsniper(way: str, config: Config, checkpoint: Path, settings: Settings) -> Detect:
    inferencer = PyramidInferencer(
        config,
        checkpoint,
        device=settings.device,
        tile_size=settings.tile_size,
        tile_overlap=settings.tile_overlap,
        batch_size=settings.batch_size,
        num_workers=0,  # SAHI has none
        score_thr=settings.score_thr,
        show_progress=False,
    )
    if way == TILES:
        plan = ViewPlan(
            levels=[1.0, (settings.tile_size, settings.tile_size)],
            tile_size=settings.tile_size,
            tile_overlap=settings.tile_overlap,
        )
        detector = inferencer.detector
        # Other levels would do as an argument, but their views would be padded in another way.
        inferencer.stream = DetectionStream(
            replace(detector, views=replace(detector.views, plan=plan)),
            inferencer.stream.merging,
            settings.batch_size,
            num_workers=0,
        )

    def detect(picture: Any) -> Answer:
        (image,) = inferencer.detect([picture])
        if image.fault is not None:
            raise InputError(image.fault)
        classes = [inferencer.classes[label] for label in image.labels]
        return image.boxes, image.scores, classes, inferencer.counts['views']

    return detect


def _make_sahi(way: str, config: Config, checkpoint: Path, settings: Settings) -> Detect:
    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    model = AutoDetectionModel.from_pretrained(
        model_type='mmdet',
        model_path=str(checkpoint),
        config_path=config,  # which MMDetection's own inferencer takes as it is
        device=settings.device,
        confidence_threshold=settings.score_thr,
        image_size=settings.tile_size,
    )
    kind, metric = _POSTPROCESSING[way]

    def detect(picture: Any) -> Answer:
        num_slices = 0

        def count(done: int, total: int) -> None:
            nonlocal num_slices
            num_slices = total

        found = get_sliced_prediction(
            picture[..., ::-1] if isinstance(picture, np.ndarray) else str(picture),
            model,
            slice_height=settings.tile_size,
            slice_width=settings.tile_size,
            overlap_height_ratio=settings.tile_overlap,
            overlap_width_ratio=settings.tile_overlap,
            postprocess_type=kind,
            postprocess_match_metric=metric,
            postprocess_match_threshold=_THRESHOLD,
            # SAHI takes NMS in place of another kind where it is to keep low scores.
            force_postprocess_type=True,
            verbose=0,
            progress_callback=count,
        ).object_prediction_list
        boxes = np.array([each.bbox.to_xyxy() for each in found], np.float32).reshape(-1, 4)
        scores = np.array([each.score.value for each in found], np.float32)
        # The whole picture is one view more, unless it is a single tile.
        return boxes, scores, [each.category.name for each in found], num_slices + (num_slices > 1)

    return detect
