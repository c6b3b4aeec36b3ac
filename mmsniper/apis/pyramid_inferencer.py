"""Using a detector in three lines: pictures, folders, videos or arrays in, detections out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn
from tqdm import tqdm

from mmsniper.errors import InputError
from mmsniper.focus import focus_of
from mmsniper.inference import (
    DetectionStream,
    ImageDetections,
    Inputs,
    Pictures,
    Sources,
    as_instances,
    class_labels,
    load_detector,
    merging_of,
)
from mmsniper.utils.whole_file import write_whole


class PyramidInferencer:
    """Detects on the levels of a pyramid, in tiles where they are large; answers like
    ``mmdet.apis.DetInferencer``.

    A config that was trained on chips brings its levels and valid ranges. One that was not has
    each picture looked at as a whole, at the size of its own test pipeline, and in tiles at the
    picture's own resolution where it is larger.

    Args:
        model: A config, its path, its name (``mmsniper::folder/name.py``,
            ``mmdet::folder/name.py``), or a detector of ``mmdet.apis.init_detector``. None for the
            config that is stored with the weights.
        weights: A checkpoint; None for a model that has its weights.
        device: Where the detector runs. Defaults to a GPU if there is one.
        levels: Pyramid levels, fine to coarse: ``(short, long)`` bounds in pixels, or factors.
        valid_ranges: Of each level the range of sqrt(w*h), in pixels of the picture, in which its
            detections count; -1 is open. Defaults to open ones where levels are given.
        tile_size: The largest side of a view in pixels of its level, larger ones are tiled; -1 for
            no tiles.
        tile_overlap: The smallest share of a tile that the next one overlaps. Defaults to what the
            config has, or 0.25.
        merge: How the detections of views become one: 'nms', 'soft_nms', 'nmm', 'wbf', or a dict as
            ``nms`` of :class:`mmsniper.engine.ChipMergeHook`. Defaults to what the config has.
        batch_size: The most views of a forward pass.
        num_workers: Processes that load views of files and videos. The results do not depend on it.
        score_thr: Detections below are left out. 0 for all that the detector gives.
        classes: The names of those that are wanted. Defaults to all.
        focus: Whether finer levels are looked at only where coarser ones say that small objects may
            be, which takes a part of the time: True, or a dict of the arguments of
            :class:`mmsniper.focus.FocusSettings`. Defaults to what the config has.
        focus_threshold: The probability of a place that is looked at more closely, in place of that
            of ``focus``, which it implies; 0 looks at everything.
        show_progress: Whether there is a progress bar.

    Attributes:
        classes (tuple[str, ...]): The names of all classes of the detector, by label.
        counts (Counter): Of the last call, see :class:`mmsniper.inference.DetectionStream`.

    Raises:
        InputError: A setting is impossible, or config and checkpoint do not belong together.
    """

    def __init__(
        self,
        model: str | Path | Config | nn.Module | None = None,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
        levels: Sequence | None = None,
        valid_ranges: Sequence | None = None,
        tile_size: int | None = None,
        tile_overlap: float | None = None,
        merge: str | Mapping[str, Any] | None = None,
        batch_size: int = 8,
        num_workers: int = 2,
        score_thr: float = 0.3,
        classes: Sequence[str] | None = None,
        focus: Mapping[str, Any] | bool | None = None,
        focus_threshold: float | None = None,
        show_progress: bool = True,
    ) -> None:
        self.detector = load_detector(
            model,
            weights,
            device,
            levels=levels,
            valid_ranges=valid_ranges,
            tile_size=tile_size,
            tile_overlap=tile_overlap,
            focus=focus_of(focus, focus_threshold),
        )
        self.classes = tuple(self.detector.classes)
        self.model = self.detector.model
        labels = class_labels(classes, self.classes)
        merging = merging_of(self.detector.views.merging, merge, score_thr, labels)
        self.stream = DetectionStream(self.detector, merging, batch_size, num_workers)
        self.show_progress = show_progress

    @property
    def counts(self):
        """What happened to the detections of the last call."""
        return self.stream.counts

    @property
    def looked_at(self) -> float | None:
        """Which share of the pyramid's pixels the last call looked at; None without ``focus``."""
        return self.stream.looked_at.share if self.stream.looked_at.sentence else None

    def detect(self, inputs: Inputs) -> Iterator[ImageDetections]:
        """Detect on images, and give the result of each as soon as it is there.

        Of an iterable that is no list no more is asked for than one batch of images at a time, so
        that it may be a camera: with ``batch_size=1`` each result is there before the next image.

        Args:
            inputs: A path of a picture, folder, video, or pattern; an array, shape (h, w, 3) in the
                order blue, green, red, or (h, w), uint8; a list of such; or another iterable of
                arrays and paths.

        Yields:
            In order. What cannot be read has a ``fault``, which is logged as well.
        """
        for image, _ in self._detect(Sources(inputs)):
            yield image

    def _detect(self, sources: Sources) -> Iterator[tuple[ImageDetections, np.ndarray | None]]:
        """Results, with the pixels of images that were given as such."""
        self.stream.counts.clear()
        self.stream.seconds = 0.0
        pixels: dict[str, np.ndarray] = {}

        def remembered():
            for source in sources:
                if source.pixels is not None:
                    pixels[source.name] = source.pixels
                yield source

        results = self.stream(remembered(), one_by_one=sources.is_stream)
        for image in tqdm(
            results, 'images', sources.count, unit='image', disable=not self.show_progress
        ):
            if image.fault is not None:
                print_log(f'left out: {image.fault}', 'current', logging.WARNING)
            yield image, pixels.pop(image.name, None)

    def __call__(
        self,
        inputs: Inputs,
        batch_size: int | None = None,
        return_vis: bool = False,
        show: bool = False,
        wait_time: float = 0,
        no_save_vis: bool = False,
        draw_pred: bool = True,
        pred_score_thr: float = 0.3,
        return_datasamples: bool = False,
        print_result: bool = False,
        no_save_pred: bool = True,
        out_dir: str | Path = '',
    ) -> dict[str, list]:
        """Detect on images; see :meth:`detect` for what they can be.

        The arguments are those of ``mmdet.apis.DetInferencer``. For more than fits into memory use
        :meth:`detect`, or ``tools/infer.py``.

        Args:
            inputs: Of :meth:`detect`.
            batch_size: Another one than that of the inferencer, for this call.
            return_vis: Whether to return pictures.
            show: Whether to show them in a window.
            wait_time: Seconds for which a window stays; 0 until a key is pressed.
            no_save_vis: Whether no pictures are written to ``out_dir``.
            draw_pred: Whether there are detections on the pictures.
            pred_score_thr: Detections below are not drawn.
            return_datasamples: Whether predictions are ``DetDataSample`` in place of dicts.
            print_result: Whether to print them.
            no_save_pred: Whether no predictions are written to ``out_dir``.
            out_dir: Where ``pictures/`` and ``preds/`` are made. Defaults to nowhere.

        Returns:
            ``predictions``, one per image: a dict with ``labels``, ``scores``, ``bboxes`` and, of a
            detector of masks, ``masks`` as COCO RLE; with a ``fault`` in place of them where an
            image could not be read. ``visualization``: RGB arrays, shape (h, w, 3), if asked for.

        Raises:
            InputError: Nothing could be read at all.
        """
        saves_pictures = bool(out_dir) and not no_save_vis
        pictures = Pictures(
            out_dir or '.', self.classes, score_thr=pred_score_thr if draw_pred else 2.0
        )
        answer: dict[str, list] = dict(predictions=[], visualization=[])
        faults = []
        before, self.stream.batch_size = (
            self.stream.batch_size,
            batch_size or self.stream.batch_size,
        )
        try:
            for image, pixels in self._detect(Sources(inputs)):
                faults += [image.fault] if image.fault else []
                if saves_pictures:
                    pictures.write(image, pixels)
                if not image.fault and (return_vis or show):
                    picture = pictures.draw(image, pixels)
                    if return_vis:
                        answer['visualization'].append(picture[..., ::-1])
                    if show:
                        cv2.imshow(image.name, picture)
                        cv2.waitKey(round(wait_time * 1000))
                as_dict = to_dict(image)
                if out_dir and not no_save_pred:
                    path = Path(out_dir, 'preds', f'{image.name}.json')
                    write_whole(path, json.dumps(as_dict).encode())
                answer['predictions'].append(to_sample(image) if return_datasamples else as_dict)
        finally:
            self.stream.batch_size = before
        if faults and len(faults) == len(answer['predictions']):
            others = f' (and {len(faults) - 1} more)' if len(faults) > 1 else ''
            raise InputError(f'{faults[0]}{others}')
        if print_result:
            print(answer)
        return answer


def to_dict(image: ImageDetections) -> dict[str, Any]:
    """A prediction as ``DetInferencer`` gives it, fit for JSON."""
    found: dict[str, Any] = dict(
        labels=image.labels.tolist(),
        scores=image.scores.astype(np.float64).tolist(),
        bboxes=image.boxes.astype(np.float64).tolist(),
    )
    if image.masks is not None:
        found['masks'] = [dict(mask) for mask in image.masks]
    return found if image.fault is None else dict(found, fault=image.fault)


def to_sample(image: ImageDetections) -> DetDataSample:
    """A prediction as the detectors of MMDetection give it, in pixels of the image."""
    shape = image.height, image.width
    sample = DetDataSample(
        metainfo=dict(
            img_id=image.index,
            img_path=image.path,
            ori_shape=shape,
            img_shape=shape,
            scale_factor=(1.0, 1.0),
        )
    )
    sample.pred_instances = as_instances(image)
    if image.fault is not None:
        sample.set_metainfo(dict(fault=image.fault))
    return sample
