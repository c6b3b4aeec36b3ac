"""Padding what is too small for a detector's layers."""

from __future__ import annotations

import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS
from torch import Tensor

from mmsniper.errors import InputError


@MODELS.register_module()
class ChipDataPreprocessor(DetDataPreprocessor):
    """MMDetection's preprocessor for detectors that need inputs of a least size.

    At coarse levels the chips and views of small or long images are small or narrow, and some
    detectors have layers or assigners that fail there. These images, each by itself, are padded at
    the right and at the bottom, so that no box moves. All that is padded by MMDetection goes with
    them: masks, segmentation maps, the batch.

    In testing ``img_shape`` stays that of the view, as with every padding of MMDetection, and boxes
    are clipped to it. In training it becomes that of the padded chip, whose padding is background:
    heads that leave out anchors over the border of the image have anchors then.

    Args:
        least_size (int): The least height and width of an input in pixels. Defaults to 1.
        **kwargs: Those of ``DetDataPreprocessor``. ``pad_value`` is what is padded with, after
            normalisation.

    Raises:
        InputError: ``least_size`` is no positive integer.
    """

    def __init__(self, *args, least_size: int = 1, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(least_size, bool) or not isinstance(least_size, int) or least_size < 1:
            raise InputError(f'least_size must be a positive integer, but is {least_size!r}')
        self.least_size = least_size
        self.padding = self._padding()

    def forward(self, data: dict, training: bool = False) -> dict:
        """Pad, then do what MMDetection does.

        Args:
            data (dict): ``inputs``, images of shape (channels, h, w), and where present
                ``data_samples``.
            training (bool): Whether the data is to be trained on.

        Returns:
            dict: The batch for the detector.
        """
        inputs, samples = data['inputs'], data.get('data_samples')
        sizes = [image.shape[-2:] for image in inputs]
        if min(min(size) for size in sizes) < self.least_size:
            data = dict(data, inputs=[self._padded(image) for image in inputs])
            if training and samples is not None:
                for sample in samples:
                    height, width = sample.img_shape[:2]
                    shape = (max(height, self.least_size), max(width, self.least_size))
                    sample.set_metainfo(dict(img_shape=shape))
        return super().forward(data, training)

    def _padding(self) -> Tensor:
        """What normalises to ``pad_value``, a value per channel or one for all, shape (c, 1, 1)."""
        padding = torch.full((1, 1, 1), float(self.pad_value))
        if self._enable_normalize:
            padding = padding * self.std + self.mean
            if self._channel_conversion:
                padding = padding.flip(0)  # to the order of the channels before the conversion
        return padding

    def _padded(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if min(height, width) >= self.least_size:
            return image
        shape = (len(image), max(height, self.least_size), max(width, self.least_size))
        padded = self.padding.to(image.device).expand(shape).clone()  # floats, unlike images
        padded[:, :height, :width] = image
        return padded
