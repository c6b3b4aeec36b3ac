"""The gradients that reach a detector's outputs for queries that are put on a box."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmdet.structures.bbox import bbox_overlaps, bbox_xyxy_to_cxcywh
from torch import Tensor, nn

from .gradients import PriorGradients, cells, inside, loss_arguments

OVERLAP = 0.5
LOGIT = 5.0


class _Seen:
    """The class scores of queries whose boxes are known, and what became of them."""

    def __init__(self, name: str, box: Tensor, proposals: Tensor) -> None:
        self.name, self.box, self.proposals = name, box, proposals
        self.scores: list[tuple[Tensor, Tensor]] = []

    def boxes(self, number: int) -> Tensor:
        """The given boxes over and over, shape (number, 4)."""
        return self.proposals[torch.arange(number) % len(self.proposals)]

    def see(self, scores: Tensor) -> None:
        """Take notice of scores, shape (..., queries, classes), of the given boxes."""
        scores.retain_grad()
        self.scores.append(
            (scores, bbox_overlaps(self.boxes(scores.size(-2)), self.box[None])[:, 0])
        )

    def report(self) -> PriorGradients:
        priors = learnt = 0
        for scores, overlaps in self.scores:
            on_box = overlaps >= OVERLAP
            priors = max(priors, on_box.sum().item())
            if scores.grad is not None:
                has = (scores.grad != 0).any(-1)[..., on_box]
                learnt += has.sum().item()
        return PriorGradients(self.name, priors, learnt)


def _moved(values: Tensor, to: Tensor) -> Tensor:
    """Other values, with the gradients of the former."""
    return values + (to - values).detach()


def watch_queries(name: str, head: nn.Module, box: Tensor, proposals: Tensor) -> Callable:
    """Watch the head of a DETR, whose queries get the given boxes; its denoising queries do not.

    Args:
        name (str): Of the head.
        head (nn.Module): It, changed in place.
        box (Tensor): The box, xyxy, shape (4,).
        proposals (Tensor): The boxes to give, xyxy, shape (n, 4).

    Returns:
        Callable: For what was found, once the gradients are there.
    """
    compute, seen = head.loss_by_feat, _Seen(name, box, proposals)

    def given(boxes: Tensor, size: Tensor) -> Tensor:
        return bbox_xyxy_to_cxcywh(seen.boxes(boxes.size(-2)) / size).expand_as(boxes)

    def loss_by_feat(*args, **kwargs):
        arguments = loss_arguments(head, args, kwargs)
        del arguments['self']
        meta = arguments.get('dn_meta') or {}
        # Padded, if the detector needs larger inputs.
        height, width = arguments['batch_img_metas'][0]['img_shape'][:2]
        size = proposals.new_tensor([width, height, width, height])
        for boxes, scores in (
            ('all_layers_bbox_preds', 'all_layers_cls_scores'),
            ('enc_bbox_preds', 'enc_cls_scores'),
        ):
            if arguments.get(boxes) is None:
                continue
            number, denoising, dense = arguments[boxes].size(-2), 0, 0
            if boxes.startswith('all'):
                denoising = meta.get('num_denoising_queries', 0)
                dense = meta.get('num_dense_queries', 0)
            numbers = [denoising, number - denoising - dense, dense]
            first, matched, last = arguments[boxes].split(numbers, dim=-2)
            arguments[boxes] = torch.cat([first, _moved(matched, given(matched, size)), last], -2)
            first, matched, last = arguments[scores].split(numbers, dim=-2)
            matched = matched.clone()
            seen.see(matched)
            arguments[scores] = torch.cat([first, matched, last], -2)
        return compute(**arguments)

    head.loss_by_feat = loss_by_feat
    if hasattr(head, 'aux_loss_for_dense'):
        _see_dense_queries(head.aux_loss_for_dense, seen)
    return seen.report


def _see_dense_queries(auxiliary: nn.Module, seen: _Seen) -> None:
    """Those of DDQ, whose boxes are in pixels."""
    compute = auxiliary.loss

    def loss(scores, boxes, *args, **kwargs):
        scores = scores.clone()
        seen.see(scores)
        boxes = _moved(boxes, seen.boxes(boxes.size(-2)).expand_as(boxes))
        return compute(scores, boxes, *args, **kwargs)

    auxiliary.loss = loss


def watch_mask_queries(name: str, head: nn.Module, box: Tensor, proposals: Tensor) -> Callable:
    """Watch the head of a MaskFormer, whose queries get the given boxes as masks."""
    compute, seen = head.loss_by_feat, _Seen(name, box, proposals)

    def loss_by_feat(all_scores: Sequence[Tensor], all_masks: Sequence[Tensor], truth, metas):
        shape = metas[0]['batch_input_shape']
        all_scores, moved = list(all_scores), []
        for scores, masks in zip(all_scores, all_masks):
            seen.see(scores)
            centres, _ = cells(masks, shape)
            given = torch.stack([inside(centres, one) for one in seen.boxes(masks.size(1))])
            given = (given * 2 - 1.0) * LOGIT
            moved.append(_moved(masks, given.view(masks.shape[1:]).expand_as(masks)))
        return compute(all_scores, moved, truth, metas)

    head.loss_by_feat = loss_by_feat
    return seen.report


def watch_roi_queries(name: str, head: nn.Module, box: Tensor, proposals: Tensor) -> Callable:
    """Watch the second stage of a Sparse R-CNN, whose queries get the given boxes in any stage."""
    compute, seen = head._bbox_forward, _Seen(name, box, proposals)

    def forward(*args, **kwargs):
        results = compute(*args, **kwargs)
        seen.see(results['cls_score'])
        boxes = [seen.boxes(len(one)) for one in results['detached_proposals']]
        results['detached_proposals'] = boxes
        results['decoded_bboxes'] = _moved(results['decoded_bboxes'], torch.cat(boxes))
        return results

    head._bbox_forward = forward
    return seen.report
