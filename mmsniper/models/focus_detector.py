"""Any detector of MMDetection together with a focus head, chosen by config."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import PixelData
from torch import Tensor

from mmsniper.errors import InputError


@MODELS.register_module(name='FocusDetector')
def build_focus_detector(
    detector: str | type, focus_head: dict, freeze_detector: bool = False, **settings
) -> BaseDetector:
    """Build a detector that also predicts where the next finer level is to be looked at.

    It has the parameters of the detector that it is made of, under the same names, and those of
    ``focus_head``, so checkpoints of the former start it. Its detections are those of the detector
    to the last digit. In a config::

        model = dict(
            type='FocusDetector',
            detector='ATSS',
            focus_head=dict(type='FocusHead', in_channels=256, feature=0, stride=8),
            backbone=...,
        )

    In training ``loss_focus`` comes to the detector's losses. In testing each data sample gets
    ``focus_map``, ``PixelData`` whose ``data`` are the probabilities, shape (1, rows, columns), and
    in its metainfo ``focus_stride`` (int): cell (i, j) covers the pixels [j * stride, (j + 1) *
    stride) by [i * stride, (i + 1) * stride) of the network's input, padding included.

    Args:
        detector (str | type): The name or class of the detector.
        focus_head (dict): Config of :class:`mmsniper.models.FocusHead`.
        freeze_detector (bool): Whether to train the head alone. The detector is then in evaluation
            mode all the time, statistics of batch normalisation included, and its losses are not
            computed. Defaults to False.
        **settings: Those of the detector.

    Returns:
        BaseDetector: The detector.

    Raises:
        InputError: ``detector`` is none of MMDetection's, or has one registered name of another.
    """
    kind = detector if isinstance(detector, type) else MODELS.get(detector)
    if not (isinstance(kind, type) and issubclass(kind, BaseDetector)):
        raise InputError(
            f'detector of FocusDetector must be the name of a detector, but is {detector!r}'
        )
    made = kind(**settings)
    made.__class__ = focus_detector_class(kind)
    if freeze_detector:
        made.requires_grad_(False)
    made.freeze_detector = freeze_detector
    # Last, and without a change of the random numbers, so that the detector starts as without it.
    with torch.random.fork_rng(devices=[]):
        made.focus_head = MODELS.build(focus_head)
    return made


@functools.cache
def focus_detector_class(detector: type) -> type:
    """The class that ``FocusDetector`` builds.

    Args:
        detector (type): The class of the detector.

    Returns:
        type: One that derives from it.
    """
    return type(f'Focus{detector.__name__}', (Focuses, detector), {'__module__': __name__})


class Focuses:
    """Mixin for detectors, which have a ``focus_head``."""

    freeze_detector = False
    _kept: list[Tensor] | None = None

    def extract_feat(self, *args, **kwargs) -> Sequence[Tensor]:
        """As of the detector."""
        maps = super().extract_feat(*args, **kwargs)
        if self._kept is not None:
            number = self.focus_head.feature
            if not isinstance(maps, (tuple, list)) or number >= len(maps):
                found = len(maps) if isinstance(maps, (tuple, list)) else 1
                raise InputError(
                    f'FocusHead is to look at map {number} of the detector, which has {found}: set '
                    'feature of FocusHead to the number of a map, from 0'
                )
            self._kept.append(maps[number])
        return maps

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample], **kwargs) -> dict:
        """As of the detector, with ``loss_focus``; that alone if the detector is frozen."""
        with self._keeping_maps() as kept:
            if self.freeze_detector:
                with torch.no_grad():
                    self.extract_feat(batch_inputs)
                losses = {}
            else:
                losses = super().loss(batch_inputs, batch_data_samples, **kwargs)
        return {**losses, **self.focus_head.loss(kept[0], batch_data_samples)}

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample], *args, **kwargs
    ) -> list[DetDataSample]:
        """As of the detector, with a focus map for each image."""
        with self._keeping_maps() as kept:
            samples = super().predict(batch_inputs, batch_data_samples, *args, **kwargs)
        maps = self.focus_head.predict(kept[0], samples)
        for sample, probabilities in zip(samples, maps):
            sample.focus_map = PixelData(data=probabilities)
            sample.set_metainfo(dict(focus_stride=self.focus_head.stride))
        return samples

    def train(self, mode: bool = True):
        """As of the detector, which stays in evaluation mode if it is frozen."""
        super().train(mode)
        if self.freeze_detector:
            for name, part in self.named_children():
                part.train(mode and name == 'focus_head')
        return self

    @contextmanager
    def _keeping_maps(self) -> Iterator[list[Tensor]]:
        """The head's map of each extraction of features."""
        self._kept = kept = []
        try:
            yield kept
        finally:
            self._kept = None
