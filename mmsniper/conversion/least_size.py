"""The least size of input that a detector works on, from what its config is made of.

Chips and views at coarse levels can be as small as the images there. Most detectors do not mind,
but some have layers or assigners that fail below a size. Each rule here is about one kind of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mmcv.ops import DeformConv2dPack, SAConv2d
from mmdet import models
from mmdet.models import task_modules
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config

from mmsniper.models import ChipDataPreprocessor

from .changes import Changes
from .components import component_class, component_name, is_component
from .detector import nested_dicts

BACKBONE_STRIDE = 32  # the largest of MMDetection's backbones
FINEST_STRIDE = 4  # of the first stage of a backbone, and of heatmaps
# What is deformed has to be as large as the kernel.
_KERNEL_SIZE = 3


def fit_least_size(model: dict, changes: Changes) -> None:
    """Let a detector pad inputs that are too small for it, in place.

    Args:
        model (dict): Config of the detector. Its own components have to be registered already.
        changes (Changes): Takes what was changed.
    """
    side, reason = least_size(model)
    preprocessor = model.get('data_preprocessor') or {}
    if side <= preprocessor.get('least_size', 1):
        return
    kind = component_class(MODELS, preprocessor) if 'type' in preprocessor else None
    if kind is DetDataPreprocessor:
        preprocessor['type'] = 'ChipDataPreprocessor'
    elif kind is None or not issubclass(kind, ChipDataPreprocessor):
        name = component_name(preprocessor) if 'type' in preprocessor else 'no data preprocessor'
        changes.note(
            f'the detector fails on inputs with a side of less than {side} pixels ({reason}), and '
            f'{name} does not pad them; use ChipDataPreprocessor(least_size={side}), or derive '
            'yours from it'
        )
        return
    preprocessor['least_size'] = side
    changes.change(
        f'model: ChipDataPreprocessor pads smaller inputs to {side}x{side} pixels ({reason})'
    )


def least_size(model: dict) -> tuple[int, str]:
    """The least side of an input that a detector works on, in training and in testing.

    Args:
        model (dict): Config of the detector.

    Returns:
        tuple: The side in pixels, 1 if every input will do, and why.
    """
    found = [need for rule in _RULES for need in rule(model)]
    teacher = model.get('teacher_config')  # which looks at the same inputs
    if isinstance(teacher, (str, Path)):
        # Those of the zoo are given as in a checkout of MMDetection.
        places = Path(teacher), Path(models.__file__).parents[1] / '.mim' / teacher
        teacher = next((Config.fromfile(place) for place in places if place.is_file()), None)
    if teacher is not None:
        found.append(least_size(teacher['model']))
    return max(found, key=lambda need: need[0], default=(1, 'any input will do'))


Need = tuple[int, str]


def _layers_without_padding(model: dict) -> Iterator[Need]:
    """SSD: the extra layers take the last map apart down to a cell."""
    for neck in nested_dicts(model.get('neck')):
        if 'type' not in neck or not is_component(MODELS, neck, models.SSDNeck):
            continue
        strides, paddings = neck['level_strides'], neck['level_paddings']
        kernels = [3] * (len(strides) - 1) + [neck.get('last_kernel_size', 3)]
        cells = 1
        for stride, padding, kernel in reversed(list(zip(strides, paddings, kernels))):
            cells = max((cells - 1) * stride + kernel - 2 * padding, 1)
        of_vgg = is_component(MODELS, model.get('backbone'), models.SSDVGG)
        yield _side(cells, 16 if of_vgg else BACKBONE_STRIDE), 'SSDNeck: it shrinks maps to a cell'


def _pooled_maps(model: dict) -> Iterator[Need]:
    """HRFPN: each level is pooled from the finest map, and has to have a cell left."""
    for neck in nested_dicts(model.get('neck')):
        if 'type' in neck and is_component(MODELS, neck, models.HRFPN):
            cells = 2 ** (neck.get('num_outs', 5) - 1)
            yield _side(cells, FINEST_STRIDE), f'HRFPN: it pools {cells}x{cells} cells'


def _deformed_maps(model: dict) -> Iterator[Need]:
    """Deformable convolutions, but not their second version, need maps of their kernel's size."""
    for key, part in model.items():
        stride = BACKBONE_STRIDE if 'head' not in key else max(_strides(part), default=128)
        for layer in nested_dicts(part):
            if 'type' not in layer:
                continue
            kind = component_class(MODELS, layer)
            deforms = kind in (DeformConv2dPack, SAConv2d) or (
                is_component(MODELS, layer, models.DDODHead) and layer.get('use_dcn', True)
            )
            if deforms:
                name = component_name(layer)
                yield _side(_KERNEL_SIZE, stride), f'{name}: it deforms maps of 3x3 at least'


def _anchors_inside(model: dict) -> Iterator[Need]:
    """Heads that leave out anchors over the border of the image have to have others."""
    settings = model.get('train_cfg') or {}
    for part, head in ((settings, 'bbox_head'), (settings.get('rpn'), 'rpn_head')):
        stages = part if isinstance(part, (list, tuple)) else [part or {}]
        border = max(stage.get('allowed_border', -1) for stage in stages)
        for config in nested_dicts(model.get(head)):
            if border < 0 or 'anchor_generator' not in config:
                continue
            generator = TASK_UTILS.build(config['anchor_generator'])
            sides = []
            for anchors, stride in zip(generator.base_anchors, generator.strides):
                stride = anchors.new_tensor(stride)
                # As far from the corner as they have to be, in whole cells.
                cells = (-(anchors[:, :2] + border) / stride).ceil().clamp(min=0)
                ends = anchors[:, 2:] + cells * stride - border
                sides.append(float(ends.amax(1).min()))
            what = f'{component_name(config)}: allowed_border={border} wants anchors in the image'
            yield max(math.floor(min(sides)) + 1, 1), what


def _cells_as_queries(model: dict) -> Iterator[Need]:
    """Two-stage Deformable DETR and its like begin with the best cells of all maps."""
    chooses = model.get('as_two_stage') or is_component(MODELS, model, models.DINO)
    if not chooses or not is_component(MODELS, model, models.DeformableDETR):
        return
    if is_component(MODELS, model, models.DDQDETR):
        return  # takes as many as there are
    first = FINEST_STRIDE * 2 ** min((model.get('backbone') or {}).get('out_indices', (0,)))
    strides = [first * 2**level for level in range(model.get('num_feature_levels', 4))]
    what = f'{component_name(model)}: its {model["num_queries"]} queries are chosen from all cells'
    yield _side_with(model['num_queries'], strides), what


def _best_of_all_cells(model: dict) -> Iterator[Need]:
    """Heads and assigners that pick a number of all cells fail if there are fewer."""
    head = model.get('bbox_head') or {}
    train, test = (model.get(key) or {} for key in ('train_cfg', 'test_cfg'))
    if is_component(MODELS, head, models.CenterNetHead, models.CornerHead):
        peaks = test.get('topk', test.get('corner_topk', 100))
        cells = math.ceil(peaks / head['num_classes'])
        what = f'{component_name(head)}: it looks for {peaks} peaks'
        yield _side_with(cells, [FINEST_STRIDE]), what
    for assigner in nested_dicts(train):
        if 'type' in assigner and is_component(
            TASK_UTILS, assigner, task_modules.TaskAlignedAssigner
        ):
            what = f'{component_name(assigner)}: it chooses from {assigner["topk"]} priors'
            yield _side_with(assigner['topk'], _strides(head)), what
    if is_component(MODELS, head, models.FreeAnchorRetinaHead):
        anchors = head.get('pre_anchor_topk', 50)
        per_cell = min(TASK_UTILS.build(head['anchor_generator']).num_base_priors)
        what = f'{component_name(head)}: it has bags of {anchors} anchors'
        yield _side_with(math.ceil(anchors / per_cell), _strides(head)), what


_RULES: tuple[Callable[[dict], Iterator[Need]], ...] = (
    _layers_without_padding,
    _pooled_maps,
    _deformed_maps,
    _anchors_inside,
    _cells_as_queries,
    _best_of_all_cells,
)


def _strides(head: object) -> list[int]:
    """The strides of a head's levels."""
    for config in nested_dicts(head):
        strides = config.get('strides')
        if 'type' in config and strides and TASK_UTILS.get(component_name(config)):
            return [max(stride) if isinstance(stride, Sequence) else stride for stride in strides]
    return []


def _side(cells: int, stride: int) -> int:
    """The least side of an input whose map at a stride has so many cells on a side."""
    return (cells - 1) * stride + 1


def _side_with(cells: int, strides: Sequence[int]) -> int:
    """The least side of a square input whose maps at some strides have so many cells in all."""
    return next(
        side
        for side in itertools.count(1)
        if sum(math.ceil(side / stride) ** 2 for stride in strides) >= cells
    )
