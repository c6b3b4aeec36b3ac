"""The gradients that reach maps of a detector that are about places, not about priors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmdet.models import dense_heads
from torch import Tensor, nn

from .gradients import PriorGradients, cells, has_gradient, inside, loss_arguments

# What each head that has them calls them.
MAPS = {
    dense_heads.CenterNetHead: ('center_heatmap_preds',),
    dense_heads.CornerHead: ('tl_heats', 'br_heats'),
    dense_heads.SOLOHead: ('mlvl_cls_preds',),
    dense_heads.YOLACTProtonet: ('segm_preds',),
    dense_heads.GuidedAnchorHead: ('loc_preds',),
}


def maps_of(head: nn.Module | None) -> tuple[str, ...]:
    """The arguments of a head's ``loss_by_feat`` that are such maps."""
    return next((names for kind, names in MAPS.items() if isinstance(head, kind)), ())


def watch_maps(name: str, head: nn.Module, box: Tensor, spared: Tensor) -> Callable:
    """Watch the maps of a head.

    Args:
        name (str): Of the head.
        head (nn.Module): It, changed in place.
        box (Tensor): The box, xyxy, shape (4,).
        spared (Tensor): Another one, likewise. Cells that are less than one away do not count.

    Returns:
        Callable: For what was found, once the gradients are there.
    """
    compute, names, outputs, shapes = head.loss_by_feat, maps_of(head), [], []

    def loss_by_feat(*args, **kwargs):
        arguments = loss_arguments(head, args, kwargs)
        found = [arguments[argument] for argument in names]
        outputs[:] = [
            level for part in found for level in (part if isinstance(part, list) else [*[part]])
        ]
        for level in outputs:
            level.retain_grad()
        # Padded, if the detector needs larger inputs.
        shapes[:] = [arguments['batch_img_metas'][0]['batch_input_shape']]
        return compute(*args, **kwargs)

    head.loss_by_feat = loss_by_feat

    def report() -> PriorGradients:
        priors = learnt = 0
        for level in outputs:
            centres, size = cells(level, shapes[0])
            on_box = inside(centres, box) & ~inside(centres, spared, size)
            priors += on_box.sum().item()
            learnt += (has_gradient(level, len(centres)) & on_box).sum().item()
        return PriorGradients(f'{name}.{names[0]}', priors, learnt)

    return report


def watch_semantic_head(head: nn.Module, box: Tensor, spared: Tensor) -> Callable:
    """Watch a branch that learns a segmentation map."""
    compute, outputs, strides = head.loss, [], []

    def loss(predictions, labels):
        predictions.retain_grad()
        outputs.append(predictions)
        strides.append(labels.shape[-1] / predictions.shape[-1])
        return compute(predictions, labels)

    head.loss = loss

    def report() -> PriorGradients:
        (output,), (stride,) = outputs, strides
        rows, columns = torch.meshgrid(*map(torch.arange, output.shape[-2:]), indexing='ij')
        corners = torch.stack([columns.flatten(), rows.flatten()], -1) * stride
        # Wholly inside the one box and wholly outside the other.
        on_box = inside(corners, box) & inside(corners + stride, box)
        on_box &= (corners >= spared[2:]).any(-1)
        learnt = (has_gradient(output, len(corners)) & on_box).sum().item()
        return PriorGradients('semantic_head', on_box.sum().item(), learnt)

    return report


def watch_global_context(head: nn.Module) -> Callable:
    """Watch a branch that learns which classes an image has: all but those it is known to have."""
    compute, seen = head.loss, []

    def loss(predictions, labels):
        seen.append((predictions, labels))
        return compute(predictions, labels)

    def remember(module, args, output):
        output[0].retain_grad()
        seen.append(output[0])

    head.loss = loss
    head.register_forward_hook(remember)

    def report() -> PriorGradients:
        output, (_, labels) = seen
        others = torch.ones_like(output, dtype=torch.bool)
        for index, known in enumerate(labels):
            others[index, known] = False
        learnt = ((output.grad != 0) & others).sum().item()
        return PriorGradients('glbctx_head', others.sum().item(), learnt)

    return report
