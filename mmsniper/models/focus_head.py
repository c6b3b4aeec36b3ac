"""The head that says where on a level objects are that the next finer level is for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmdet.utils import reduce_mean
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmsniper.errors import InputError
from mmsniper.focus import focus_labels
from mmsniper.focus.labels import FOCUS, NOT_LEARNT, SIZES

# The classes of a loss of MMDetection with one class: the last one is the background.
_CLASS, _BACKGROUND = 0, 1


@MODELS.register_module()
class FocusHead(BaseModule):
    """Predict for each cell of a map whether it holds an object for the next finer level.

    A convolution and a linear layer on a map that the detector computes anyway (AutoFocus,
    arXiv:1812.01600, section 3.1). What it learns is in :func:`mmsniper.focus.focus_labels`: from
    all objects of a chip, those that the detector is to ignore included. Objects that are not there
    at the detector any more, since ``ScaleNormalize`` erased or dropped them, are background to it.

    Args:
        in_channels (int): Channels of the map. Defaults to 256.
        feat_channels (int): Channels between the two layers. Defaults to 256.
        feature (int): Which of the neck's maps. Defaults to 0.
        stride (int): Side of a cell of this map in pixels of the input. Defaults to 8.
        sizes (Sequence[float]): sqrt(w*h) in pixels of the input: an object is to be looked at
            again between the first and the second; up to the first and from the second to the third
            it is not learnt. Defaults to the paper's, (5, 64, 90).
        loss_focus (dict): Loss of one class with sigmoid, of which the mean over all cells that are
            learnt is taken. Defaults to the cross entropy, whose probabilities are such that the
            paper's thresholds fit. Its weight is 20, since few cells hold something: with 1 the
            mean is a fiftieth of a detector's losses, and the head learns little (docs/benchmarks,
            AutoFocus).
        init_cfg (dict, optional): Initial weights. Defaults to those of RetinaNet's head, with a
            probability of 0.01 everywhere.

    Raises:
        InputError: The sizes do not rise.
    """

    def __init__(
        self,
        in_channels: int = 256,
        feat_channels: int = 256,
        feature: int = 0,
        stride: int = 8,
        sizes: Sequence[float] = SIZES,
        loss_focus: dict = dict(  # noqa: B006
            type='CrossEntropyLoss', use_sigmoid=True, loss_weight=20.0
        ),
        init_cfg: dict | None = dict(  # noqa: B006
            type='Normal',
            layer='Conv2d',
            std=0.01,
            override=dict(type='Normal', name='logits', std=0.01, bias_prob=0.01),
        ),
    ) -> None:
        super().__init__(init_cfg)
        if len(sizes) != 3 or not 0 <= sizes[0] < sizes[1] <= sizes[2]:
            raise InputError(f'sizes of FocusHead must be three that rise, but are {tuple(sizes)}')
        self.feature = feature
        self.stride = stride
        self.sizes = tuple(float(size) for size in sizes)
        self.conv = nn.Conv2d(in_channels, feat_channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.logits = nn.Conv2d(feat_channels, 1, 1)
        self.loss_focus = MODELS.build(loss_focus)

    def init_weights(self) -> None:
        """As of any module, but random numbers stay what they are for what is initialised next."""
        with torch.random.fork_rng(devices=[]):
            super().init_weights()

    def forward(self, features: Tensor) -> Tensor:
        """The logits.

        Args:
            features (Tensor): The map, shape (images, channels, rows, columns).

        Returns:
            Tensor: Shape (images, rows, columns), float32.
        """
        return self.logits(self.relu(self.conv(features))).squeeze(1).float()

    def loss(self, features: Tensor, samples: Sequence[DetDataSample]) -> dict[str, Tensor]:
        """The loss of a batch.

        Args:
            features (Tensor): The map, shape (images, channels, rows, columns).
            samples (Sequence[DetDataSample]): One for each image.

        Returns:
            dict[str, Tensor]: ``loss_focus``.
        """
        logits = self(features)
        shape = tuple(logits.shape[-2:])
        self._check_stride(shape, samples[0])
        labels = torch.stack([self._labels(sample, shape) for sample in samples]).flatten()
        learnt = (labels != NOT_LEARNT).float()
        classes = torch.where(labels == FOCUS, _CLASS, _BACKGROUND)
        number = reduce_mean(learnt.sum()).clamp(min=1)
        loss = self.loss_focus(logits.view(-1, 1), classes, learnt, avg_factor=number)
        return dict(loss_focus=loss)

    def predict(self, features: Tensor, samples: Sequence[DetDataSample]) -> Tensor:
        """The probabilities.

        Args:
            features (Tensor): The map, shape (images, channels, rows, columns).
            samples (Sequence[DetDataSample]): One for each image.

        Returns:
            Tensor: Shape (images, 1, rows, columns), float32. What was padded is in it.
        """
        probabilities = self(features).sigmoid()[:, None]
        self._check_stride(tuple(probabilities.shape[-2:]), samples[0])
        return probabilities

    def _labels(self, sample: DetDataSample, shape: tuple[int, int]) -> Tensor:
        """Of an image's cells, shape (rows, columns), int8."""
        # Without annotations there is not even an empty tensor in it.
        found = [sample.get(key) for key in ('gt_instances', 'ignored_instances')]
        found = [instances for instances in found if instances is not None and len(instances)]
        if not found:
            return self.conv.weight.new_zeros(shape, dtype=torch.int8)
        boxes = torch.cat([get_box_tensor(instances.bboxes) for instances in found])
        factors = [instances.get('size_factors') for instances in found]
        sizes = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1).sqrt()
        if all(factor is not None for factor in factors):
            sizes = sizes * torch.cat(factors)
        return focus_labels(boxes, shape, self.stride, self.sizes, sizes)

    def _check_stride(self, shape: tuple[int, int], sample: DetDataSample) -> None:
        """Raise an InputError if the map is that of another stride."""
        pixels = sample.get('batch_input_shape')
        if pixels is None:
            return
        for cells, side in zip(shape, pixels):
            if abs(cells * self.stride - side) >= 2 * self.stride:
                raise InputError(
                    f'map {self.feature} of the detector has {shape[0]}x{shape[1]} cells on an '
                    f'input of {pixels[0]}x{pixels[1]} pixels, which are not of stride '
                    f'{self.stride}: set feature and stride of FocusHead to what belongs together'
                )
