"""Levels, valid ranges and chip size as a config that can be inherited or pasted."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

from mmengine.config import Config

from mmsniper.chips import Pyramid
from mmsniper.errors import InputError
from mmsniper.utils.configs import config_path

from .scale_proposal import plain_range, widen_ranges

DEFAULT_BASE = 'sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py'

_SNIPPET = """\
{comment}
#
# To inherit it: `_base_ = '{name}'` in a config next to it that adds the data (and, if it trains
# another model, another `_base_` below). To paste it: copy what comes after `_base_` into a config
# that trains on chips.
_base_ = {base}

train_dataloader = dict(
    dataset=dict(
        levels={levels},
        valid_ranges={valid_ranges},
        chip_size={chip_size},
    )
)
# Wider than in training, since predicted sizes are not exact.
val_dataloader = dict(
    dataset=dict(
        levels={levels},
        valid_ranges={test_ranges},
        tile_size={tile_size},
    )
)
test_dataloader = val_dataloader
"""


def base_expression(base: str, folder: str) -> str:
    """How a config in ``folder`` names its base.

    Args:
        base (str): Path of a config file, or a name below mmsniper's own ``configs``, or
            ``package::name``.
        folder (str): Where the config that inherits from it is to lie.

    Returns:
        str: Python code for ``_base_``.

    Raises:
        InputError: There is no such config, it cannot be loaded, or it does not train on chips.
    """
    if '::' in base:
        expression = loadable = repr(base)
    elif os.path.isfile(base):
        expression = repr(Path(os.path.relpath(base, folder)).as_posix())
        loadable = repr(os.path.abspath(base))
    else:
        config_path(base)  # says what is wrong with the name
        expression = loadable = f"__import__('mmsniper').config_path({base!r})"
    try:
        config = Config.fromstring(f'_base_ = {loadable}\n', '.py')
    except Exception as error:  # a config is code, which can fail in any way
        raise InputError(
            f'the base config {base} cannot be loaded ({type(error).__name__}: {error}).'
        ) from error
    dataset = config.get('train_dataloader', {}).get('dataset', {})
    if dataset.get('type') not in ('ChipDataset', 'mmsniper.ChipDataset'):
        raise InputError(
            f'the base config {base} has no ChipDataset as train_dataloader.dataset; name one '
            'that trains on chips.'
        )
    return expression


def config_snippet(
    name: str,
    comment: str,
    base: str,
    pyramid: Pyramid,
    chip_size: int,
    tile_size: int | None,
) -> str:
    """The text of the config.

    Args:
        name (str): Of the file.
        comment (str): What the settings are for, as one or more lines.
        base (str): Python code for ``_base_``, see ``base_expression``.
        pyramid (Pyramid): Levels and valid ranges of training.
        chip_size (int): Pixels of the level.
        tile_size (int | None): Of testing, see ``tile_size_in_testing``.

    Returns:
        str: Python code.
    """
    lines = [piece for line in comment.splitlines() for piece in textwrap.wrap(line, 98)]
    return _SNIPPET.format(
        name=name,
        comment='\n'.join(f'# {line}' for line in lines),
        base=base,
        levels=list(pyramid.levels),
        valid_ranges=[plain_range(bounds) for bounds in pyramid.valid_ranges],
        test_ranges=[plain_range(bounds) for bounds in widen_ranges(pyramid.valid_ranges)],
        chip_size=chip_size,
        tile_size=tile_size,
    )
