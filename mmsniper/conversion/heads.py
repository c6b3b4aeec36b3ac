"""How each head of MMDetection treats priors that an assigner left out, found in its source.

A head can ignore by itself, *natively*, if an assigner that is told of the ignored instances gives
every prior its label, and if a label of -1 takes the prior out of all that the head learns. Where
one of the two is missing, an ignored object would be learnt as background.
"""

from __future__ import annotations

from dataclasses import dataclass

# A class that defines one of these decides by itself what is learnt.
LOSS_METHODS = (
    'loss',
    'loss_and_predict',
    'loss_by_feat',
    'loss_by_feat_single',
    'get_targets',
    '_get_targets_single',
    'bbox_loss',
)


@dataclass(frozen=True)
class HeadRule:
    """What is known of a head.

    Attributes:
        ignores (bool): Whether it ignores natively.
        reason (str): Why, or why not.
        assigners (tuple[str, ...]): Where in its part of ``train_cfg`` the assigners are that
            decide what is learnt.
    """

    ignores: bool
    reason: str
    assigners: tuple[str, ...] = ()


def _native(reason: str, *assigners: str) -> HeadRule:
    return HeadRule(True, reason, assigners or ('assigner',))


def _erase(reason: str) -> HeadRule:
    return HeadRule(False, reason)


_ANCHORS = 'anchors that its assigner labels -1 get no label weight'
_PROPOSALS = 'proposals that its assigner labels -1 are never sampled'
_GLOBAL_MATCHING = 'every query that no object is matched to is learnt as background'
_NO_ASSIGNER = 'it has no assigner: every point or cell outside the objects is background'
_CENTRES = 'it learns heatmaps of the whole image, which are background outside the objects'
_OWN_LOSSES = (
    'it computes losses of its own, and nothing is known of how they treat ignored instances'
)
_MASK_GRID = 'every grid cell outside the objects is learnt as background'

HEADS: dict[str, HeadRule] = {
    # Anchors, and what is assigned like anchors.
    'AnchorHead': _native(_ANCHORS),
    'RetinaHead': _native(_ANCHORS),
    'RetinaSepBNHead': _native(_ANCHORS),
    'RPNHead': _native(_ANCHORS),
    'SSDHead': _native('anchors that its assigner labels -1 have no loss to be mined as negatives'),
    'PISARetinaHead': _native(_ANCHORS + ', and only positives are reweighted'),
    'PISASSDHead': _native(_ANCHORS + ', and only positives are reweighted'),
    'SABLRetinaHead': _native('squares that its assigner labels -1 get no label weight'),
    'YOLOFHead': _native(_ANCHORS),
    'ATSSHead': _native(_ANCHORS + ', and centerness is learnt from positives alone'),
    'PAAHead': _native(_ANCHORS + ', and only positives are assigned anew'),
    'LADHead': _native(_ANCHORS + '; the teacher, which assigns, has the same assigner'),
    'GFLHead': _native(_ANCHORS),
    'LDHead': _native(_ANCHORS + ', and the teacher is followed on positives alone'),
    'DDODHead': _native(_ANCHORS + ', in both branches', 'assigner', 'reg_assigner'),
    'TOODHead': _native(
        _ANCHORS + ', of the first epochs and of the later ones', 'initial_assigner', 'assigner'
    ),
    'RTMDetHead': _native('points that its assigner labels -1 get no label weight'),
    'RTMDetInsHead': _native(
        'points that its assigner labels -1 get no label weight, and masks are learnt from '
        'positives alone'
    ),
    'VFNetHead': _erase('its varifocal loss has no label weights'),
    'FSAFHead': _erase(
        'its anchors are as small as a cell, whatever objects they are for, and overlap hardly any'
    ),
    'FreeAnchorRetinaHead': _erase('it weighs all anchors by itself, without an assigner'),
    'GuidedAnchorHead': _erase(
        'its location branch learns the centres of the objects without an assigner'
    ),
    'CascadeRPNHead': _erase('it does not pass ignored instances on to its assigners'),
    'YOLACTHead': _erase('its segmentation branch learns every pixel of the image'),
    'RepPointsHead': _erase(
        'its assigner sees predicted boxes, which do not lie on an object before it is learnt'
    ),
    # No assigner, or one that is not told.
    'YOLOV3Head': _erase('it does not pass ignored instances on to its assigner'),
    'YOLOXHead': _erase('its objectness is learnt from every point that is not positive'),
    'AnchorFreeHead': _erase(_NO_ASSIGNER),
    'FCOSHead': _erase(_NO_ASSIGNER),
    'FoveaHead': _erase(_NO_ASSIGNER),
    'AutoAssignHead': _erase(_NO_ASSIGNER),
    'CenterNetUpdateHead': _erase(_CENTRES),
    'CenterNetHead': _erase(_CENTRES),
    'CornerHead': _erase(_CENTRES),
    'BaseMaskHead': _erase('its masks are learnt as the boxes are, with no assigner of its own'),
    'SOLOHead': _erase(_MASK_GRID),
    'SOLOV2Head': _erase(_MASK_GRID),
    'BaseSemanticHead': _erase('its segmentation branch learns every pixel of the image'),
    # Queries.
    'DETRHead': _erase(_GLOBAL_MATCHING),
    'MaskFormerHead': _erase(_GLOBAL_MATCHING),
    'EmbeddingRPNHead': _erase('its proposals are learnt, and all of them are weighed'),
    'SparseRoIHead': _erase(_GLOBAL_MATCHING),
    # Second stages.
    'StandardRoIHead': _native(_PROPOSALS),
    'CascadeRoIHead': _native(_PROPOSALS + ', in any stage'),
    'DoubleHeadRoIHead': _native(_PROPOSALS),
    'DynamicRoIHead': _native(_PROPOSALS),
    'GridRoIHead': _native(_PROPOSALS),
    'HybridTaskCascadeRoIHead': _native(_PROPOSALS + ', in any stage'),
    'MaskScoringRoIHead': _native(_PROPOSALS),
    'PISARoIHead': _native(_PROPOSALS),
    'PointRendRoIHead': _native(_PROPOSALS),
    'TridentRoIHead': _native(_PROPOSALS),
    'SCNetRoIHead': _erase('its global context learns which classes the image has at all'),
    'MultiInstanceRoIHead': _erase('its proposals belong to two objects each'),
}


def head_rule(head_class: type) -> HeadRule:
    """What is known of a head, or of the one that it inherits its losses from.

    Args:
        head_class (type): The class of the head.

    Returns:
        HeadRule: One that does not ignore, if the head is unknown or computes losses of its own.
    """
    own_losses = False
    for ancestor in head_class.__mro__:
        if ancestor.__name__ in HEADS and ancestor.__module__.startswith('mmdet.'):
            rule = HEADS[ancestor.__name__]
            # What cannot ignore is not expected to learn it by being changed.
            return _erase(_OWN_LOSSES) if own_losses and rule.ignores else rule
        own_losses |= any(method in vars(ancestor) for method in LOSS_METHODS)
    return _erase(_OWN_LOSSES)
