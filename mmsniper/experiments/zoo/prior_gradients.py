"""The gradients that reach a detector's outputs for the priors on a box.

Which priors these are follows from the detector's prior generators and from its proposals, and not
from its assigners, whose work is what is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmdet.models import dense_heads, roi_heads
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData
from torch import Tensor, nn

from .gradients import PriorGradients, has_gradient, inside, loss_arguments
from .map_gradients import maps_of, watch_global_context, watch_maps, watch_semantic_head
from .query_gradients import watch_mask_queries, watch_queries, watch_roi_queries

OVERLAP = 0.3
PLACES = 10**6
# The boxes of VFNet, which steer where its other outputs look: these move them, as they may.
STEERING = 'bbox_preds'


def watch(model: nn.Module, box: Tensor, spared: Tensor, proposals: Tensor) -> Callable:
    """Prepare a detector so that the gradients of its next loss can be looked at.

    Samplers have a place for every prior, so that chance plays no part. The second stage gets the
    given proposals instead of those of the first, and so do queries instead of what they predict.

    Args:
        model (nn.Module): The detector, which is changed and should be a copy.
        box (Tensor): The box, xyxy in pixels of the input, shape (4,).
        spared (Tensor): Another box, likewise. Points inside it do not count.
        proposals (Tensor): Shape (n, 4), likewise.

    Returns:
        Callable: To be called behind the backward pass, for a list of :class:`PriorGradients`.
    """
    reports = []
    for name in ('rpn_head', 'bbox_head', 'mask_head', 'panoptic_head'):
        head = getattr(model, name, None)
        if isinstance(head, dense_heads.DETRHead):
            reports.append(watch_queries(name, head, box, proposals))
        elif isinstance(head, dense_heads.MaskFormerHead):
            reports.append(watch_mask_queries(name, head, box, proposals))
        elif isinstance(head, dense_heads.CascadeRPNHead):
            reports.append(_watch_last_stage(f'{name}.stages', head.stages[-1], box))
        else:
            if name != 'mask_head' and _has_priors(head):
                reports.append(_watch_dense_head(name, head, box, spared))
            if maps_of(head):
                reports.append(watch_maps(name, head, box, spared))
    roi_head = getattr(model, 'roi_head', None)
    if isinstance(roi_head, roi_heads.SparseRoIHead):
        reports.append(watch_roi_queries('roi_head', roi_head, box, proposals))
    elif roi_head is not None:
        reports.append(_watch_roi_head(roi_head, box, proposals))
    if getattr(roi_head, 'semantic_head', None) is not None:
        reports.append(watch_semantic_head(roi_head.semantic_head, box, spared))
    if getattr(roi_head, 'glbctx_head', None) is not None:
        reports.append(watch_global_context(roi_head.glbctx_head))
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
    if 'neg_pos_ratio' in (head.train_cfg or {}):  # hard negatives of SSD
        head.train_cfg['neg_pos_ratio'] = PLACES

    def loss_by_feat(*args, **kwargs):
        outputs[:] = _outputs_per_location(head, args, kwargs)
        return compute(*args, **kwargs)

    head.loss_by_feat = loss_by_feat

    def report() -> PriorGradients:
        generator = _prior_generator(head)
        sizes = [level.shape[-2:] for level in outputs[0]]
        levels = generator.grid_priors(sizes, device='cpu')
        if isinstance(head, _CENTRES):
            levels = [
                (level[:, :2] + level[:, 2:]) / 2 if level.size(1) == 4 else level
                for level in levels
            ]
        elif isinstance(head, dense_heads.YOLOXHead):  # its priors are the corners of cells
            strides = generator.strides
            levels = [points + torch.tensor(step) / 2 for points, step in zip(levels, strides)]
        if levels[0].size(1) == 4:
            on_box = [bbox_overlaps(priors, box[None])[:, 0] > OVERLAP for priors in levels]
        else:
            margins = [_reach(head) * step[0] for step in generator.strides]
            on_box = [
                inside(points, box) & ~inside(points, spared, margin)
                for points, margin in zip(levels, margins)
            ]
        learnt = sum(
            (has_gradient(level, len(chosen)) & chosen).sum().item()
            for output in outputs
            for level, chosen in zip(output, on_box)
        )
        return PriorGradients(name, sum(chosen.sum().item() for chosen in on_box), learnt)

    return report


# Their anchors stand for their centres.
_CENTRES = (dense_heads.FSAFHead, dense_heads.VFNetHead)


def _reach(head: nn.Module) -> float:
    """How many cells beyond a box its positives can be."""
    cells = (dense_heads.CenterNetUpdateHead, dense_heads.FoveaHead)
    return 1.0 if isinstance(head, cells) else 0.0


def _watch_last_stage(name: str, head: nn.Module, box: Tensor) -> Callable:
    """Watch the stage of Cascade RPN that learns classes, whose anchors are given to its loss."""
    compute, seen = head.loss_by_feat, []
    _sample_all(head.sampler)

    def loss_by_feat(anchor_list, valid_flag_list, cls_scores, *args, **kwargs):
        for level in cls_scores:
            level.retain_grad()
        seen[:] = zip(anchor_list[0], cls_scores)
        return compute(anchor_list, valid_flag_list, cls_scores, *args, **kwargs)

    head.loss_by_feat = loss_by_feat

    def report() -> PriorGradients:
        priors = learnt = 0
        for anchors, scores in seen:
            on_box = bbox_overlaps(anchors, box[None])[:, 0] > OVERLAP
            priors += on_box.sum().item()
            learnt += (has_gradient(scores, len(anchors)) & on_box).sum().item()
        return PriorGradients(name, priors, learnt)

    return report


def _outputs_per_location(head: nn.Module, args: tuple, kwargs: dict) -> list[Sequence[Tensor]]:
    """Those arguments of a head's loss that are predictions at all levels, the classes first."""
    outputs = []
    for name, arg in loss_arguments(head, args, kwargs).items():
        if name in maps_of(head) or (isinstance(head, dense_heads.VFNetHead) and name == STEERING):
            continue
        if not isinstance(arg, (list, tuple)) or not arg:
            continue
        if not all(isinstance(level, Tensor) and level.dim() == 4 for level in arg):
            continue
        if all(level.requires_grad for level in arg):
            for level in arg:
                level.retain_grad()
            outputs.append(list(arg))
    return outputs


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
            outputs = output if isinstance(output, tuple) else (output,)
            for scores in outputs[::2]:  # CrowdDet has them twice
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
