"""Detectors of MMDetection's zoo with their own heads, but hardly any channels."""

from __future__ import annotations

from mmengine.config import ConfigDict
from zoo_configs import zoo_config

CHANNELS = 32
# ResNet-18 of a sixteenth of its width, and the levels that detectors take from it.
BACKBONE = dict(type='ResNet', depth=18, base_channels=4, norm_cfg=dict(type='BN'))
LEVELS = [4, 8, 16, 32]
CSP_WIDTH, CSP_LEVELS = 0.125, (256, 512, 1024)
WIDTHS = dict(
    in_channels=CHANNELS,
    feat_channels=CHANNELS,
    out_channels=CHANNELS,
    conv_out_channels=CHANNELS,
    fc_out_channels=CHANNELS,
)


def tiny_detector(name: str) -> ConfigDict:
    """The model of a config of the zoo, made tiny.

    Args:
        name: The config's path in the zoo. Its backbone is a ResNet or a CSPNeXt.
    """
    model = zoo_config(name).model
    if model.backbone.type == 'CSPNeXt':
        model.backbone.update(widen_factor=CSP_WIDTH, deepen_factor=CSP_WIDTH, init_cfg=None)
        model.neck.in_channels = [int(width * CSP_WIDTH) for width in CSP_LEVELS]
    else:
        model.backbone = ConfigDict(BACKBONE, out_indices=model.backbone.out_indices)
        if not isinstance(model.neck.in_channels, int):  # a level only, the last
            model.neck.in_channels = LEVELS[: len(model.neck.in_channels)]
    for part in _dicts(model):
        for key, width in WIDTHS.items():
            if isinstance(part.get(key), int) and part[key] > width:
                part[key] = width
        if part.get('num_classes', 0) > 3:
            part['num_classes'] = 3
    return model


def _dicts(config):
    for value in config.values() if isinstance(config, dict) else config:
        if isinstance(value, (dict, list, tuple)):
            yield from _dicts(value)
    if isinstance(config, dict):
        yield config
