"""The gradients that reach a detector's outputs for the priors on a box.

Which priors these are follows from the detector's prior generators and from its proposals, and not
from its assigners, whose work is what is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from mmdet.models.task_modules.prior_generators import MlvlPointGenerator
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData
from torch import Tensor, nn

OVERLAP = 0.3
PLACES = 10**6


@dataclass(frozen=True)
class PriorGradients:
    """What a head learns from the priors on a box.

    Attributes:
        head (str): Its name in the detector.
        priors (int): How many priors, or proposals, are on the box.
        learnt (int): How many outputs for them get a gradient, over all stages.
    """

    head: str
    priors: int
    learnt: int


def watch(model: nn.Module, box: Tensor, spared: Tensor, proposals: Tensor) -> Callable:
    """Prepare a detector so that the gradients of its next loss can be looked at.

    Samplers have a place for every prior, so that chance plays no part. The second stage gets the
    given proposals instead of those of the first.

    Args:
        model (nn.Module): The detector, which is changed and should be a copy.
        box (Tensor): The box, xyxy in pixels of the input, shape (4,).
        spared (Tensor): Another box, likewise. Points inside it do not count.
        proposals (Tensor): Shape (n, 4), likewise.

    Returns:
        Callable: To be called behind the backward pass, for a list of :class:`PriorGradients`.
    """
    reports = [
        _watch_dense_head(name, getattr(model, name), box, spared)
        for name in ('rpn_head', 'bbox_head')
        if _has_priors(getattr(model, name, None))
    ]
    roi_head = getattr(model, 'roi_head', None)
    if roi_head is not None:
        reports.append(_watch_roi_head(roi_head, box, proposals))
    if getattr(roi_head, 'semantic_head', None) is not None:
        reports.append(_watch_semantic_head(roi_head.semantic_head, box, spared))
    return lambda: [report() for report in reports]


def _has_priors(head: nn.Module | None) -> bool:
    return hasattr(head, 'loss_by_feat') and _prior_generator(head) is not None


def _prior_generator(head: nn.Module):
    for name in ('prior_generator', 'square_anchor_generator'):
        if getattr(head, name, None) is not None:
            return getattr(head, name)
    return None


def _watch_dense_head(name: str, head: nn.Module, box: Tensor, spared: Tensor) -> Callable:
    compute, outputs = head.loss_by_feat, []
    _sample_all(getattr(head, 'sampler', None))
    if 'neg_pos_ratio' in head.train_cfg:  # hard negatives of SSD
        head.train_cfg['neg_pos_ratio'] = PLACES

    def loss_by_feat(*args, **kwargs):
        outputs[:] = _outputs_per_location(args)
        return compute(*args, **kwargs)

    head.loss_by_feat = loss_by_feat

    def report() -> PriorGradients:
        generator = _prior_generator(head)
        sizes = [level.shape[-2:] for level in outputs[0]]
        levels = generator.grid_priors(sizes, device='cpu')
        if isinstance(generator, MlvlPointGenerator):
            on_box = [_inside(points, box) & ~_inside(points, spared) for points in levels]
        else:
            on_box = [bbox_overlaps(priors, box[None])[:, 0] > OVERLAP for priors in levels]
        learnt = sum(
            (_has_gradient(level, len(chosen)) & chosen).sum().item()
            for output in outputs
            for level, chosen in zip(output, on_box)
        )
        return PriorGradients(name, sum(chosen.sum().item() for chosen in on_box), learnt)

    return report


def _outputs_per_location(args: Sequence) -> list[Sequence[Tensor]]:
    """Those arguments of a head's loss that are predictions at all levels, the classes first."""
    outputs = []
    for arg in args:
        if not isinstance(arg, (list, tuple)) or not arg:
            continue
        if not all(isinstance(level, Tensor) and level.dim() == 4 for level in arg):
            continue
        if all(level.requires_grad for level in arg):
            for level in arg:
                level.retain_grad()
            outputs.append(list(arg))
    return outputs


def _has_gradient(output: Tensor, num_priors: int) -> Tensor:
    """Whether any number of a prior has a gradient, shape (num_priors,), bool.

    Args:
        output (Tensor): Shape (images, priors per location * numbers, h, w).
        num_priors (int): h * w * priors per location.
    """
    if output.grad is None:
        return torch.zeros(num_priors, dtype=torch.bool)
    rows = output.grad.permute(0, 2, 3, 1).reshape(len(output), num_priors, -1)
    return (rows != 0).any(-1).any(0)


def _inside(points: Tensor, box: Tensor) -> Tensor:
    return ((points[:, :2] >= box[:2]) & (points[:, :2] < box[2:])).all(-1)


def _watch_semantic_head(head: nn.Module, box: Tensor, spared: Tensor) -> Callable:
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
        cells = torch.stack([columns.flatten(), rows.flatten()], -1) * stride
        # Wholly inside the one box and wholly outside the other.
        on_box = _inside(cells, box) & _inside(cells + stride, box)
        on_box &= (cells >= spared[2:]).any(-1)
        learnt = (_has_gradient(output, len(cells)) & on_box).sum().item()
        return PriorGradients('semantic_head', on_box.sum().item(), learnt)

    return report


def _sample_all(sampler: object) -> None:
    if hasattr(sampler, 'num'):
        sampler.num = PLACES


def _watch_roi_head(head: nn.Module, box: Tensor, proposals: Tensor) -> Callable:
    compute = head.loss
    stages = head.bbox_head if isinstance(head.bbox_head, nn.ModuleList) else [head.bbox_head]
    assigners = head.bbox_assigner
    assigners = assigners if isinstance(assigners, list) else [assigners]
    samplers = head.bbox_sampler
    for sampler in samplers if isinstance(samplers, list) else [samplers]:
        _sample_all(sampler)
    thresholds = [assigner.pos_iou_thr for assigner in assigners]
    extractors = head.bbox_roi_extractor
    extractors = extractors if isinstance(extractors, nn.ModuleList) else [extractors]
    latest, seen = [None], []

    def loss(x, rpn_results_list, batch_data_samples, *args, **kwargs):
        given = [
            InstanceData(bboxes=proposals.clone(), scores=proposals.new_ones(len(proposals)))
            for _ in rpn_results_list
        ]
        return compute(x, given, batch_data_samples, *args, **kwargs)

    def remember_rois(module, args):
        latest[0] = args[1].detach()

    def remember_scores(threshold):
        def hook(module, args, output):
            scores = output[0] if isinstance(output, tuple) else output
            if scores.requires_grad:  # not those that hard negatives are looked for with
                scores.retain_grad()
                seen.append((latest[0][:, 1:], scores, threshold))

        return hook

    head.loss = loss
    for extractor in extractors:
        extractor.register_forward_pre_hook(remember_rois)
    for stage, threshold in zip(stages, thresholds):
        stage.register_forward_hook(remember_scores(threshold))

    def report() -> PriorGradients:
        learnt = 0
        for rois, scores, threshold in seen:
            # What an object in the second stage is given; parts of it are background to learn.
            on_box = bbox_overlaps(rois, box[None])[:, 0] >= threshold
            if scores.grad is not None:
                learnt += ((scores.grad != 0).any(-1) & on_box).sum().item()
        given = bbox_overlaps(proposals, box[None])[:, 0] >= max(thresholds)
        return PriorGradients('roi_head', given.sum().item(), learnt)

    return report
