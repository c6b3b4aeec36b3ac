"""How each head of MMDetection leaves ignored objects out of what it learns, found in its source.

There are three ways. An assigner that is told of the ignored instances gives every prior its label,
and a label of -1 takes the prior out of all that the head learns: ``IgnoreAwareAssigner`` and
``ValidRangeAssigner``. A head that learns from every location, cell or query becomes
``IgnoreAwareHead``. And some heads learn from what others have chosen.
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
        becomes_aware (bool): Whether it has to become ``IgnoreAwareHead``.
        centres (bool): Whether its priors are boxes that count as their centres.
    """

    ignores: bool
    reason: str
    assigners: tuple[str, ...] = ()
    becomes_aware: bool = False
    centres: bool = False


def _native(reason: str, *assigners: str) -> HeadRule:
    return HeadRule(True, reason, assigners or ('assigner',))


def _aware(reason: str, *assigners: str) -> HeadRule:
    return HeadRule(True, reason, assigners, becomes_aware=True)


def _follows(reason: str) -> HeadRule:
    return HeadRule(True, reason)


def _erase(reason: str) -> HeadRule:
    return HeadRule(False, reason)


_ANCHORS = 'anchors that its assigner labels -1 get no label weight'
_PROPOSALS = 'proposals that its assigner labels -1 are never sampled'
_QUERIES = 'queries on ignored objects have no weight as background'
_POINTS = 'points on ignored objects and on no valid one have a constant output'
_HEATMAPS = 'its heatmaps are constant on ignored objects'
_POSITIVES = 'its masks are learnt from positives alone'
_OWN_LOSSES = (
    'it computes losses of its own, and nothing is known of how they treat ignored instances'
)
_GRID = 'grid cells on ignored objects and on no valid one have a constant output'

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
    'FSAFHead': HeadRule(
        True,
        'anchors whose centres its assigner labels -1 get no label weight',
        ('assigner',),
        centres=True,
    ),
    'RepPointsHead': HeadRule(
        True,
        'points whose predicted box has its centre on an ignored object get no label weight',
        ('refine.assigner',),
        centres=True,
    ),
    'CascadeRPNHead': _aware(_ANCHORS + ', once its assigners are told of them', 'assigner'),
    'GuidedAnchorHead': _aware(
        _ANCHORS + ', and its location branch has no weight on ignored objects',
        'assigner',
        'ga_assigner',
    ),
    'GARPNHead': _aware(
        _ANCHORS + ', and its location branch has no weight on ignored objects',
        'assigner',
        'ga_assigner',
    ),
    'YOLOV3Head': _aware(_ANCHORS + ', once its assigner is told of them', 'assigner'),
    'YOLACTHead': _native(_ANCHORS + ', or no loss to be mined as negatives'),
    'YOLACTProtonet': _aware(
        _POSITIVES + ', and its segmentation branch is constant on ignored objects'
    ),
    'FreeAnchorRetinaHead': _aware('anchors on ignored objects have a constant output'),
    # Points and maps, without an assigner or with one that does not decide about all of them.
    'VFNetHead': _aware(_POINTS),
    'YOLOXHead': _aware('the objectness of points on ignored objects has no loss'),
    'FCOSHead': _aware(_POINTS),
    'CondInstBboxHead': _aware(_POINTS),
    'FoveaHead': _aware(_POINTS),
    'AutoAssignHead': _aware(_POINTS),
    'CenterNetUpdateHead': _aware(_HEATMAPS),
    'CenterNetHead': _aware(_HEATMAPS),
    'CornerHead': _aware(_HEATMAPS + ' but for the corners of valid ones'),
    'CentripetalHead': _aware(_HEATMAPS + ' but for the corners of valid ones'),
    'AnchorFreeHead': _erase('it has no assigner: every point outside the objects is background'),
    'CondInstMaskHead': _follows(_POSITIVES),
    'BoxInstMaskHead': _follows(_POSITIVES),
    'BaseMaskHead': _erase('its masks are learnt as the boxes are, with no assigner of its own'),
    'SOLOHead': _aware(_GRID),
    'DecoupledSOLOHead': _aware(_GRID),
    'SOLOV2Head': _aware(_GRID),
    'BaseSemanticHead': _erase('its segmentation branch learns every pixel of the image'),
    # Queries.
    'DETRHead': _aware(_QUERIES),
    'ConditionalDETRHead': _aware(_QUERIES),
    'DABDETRHead': _aware(_QUERIES),
    'DeformableDETRHead': _aware(_QUERIES + ', nor have proposals of the encoder'),
    'DINOHead': _aware(
        _QUERIES + ', nor have proposals of the encoder; denoising queries are of valid objects'
    ),
    'DDQDETRHead': _aware(
        _QUERIES + ', nor have dense ones and proposals of the encoder; denoising queries are of '
        'valid objects'
    ),
    'MaskFormerHead': _aware(_QUERIES),
    'Mask2FormerHead': _aware(_QUERIES),
    'EmbeddingRPNHead': _follows('its proposals are learnt through the second stage'),
    'SparseRoIHead': _aware(_QUERIES + ', in any stage'),
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
    'SCNetRoIHead': _aware(
        _PROPOSALS + ', in any stage, and its global context does not learn which other classes an '
        'image with ignored objects lacks',
        'assigner',
    ),
    'MultiInstanceRoIHead': _follows('proposals on ignored boxes are never sampled by its sampler'),
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
        if ancestor.__module__.startswith('mmsniper.'):
            continue  # what it adds is what is asked for
        own_losses |= any(method in vars(ancestor) for method in LOSS_METHODS)
    return _erase(_OWN_LOSSES)
