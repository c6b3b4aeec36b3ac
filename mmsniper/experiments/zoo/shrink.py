"""Detectors of the zoo made small enough for a few steps on a CPU.

Heads, losses and assigners stay, since it is these that meet chips. What is taken away is depth and
width of backbones, and how many proposals, queries and detections there are.
"""

from __future__ import annotations

import copy

from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict

from .scope import zoo_folder

NUM_QUERIES = 20
NUM_DETECTIONS = 8
NUM_SAMPLES = 16
NUM_PROPOSALS = 60
_FULLY_CONNECTED = ('ConvFCBBoxHead', 'Shared2FCBBoxHead', 'Shared4Conv1FCBBoxHead')
# Its convolutions would hold whatever is in memory, since MMDetection counts on a checkpoint.
_TRIDENT_WEIGHTS = [
    dict(type='Kaiming', layer=['Conv2d', 'TridentConv']),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
]
_SYNCHRONISED = ('SyncBN', 'MMSyncBN', 'SyncBatchNorm')


def shrink(model: ConfigDict, chip_size: int) -> ConfigDict:
    """A small detector with the heads of another.

    Args:
        model: Config of a detector of the zoo; stays as it is.
        chip_size: Side of the chips, which inputs of a fixed size are set to.

    Returns:
        ConfigDict: A config of one that needs no download and no GPU.
    """
    model = copy.deepcopy(model)
    if isinstance(model.get('teacher_config'), str):  # from a checkout of MMDetection
        name = model['teacher_config'].split('configs/', 1)[-1]
        teacher = Config.fromfile(zoo_folder() / name).model
        model['teacher_config'] = dict(model=shrink(teacher, chip_size))
    if 'teacher_ckpt' in model:
        model['teacher_ckpt'] = None
    for key in ('backbone', 'teacher_backbone'):
        if key in model:
            _shrink_backbone(model[key])
            _narrow(model[key], model.get(key.replace('backbone', 'neck')))
    _shrink_transformers(model)
    _shrink_stages(model)
    _shrink_second_stage(model)
    _shrink_everywhere(model, chip_size)
    _shrink_proposals(model.get('train_cfg') or {})
    _shrink_detections(model.get('test_cfg') or {}, many_classes=_most_classes(model) > 2000)
    return model


def _shrink_backbone(backbone: ConfigDict) -> None:
    kind = backbone['type']
    bases = {base.__name__ for base in MODELS.get(kind).__mro__}
    if 'RegNet' in bases:
        return  # its depth follows from its widths, which the neck has to know
    if bases & {'ResNet', 'ResNeSt', 'TridentResNet'} and backbone['depth'] > 50:
        backbone['depth'] = 50
        if backbone.get('groups', 1) > 32:
            backbone['groups'] = 32
    elif kind == 'SwinTransformer':
        backbone['depths'] = [2] * len(backbone.get('depths', (2, 2, 6, 2)))
    elif kind.startswith('PyramidVisionTransformer'):
        backbone['num_layers'] = [1] * len(backbone.get('num_layers', (3, 4, 6, 3)))
    elif kind.endswith('ConvNeXt'):
        _shrink_convnext(backbone)
    elif kind in ('CSPDarknet', 'CSPNeXt'):
        backbone['deepen_factor'] = min(backbone.get('deepen_factor', 1.0), 0.33)
    elif kind == 'HourglassNet':
        backbone['downsample_times'] = 2
        backbone['stage_channels'] = [256, 128, 128]
        backbone['stage_blocks'] = [1, 1, 1]
    elif kind == 'HRNet':
        for stage in backbone['extra'].values():
            stage['num_modules'] = 1
            stage['num_blocks'] = tuple(1 for _ in stage['num_blocks'])
        # The first has one branch, of bottlenecks.


def _narrow(backbone: ConfigDict, neck: ConfigDict | list | None) -> None:
    """A quarter of the channels for a plain ResNet whose neck alone needs to know."""
    first = neck[0] if isinstance(neck, (list, tuple)) else neck
    groups = (backbone.get('norm_cfg') or {}).get('type') == 'GN'
    if backbone['type'] != 'ResNet' or groups or not (first or {}).get('in_channels'):
        return
    backbone['base_channels'] = backbone.get('base_channels', 64) // 4
    channels = first['in_channels']
    if isinstance(channels, int):
        first['in_channels'] = channels // 4
    else:
        first['in_channels'] = [count // 4 for count in channels]


def _shrink_convnext(backbone: ConfigDict) -> None:
    settings = MODELS.get(backbone['type']).arch_settings[backbone['arch']]
    backbone['arch'] = dict(depths=[1] * 4, channels=settings['channels'])


def _shrink_transformers(model: ConfigDict) -> None:
    """Fewer layers and queries in detectors and heads with an encoder and a decoder."""
    for part in _dicts(model):
        for key in ('encoder', 'transformer_encoder', 'decoder', 'transformer_decoder'):
            if isinstance(part.get(key), dict) and 'num_layers' in part[key]:
                part[key]['num_layers'] = min(part[key]['num_layers'], 2)
        for key in ('num_queries', 'num_proposals'):
            if isinstance(part.get(key), int):
                part[key] = min(part[key], NUM_QUERIES)
        if isinstance(part.get('group_cfg'), dict):  # denoising queries
            part['group_cfg']['num_dn_queries'] = min(part['group_cfg']['num_dn_queries'], 10)
        if 'num_dn_queries' in part:
            part['num_dn_queries'] = min(part['num_dn_queries'], 10)


def _shrink_stages(model: ConfigDict) -> None:
    """Two stages of the six of Sparse R-CNN and its like; the three of cascades stay."""
    head = model.get('roi_head') or {}
    if head.get('num_stages', 0) <= 3:
        return
    head['num_stages'] = 2
    for key in ('bbox_head', 'mask_head', 'stage_loss_weights'):
        if isinstance(head.get(key), (list, tuple)):
            head[key] = list(head[key])[:2]
    model['train_cfg']['rcnn'] = list(model['train_cfg']['rcnn'])[:2]


def _shrink_second_stage(model: ConfigDict) -> None:
    """Fewer channels and layers where each proposal passes, unless others take its channels up."""
    relays = 'feat_relay_head' in (model.get('roi_head') or {})
    for part in _dicts(model.get('roi_head') or {}):
        kind = part.get('type')
        if kind in _FULLY_CONNECTED and not relays:
            part['fc_out_channels'] = 64
        elif 'MaskHead' in str(kind):
            _limit(part, num_convs=1)


def _shrink_everywhere(model: ConfigDict, chip_size: int) -> None:
    for part in _dicts(model):
        if _is_pretrained(part.get('init_cfg')):
            part['init_cfg'] = None
        part.pop('pretrained', None)
        if part.get('type') == 'TridentResNet':
            part['init_cfg'] = _TRIDENT_WEIGHTS
        # Statistics and frozen layers that are not pretrained let numbers grow from layer to layer.
        if 'norm_eval' in part:
            part['norm_eval'] = False
        if part.get('frozen_stages', 0) > 0:
            part['frozen_stages'] = -1
        if part.get('type') in _SYNCHRONISED:
            part['type'] = 'BN'
        if part.get('type') == 'NASFPN':
            _limit(part, stack_times=2)
        if part.get('type') in ('SSDNeck', 'SSDHead') and 'norm_cfg' in part:
            # Down to 1x1, where a batch of one has no statistics.
            part['norm_cfg'] = None
        if part.get('clip_border') is False:
            # Masks of boxes off the image, as without training, cannot be pasted on a CPU.
            part['clip_border'] = True
        _limit(part, stacked_convs=2)
        if part.get('use_torchvision'):  # MMCV has the same operation
            part['use_torchvision'] = False
        if part.get('type') == 'BatchFixedSizePad':
            part['size'] = (chip_size, chip_size)


def _is_pretrained(init_cfg: ConfigDict | list | None) -> bool:
    return isinstance(init_cfg, dict) and 'checkpoint' in init_cfg


def _shrink_proposals(train_cfg: ConfigDict) -> None:
    """Fewer proposals, and fewer of them in the loss of the second stage."""
    if train_cfg.get('rpn_proposal'):
        _limit(train_cfg['rpn_proposal'], nms_pre=200, max_per_img=NUM_PROPOSALS)
    rcnn = train_cfg.get('rcnn') or ()
    for stage in rcnn if isinstance(rcnn, (list, tuple)) else [rcnn]:
        for part in _dicts(stage):
            _limit(part, num=NUM_SAMPLES)


def _shrink_detections(test_cfg: ConfigDict, many_classes: bool) -> None:
    """Fewer detections; weights that are not trained give some only without a threshold."""
    for part in _dicts(test_cfg):
        _limit(part, nms_pre=100, max_per_img=NUM_DETECTIONS, max_per_image=NUM_DETECTIONS)
        if isinstance(part.get('score_thr'), (int, float)) and not many_classes:
            part['score_thr'] = 0.0
        if part.get('max_per_img') == NUM_DETECTIONS and 'nms' not in part:
            part['max_per_img'] = NUM_QUERIES  # of queries, which all are given out
    if test_cfg.get('rpn'):
        _limit(test_cfg['rpn'], max_per_img=NUM_PROPOSALS)


def _limit(part: ConfigDict, **limits: int) -> None:
    for key, limit in limits.items():
        if isinstance(part.get(key), int) and part[key] > limit:
            part[key] = limit


def _most_classes(model: ConfigDict) -> int:
    counts = [part['num_classes'] for part in _dicts(model) if 'num_classes' in part]
    return max(counts, default=0)


def _dicts(config):
    """All dicts in a config, from the inside out."""
    for part in list(config.values()) if isinstance(config, dict) else list(config):
        if isinstance(part, (dict, list, tuple)):
            yield from _dicts(part)
    if isinstance(config, dict):
        yield config
