"""Configs of the MMDetection that is installed."""

from __future__ import annotations

from pathlib import Path

import mmdet
from mmengine.config import Config


def zoo_config(name: str) -> Config:
    """A config by its path in the zoo, such as 'atss/atss_r50_fpn_1x_coco.py'."""
    return Config.fromfile(Path(mmdet.__file__).parent / '.mim' / 'configs' / name)
