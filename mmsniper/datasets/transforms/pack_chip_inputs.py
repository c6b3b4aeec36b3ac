"""Packing a chip or view for the detector, with all that is to be known of it later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample

META_KEYS = (
    'img_id',
    'img_path',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
    'flip_direction',
    # Of the chip or view, which ChipMergeHook needs in testing:
    'image_shape',
    'chip',
    'chip_level',
    'chip_scale',
    'valid_range',
    'is_negative',
    'view',
    'num_views',
)

INPUT_VALID_RANGE = 'input_valid_range'


@TRANSFORMS.register_module()
class PackChipInputs(PackDetInputs):
    """Pack like ``PackDetInputs``, together with what is known of the chip or view.

    Its default meta keys are those of ``PackDetInputs`` and those of a chip or view; the ones that
    an image does not have are left out, as ever.

    The valid range of ``results``, which is about the original image, is recorded once more in
    pixels of the network's input: as ``input_valid_range``, a tuple of two floats (-1 is open), in
    the metainfo of ``gt_instances`` and of ``ignored_instances``. Assigners are given these two and
    nothing else of the chip, and :class:`mmsniper.models.ValidRangeAssigner` reads it there. It
    follows what transforms behind ``ScaleNormalize`` write into ``homography_matrix``: resizing,
    crops, flips, rotations. MMDetection's ``RandomAffine``, ``Mosaic`` and ``MixUp`` write nothing
    there: behind them use ``ValidRangeAssigner(use_proposal_size=False)``.

    ``gt_instances`` and ``ignored_instances`` have ``size_factors``, shape (n,), float32, after
    ``ScaleNormalize``, unless a transform behind it took instances out or put some in: how many
    times larger than its box (in sqrt(w*h)) an object was before the chip's border cut it, 0 for a
    crowd. The focus head reads them.

    Args:
        meta_keys (Sequence[str]): What to record of ``results``. Defaults to the above.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS) -> None:
        super().__init__(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack ``results``.

        Args:
            results (dict): The results of a pipeline.

        Returns:
            dict: ``inputs`` (torch.Tensor), the image, shape (channels, h, w), and
            ``data_samples`` (DetDataSample).
        """
        image = results.get('img')
        if image is not None and image.flags.c_contiguous and min(image.strides) < 0:
            # PackDetInputs copies what is flipped, unless NumPy calls it contiguous as it is one
            # pixel wide, which torch refuses all the same.
            results['img'] = image.copy()
        packed = super().transform(results)
        _pack_size_factors(results, packed['data_samples'])
        if results.get('valid_range') is not None:
            factor = input_scale(results)
            low, high = (float(bound) for bound in results['valid_range'])
            recorded = {
                INPUT_VALID_RANGE: tuple(
                    bound * factor if bound >= 0 else -1.0 for bound in (low, high)
                )
            }
            packed['data_samples'].gt_instances.set_metainfo(recorded)
            packed['data_samples'].ignored_instances.set_metainfo(recorded)
        return packed


def _pack_size_factors(results: Mapping, sample: DetDataSample) -> None:
    flags, factors = results.get('size_factors', (None, None))
    if flags is not None and flags is results.get('gt_ignore_flags'):
        ignored = flags.astype(bool)
        sample.gt_instances.size_factors = torch.from_numpy(factors[~ignored])
        sample.ignored_instances.size_factors = torch.from_numpy(factors[ignored])


def input_scale(results: Mapping) -> float:
    """How many pixels of the network's input a pixel of the original image is wide.

    Args:
        results (Mapping): The results of a pipeline. ``homography_matrix``, shape (3, 3), has every
            transform of it in it, those that stretch an image included, where this is the root of
            what they do to an area. Without it ``scale_factor`` counts, width and height.

    Returns:
        float: The scale factor.
    """
    matrix = results.get('homography_matrix')
    if matrix is not None:
        matrix = np.asarray(matrix, np.float64)
        return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2] / matrix[2, 2]))))
    factors = np.broadcast_to(np.asarray(results.get('scale_factor', 1.0), np.float64), 2)
    return float(np.sqrt(factors.prod()))
