"""What is known of the gradients of outputs on a box."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class PriorGradients:
    """What a head learns from the priors on a box.

    Attributes:
        head (str): Its name in the detector.
        priors (int): How many priors, proposals, cells or queries are on the box.
        learnt (int): How many outputs for them get a gradient, over all stages.
    """

    head: str
    priors: int
    learnt: int


def inside(points: Tensor, box: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """Whether each point, shape (n, 2 or more), is inside a box, shape (4,), or within a margin."""
    points = points[:, :2]
    return ((points >= box[:2] - margin) & (points < box[2:] + margin)).all(-1)


def has_gradient(output: Tensor, num_priors: int) -> Tensor:
    """Whether any number of a prior has a gradient, shape (num_priors,), bool.

    Args:
        output (Tensor): Shape (images, priors per location * numbers, h, w).
        num_priors (int): h * w * priors per location.
    """
    if output.grad is None:
        return torch.zeros(num_priors, dtype=torch.bool)
    rows = output.grad.permute(0, 2, 3, 1).reshape(len(output), num_priors, -1)
    return (rows != 0).any(-1).any(0)


def cells(output: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The centres of a map's cells, shape (h * w, 2), and the size of a cell, shape (2,).

    Args:
        output (Tensor): The map, shape (..., h, w).
        shape (tuple[int, int]): Height and width of the input in pixels.
    """
    rows, columns = output.shape[-2:]
    size = torch.tensor([shape[1] / columns, shape[0] / rows])
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
    return (torch.stack([x.flatten(), y.flatten()], -1) + 0.5) * size, size


def loss_arguments(head: nn.Module, args: tuple, kwargs: dict) -> dict:
    """The arguments of a head's ``loss_by_feat`` by the names that MMDetection has for them."""
    method = next(
        vars(kind)['loss_by_feat']
        for kind in type(head).__mro__
        if 'loss_by_feat' in vars(kind) and kind.__module__.startswith('mmdet.')
    )
    return inspect.signature(method).bind(head, *args, **kwargs).arguments
