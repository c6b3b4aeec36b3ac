"""Heads that learn from every location of some maps.

Before the loss, the outputs of a location on an ignored object become a constant that says that
nothing is there. It has no gradient, and no loss to speak of, as it is right. No location that can
be positive becomes one, so nothing that is normalised by a count of positives changes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

import torch
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from .left_out import Grid, anchors_left_out, grids_left_out
from .told import boxes_of

# Logits, finite in half precision. A heatmap's are smaller: its loss takes the logarithm of the
# probability, which must not become 0 there.
NOTHING = -100.0
NO_PEAK = -15.0
# In half precision no probability may become 0: MMCV's focal loss on a GPU multiplies its logarithm
# by 0 where it does not count, which is no number if it is infinite.
NOTHING_IN_HALF = -10.0


class IgnoresLocations:
    """Mixin for heads of points, such as FCOS, that learn which class each of them is.

    Attributes:
        ignoring_maps (tuple[str, ...]): The arguments of ``loss_by_feat`` that become constant.
        nothing (float): What they become.
        ignored_cells (float): How many cells beyond an ignored box locations are left out.
        valid_cells (float): How many cells beyond a valid box they are learnt nevertheless.
    """

    ignoring_maps = ('cls_scores',)
    nothing = NOTHING
    ignored_cells = 0.0
    valid_cells = 0.0

    def loss_by_feat(self, *args, **kwargs):
        """As of the head."""
        arguments = inspect.signature(super().loss_by_feat).bind(*args, **kwargs).arguments
        arguments = {**arguments, **arguments.get('kwargs', {})}
        ignored = [boxes_of(part) for part in arguments.get('batch_gt_instances_ignore') or ()]
        if all(boxes is None for boxes in ignored):
            return super().loss_by_feat(*args, **kwargs)
        valid = [get_box_tensor(part.bboxes) for part in arguments['batch_gt_instances']]
        arguments.pop('kwargs', None)
        metas = arguments['batch_img_metas']
        for name in self.ignoring_maps:
            left_out = self.locations_left_out(name, arguments[name], ignored, valid, metas)
            arguments[name] = [
                self.blank(level, where) for level, where in zip(arguments[name], left_out)
            ]
        return super().loss_by_feat(**arguments)

    def locations_left_out(
        self,
        name: str,
        maps: Sequence[Tensor],
        ignored: Sequence[Tensor | None],
        valid: Sequence[Tensor],
        metas: Sequence[dict],
    ) -> list[Tensor]:
        """Which locations are left out.

        Args:
            name (str): Which maps they are.
            maps (Sequence[Tensor]): One of each level, shape (images, channels, h, w).
            ignored (Sequence[Tensor, optional]): The ignored boxes of each image, shape (n, 4).
            valid (Sequence[Tensor]): The valid ones, likewise.
            metas (Sequence[dict]): Of the images.

        Returns:
            list[Tensor]: One of each level, shape (images, 1, h, w), bool, or with as many channels
            as there are priors at a location.
        """
        left_out = grids_left_out(
            self.grids(maps, metas),
            ignored,
            [self.sparing(name, boxes) for boxes in valid],
            self.ignored_cells,
            self.valid_cells,
        )
        return [where[:, None] for where in left_out]

    def sparing(self, name: str, valid: Tensor) -> Tensor:
        """The boxes, shape (n, 4), that spare the points inside of them: the valid ones.

        Args:
            name (str): Of which maps.
            valid (Tensor): The valid boxes of an image, shape (n, 4).
        """
        return valid

    def grids(self, maps: Sequence[Tensor], metas: Sequence[dict]) -> list[Grid]:
        """The points of each level."""
        generator = self.prior_generator
        sizes = [level.shape[-2:] for level in maps]
        levels = generator.grid_priors(sizes, device=maps[0].device)
        found = []
        for priors, (height, width), stride in zip(levels, sizes, generator.strides):
            priors = priors.view(height, width, -1, priors.size(1))[:, :, 0]
            columns, rows = priors[0], priors[:, 0]
            if priors.size(-1) == 4:
                columns, rows = (line[:, :2] + line[:, 2:] for line in (columns, rows))
                columns, rows = columns / 2, rows / 2
            found.append(Grid(columns[:, 0], rows[:, 1], stride))
        return found

    def blank(self, level: Tensor, where: Tensor) -> Tensor:
        """The map of a level, shape (images, channels, h, w), with a constant at some places."""
        values = level.new_full((level.size(1), 1, 1), nothing_in(level.dtype, self.nothing))
        if self._has_background(level):
            values[-1] = 0
        return torch.where(where, values, level)  # faster than masked_fill, backwards too

    def _has_background(self, level: Tensor) -> bool:
        """Whether the last channel is the background's, in a softmax over all of them."""
        use_sigmoid = getattr(self, 'use_sigmoid_cls', True)
        return not use_sigmoid and level.size(1) == getattr(self, 'cls_out_channels', None)


class IgnoresTouchedPoints(IgnoresLocations):
    """Mixin for heads whose points stand for the cells around them.

    The cell of an object's centre touches its box, but the point in it can be outside.
    """

    valid_cells = 0.5


class IgnoresCells(IgnoresTouchedPoints):
    """Mixin for heads whose maps divide the whole input evenly into cells."""

    def grids(self, maps: Sequence[Tensor], metas: Sequence[dict]) -> list[Grid]:
        """The centres of the cells of each level."""
        return [cell_grid(level, metas[0]['batch_input_shape']) for level in maps]


class IgnoresCentres(IgnoresCells):
    """Mixin for CenterNet, whose map has probabilities."""

    ignoring_maps = ('center_heatmap_preds',)
    nothing = 1 / (1 + math.exp(-NO_PEAK))

    def predict_by_feat(self, *args, batch_img_metas: Sequence[dict], **kwargs):
        """As of the head."""
        # It reads the border that MMDetection's own pipeline puts around images; views have none.
        metas = [{'border': (0.0, 0.0, 0.0, 0.0), **meta} for meta in batch_img_metas]
        return super().predict_by_feat(*args, batch_img_metas=metas, **kwargs)


class IgnoresCentrePoints(IgnoresTouchedPoints):
    """Mixin for CenterNet's later version, which has points at several levels."""

    nothing = NO_PEAK

    def _get_targets_single(self, gt_instances: InstanceData, points: Tensor, *args, **kwargs):
        targets, boxes = super()._get_targets_single(gt_instances, points, *args, **kwargs)
        # Without an object MMDetection gives each class the number of classes as its target, which
        # is no probability: a chip of ignored objects would be weighed millions of times.
        return (targets if len(gt_instances) else boxes.new_zeros(targets.shape)), boxes


class IgnoresCorners(IgnoresCells):
    """Mixin for CornerNet and its like, whose maps are about the corners of boxes."""

    ignoring_maps = ('tl_heats', 'br_heats')
    nothing = NO_PEAK
    ignored_cells = 1.0
    valid_cells = 1.0

    def sparing(self, name: str, valid: Tensor) -> Tensor:
        """The corners of valid boxes, of the kind that the map is about."""
        corners = valid[:, :2] if name == 'tl_heats' else valid[:, 2:]
        return corners.repeat(1, 2)


class IgnoresGrids(IgnoresCells):
    """Mixin for SOLO and its like, which learn the class of each cell of a grid."""

    ignoring_maps = ('mlvl_cls_preds',)
    # Positives are up to a cell away from that of the mask's centre.
    valid_cells = 1.0


class IgnoresAnchors(IgnoresLocations):
    """Mixin for heads that weigh all anchors by themselves."""

    def locations_left_out(
        self,
        name: str,
        maps: Sequence[Tensor],
        ignored: Sequence[Tensor | None],
        valid: Sequence[Tensor],
        metas: Sequence[dict],
    ) -> list[Tensor]:
        """As above, with a channel for each anchor of a location."""
        sizes = [level.shape[-2:] for level in maps]
        levels = self.prior_generator.grid_priors(sizes, device=maps[0].device)
        anchors = torch.cat(levels)
        nowhere = anchors.new_zeros(len(anchors), dtype=torch.bool)
        left_out = torch.stack(
            [
                nowhere if boxes is None else anchors_left_out(anchors, boxes, others)
                for boxes, others in zip(ignored, valid)
            ]
        )
        found = []
        for where, level in zip(left_out.split([len(part) for part in levels], 1), maps):
            where = where.unflatten(1, (*level.shape[-2:], -1)).permute(0, 3, 1, 2)
            found.append(where.repeat_interleave(level.size(1) // where.size(1), 1))
        return found


def nothing_in(dtype: torch.dtype, nothing: float = NOTHING) -> float:
    """The logit that says that nothing is there, in a precision.

    Args:
        dtype (torch.dtype): The precision.
        nothing (float): What it is in others than half.
    """
    return max(nothing, NOTHING_IN_HALF) if dtype == torch.float16 else nothing


def cell_grid(level: Tensor, shape: tuple[int, int]) -> Grid:
    """The centres of a map's cells.

    Args:
        level (Tensor): The map, shape (..., h, w).
        shape (tuple[int, int]): Height and width in pixels of what it is a map of.
    """
    rows, columns = level.shape[-2:]
    width, height = shape[1] / columns, shape[0] / rows
    x = (torch.arange(columns, device=level.device) + 0.5) * width
    y = (torch.arange(rows, device=level.device) + 0.5) * height
    return Grid(x, y, (width, height))
