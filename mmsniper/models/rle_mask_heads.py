"""Mask heads that hand over their masks as RLE, so that those of a large image fit into memory.

MMDetection's heads predict ``(n, h, w)`` booleans at the original resolution, after floats of the
same shape in some: 100 instances of an image of 4000x3000 pixels are 1.2 GB, and up to 4.8 GB on
the way. These heads do the same for one instance after the other. They have the parameters of the
heads that they derive from, so checkpoints fit both.

Shapes: ``n`` instances, ``(h, w)`` pixels of the original image (of the crop, in a view).
"""

from __future__ import annotations

import math

import numpy as np
from mmdet.models.dense_heads import CondInstMaskHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.registry import MODELS
from torch import Tensor

from ..merging.masks import RLEMasks, to_bitmap
from ..merging.rle import bitmap_to_runs, runs_to_rle


@MODELS.register_module()
class RLEFCNMaskHead(FCNMaskHead):
    """The mask head of Mask R-CNN (arXiv:1703.06870), with masks as RLE.

    Each mask is pasted into a window around its box, as ``FCNMaskHead`` does on a CPU, but without
    the rest of the image around it. The masks are the same.
    """

    def _predict_by_feat_single(
        self,
        mask_preds: Tensor,
        bboxes: Tensor,
        labels: Tensor,
        img_meta: dict,
        rcnn_test_cfg: dict,
        rescale: bool = False,
        activate_map: bool = False,
    ) -> RLEMasks:
        """Pastes masks into the image.

        Args:
            mask_preds: ``(n, classes, mask_h, mask_w)`` logits, or probabilities if
                ``activate_map``.
            bboxes: ``(n, 4)`` in pixels of the network's input. Divided by the scale factor in
                place with ``rescale``, which callers count on.
            labels: ``(n,)``.
            img_meta: With ``ori_shape`` and ``scale_factor``.
            rcnn_test_cfg: With ``mask_thr_binary``.
            rescale: Whether to give masks at the original resolution or at that of the input.
            activate_map: Whether ``mask_preds`` are probabilities.

        Returns:
            ``n`` masks of ``ori_shape``, or of the input's size without ``rescale``.
        """
        height, width = img_meta['ori_shape'][:2]
        scale_x, scale_y = img_meta['scale_factor']
        if rescale:
            bboxes /= bboxes.new_tensor([scale_x, scale_y, scale_x, scale_y])
        else:
            height, width = int(np.round(height * scale_y)), int(np.round(width * scale_x))
        rles = []
        for index, (x1, y1, x2, y2) in enumerate(bboxes.tolist()):
            one = slice(index, index + 1)
            # The margin of a pixel is that of FCNMaskHead.
            left, top = max(math.floor(x1) - 1, 0), max(math.floor(y1) - 1, 0)
            right, bottom = min(math.ceil(x2) + 1, width), min(math.ceil(y2) + 1, height)
            if right <= left or bottom <= top:  # a box outside of the image
                rles.append(runs_to_rle(np.zeros((0, 3), np.int64), (height, width)))
                continue
            window = super()._predict_by_feat_single(
                mask_preds[one],
                bboxes[one] - bboxes.new_tensor([left, top, left, top]),
                labels[one],
                dict(img_meta, ori_shape=(bottom - top, right - left), scale_factor=(1.0, 1.0)),
                rcnn_test_cfg,
                rescale=True,
                activate_map=activate_map,
            )
            runs = bitmap_to_runs(to_bitmap(window[0])) + np.array([left, top, top])
            rles.append(runs_to_rle(runs, (height, width)))
        return RLEMasks(rles, (height, width))


@MODELS.register_module()
class RLECondInstMaskHead(CondInstMaskHead):
    """The mask head of CondInst (arXiv:2003.05664), with masks as RLE."""

    def _predict_by_feat_single(
        self, mask_preds: Tensor, bboxes: Tensor, *args, **kwargs
    ) -> RLEMasks:
        """Enlarges masks to the image.

        Args:
            mask_preds: ``(n, mask_h, mask_w)`` logits of the whole input.
            bboxes: ``(n, 4)``, brought to the original resolution in place where asked to rescale.
            *args: As of the head that this one derives from.
            **kwargs: Likewise.

        Returns:
            ``n`` masks.
        """
        rles = []
        for index in range(len(mask_preds)):
            one = slice(index, index + 1)
            mask = super()._predict_by_feat_single(mask_preds[one], bboxes[one], *args, **kwargs)
            shape = mask.shape[-2:]
            rles.append(runs_to_rle(bitmap_to_runs(to_bitmap(mask[0])), shape))
        return RLEMasks(rles, shape)
