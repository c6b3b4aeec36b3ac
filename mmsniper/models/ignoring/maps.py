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

from .left_out import anchors_left_out, points_left_out
from .told import boxes_of

# Logits, finite in half precision. A heatmap's are smaller: its loss takes the logarithm of the
# probability, which must not become 0 there.
NOTHING = -100.0
NO_PEAK = -15.0


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
        points, cells = zip(*self.locations(maps, metas))
        numbers = [len(level) for level in points]
        points, cells = torch.cat(points), torch.cat(cells)
        chosen = [
            points.new_zeros(len(points), dtype=torch.bool)
            if boxes is None
            else self.points_left_out(name, points, cells, boxes, valid[index])
            for index, boxes in enumerate(ignored)
        ]
        return _to_maps(torch.stack(chosen).split(numbers, 1), maps)

    def points_left_out(
        self, name: str, points: Tensor, cells: Tensor, ignored: Tensor, valid: Tensor
    ) -> Tensor:
        """Which points of an image are left out.

        Args:
            name (str): Which maps they belong to.
            points (Tensor): Shape (n, 2).
            cells (Tensor): The width and height of the cell of each, shape (n, 2).
            ignored (Tensor): Ignored boxes, shape (m, 4).
            valid (Tensor): Valid boxes, shape (k, 4).

        Returns:
            Tensor: Shape (n,), bool.
        """
        margins = self.ignored_cells * cells, self.valid_cells * cells
        return points_left_out(points, ignored, valid, *margins)

    def locations(
        self, maps: Sequence[Tensor], metas: Sequence[dict]
    ) -> list[tuple[Tensor, Tensor]]:
        """The points of each level and the sizes of their cells, both of shape (h * w, 2)."""
        generator = self.prior_generator
        sizes = [level.shape[-2:] for level in maps]
        levels = generator.grid_priors(sizes, device=maps[0].device)
        found = []
        for priors, (height, width), stride in zip(levels, sizes, generator.strides):
            priors = priors[:: len(priors) // (height * width)]
            points = (priors[:, :2] + priors[:, 2:]) / 2 if priors.size(1) == 4 else priors[:, :2]
            found.append((points, points.new_tensor(stride).expand_as(points)))
        return found

    def blank(self, level: Tensor, where: Tensor) -> Tensor:
        """The map of a level, shape (images, channels, h, w), with a constant at some places."""
        if self._has_background(level):
            values = level.new_full((level.size(1), 1, 1), self.nothing)
            values[-1] = 0
            return torch.where(where, values, level)
        return level.masked_fill(where, self.nothing)

    def _has_background(self, level: Tensor) -> bool:
        """Whether the last channel is the background's, in a softmax over all of them."""
        use_sigmoid = getattr(self, 'use_sigmoid_cls', True)
        return not use_sigmoid and level.size(1) == getattr(self, 'cls_out_channels', None)


class IgnoresCells(IgnoresLocations):
    """Mixin for heads whose maps divide the whole input evenly into cells."""

    # The cell of a centre touches the box, but its own centre can be outside of it.
    valid_cells = 0.5

    def locations(
        self, maps: Sequence[Tensor], metas: Sequence[dict]
    ) -> list[tuple[Tensor, Tensor]]:
        """The centres of the cells and their sizes, both of shape (h * w, 2) for each level."""
        height, width = metas[0]['batch_input_shape'][:2]
        return [cell_centres(level, (height, width)) for level in maps]


class IgnoresCentres(IgnoresCells):
    """Mixin for CenterNet, whose map has probabilities."""

    ignoring_maps = ('center_heatmap_preds',)
    nothing = 1 / (1 + math.exp(-NO_PEAK))

    def predict_by_feat(self, *args, batch_img_metas: Sequence[dict], **kwargs):
        """As of the head."""
        # It reads the border that MMDetection's own pipeline puts around images; views have none.
        metas = [{'border': (0.0, 0.0, 0.0, 0.0), **meta} for meta in batch_img_metas]
        return super().predict_by_feat(*args, batch_img_metas=metas, **kwargs)


class IgnoresCentrePoints(IgnoresLocations):
    """Mixin for CenterNet's later version, which has points at several levels."""

    nothing = NO_PEAK
    valid_cells = 0.5

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

    def points_left_out(
        self, name: str, points: Tensor, cells: Tensor, ignored: Tensor, valid: Tensor
    ) -> Tensor:
        """Which points of an image are left out: all on ignored boxes but corners of valid ones."""
        corners = valid[:, :2] if name == 'tl_heats' else valid[:, 2:]
        margins = self.ignored_cells * cells, cells
        return points_left_out(points, ignored, corners.repeat(1, 2), *margins)


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
        numbers = [len(level) for level in levels]
        anchors = torch.cat(levels)
        chosen = [
            anchors.new_zeros(len(anchors), dtype=torch.bool)
            if boxes is None
            else anchors_left_out(anchors, boxes, valid[index])
            for index, boxes in enumerate(ignored)
        ]
        left_out = _to_maps(torch.stack(chosen).split(numbers, 1), maps)
        return [
            where.repeat_interleave(level.size(1) // where.size(1), 1)
            for where, level in zip(left_out, maps)
        ]


def cell_centres(level: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The centres of a map's cells and their sizes.

    Args:
        level (Tensor): The map, shape (..., h, w).
        shape (tuple[int, int]): Height and width in pixels of what it is a map of.

    Returns:
        tuple[Tensor, Tensor]: Both of shape (h * w, 2), float32, x and y.
    """
    rows, columns = level.shape[-2:]
    size = torch.tensor([shape[1] / columns, shape[0] / rows], device=level.device)
    y, x = torch.meshgrid(
        torch.arange(rows, device=level.device),
        torch.arange(columns, device=level.device),
        indexing='ij',
    )
    centres = (torch.stack([x.flatten(), y.flatten()], -1) + 0.5) * size
    return centres, size.expand_as(centres)


def _to_maps(chosen: Sequence[Tensor], maps: Sequence[Tensor]) -> list[Tensor]:
    """Choices of each level, (images, h * w * priors), as (images, priors, h, w)."""
    return [
        where.view(len(where), *level.shape[-2:], -1).permute(0, 3, 1, 2)
        for where, level in zip(chosen, maps)
    ]
