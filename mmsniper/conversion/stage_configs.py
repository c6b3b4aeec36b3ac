"""The configs of the stages of a whole SNIPER training, made from that of the detector."""

from __future__ import annotations

import copy
from pathlib import Path

from mmengine.config import Config

from ..datasets.nesting import find_chip_dataset, is_chip_dataset
from ..errors import InputError
from ..utils.configs import config_path

DEFAULT_RPN_CONFIG = 'mmsniper::rpn/rpn_r50_fpn_sniper-2e_coco.py'
_DATA_KEYS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_SNIPERIZE = 'make a config that does of it with tools/sniperize.py'
_SHARED_KEYS = ('default_scope', 'randomness', 'env_cfg', 'launcher')


def load_config(name: str) -> Config:
    """Load a config by its path, or by ``mmsniper::folder/name.py``.

    Raises:
        InputError: There is no such config.
    """
    prefix = 'mmsniper::'
    path = config_path(name[len(prefix) :]) if name.startswith(prefix) else name
    if not Path(path).is_file():
        raise InputError(f'config {name} does not exist')
    return Config.fromfile(path)


def rpn_stage(config: Config, rpn_config: str | None = None) -> Config:
    """The config of the proposal stage: an RPN on the positive chips of a detector's data.

    Args:
        config (Config): Of the detector.
        rpn_config (str, optional): Config of the RPN, whose own data do not matter. Defaults to
            None: the one that ``config`` names as ``rpn_config``, or an RPN with ResNet-50-FPN.

    Returns:
        Config: The RPN's, with the images, levels and pipelines of ``config``. Validated only if
            that one's metric is ``CocoMetric``.

    Raises:
        InputError: The detector is not trained and tested on chips.
    """
    chip_config(config)
    _check_views(config)
    stage = load_config(rpn_config or config.get('rpn_config') or DEFAULT_RPN_CONFIG)
    for key in _DATA_KEYS:
        stage[key] = copy.deepcopy(config.get(key))
    for key in _SHARED_KEYS:
        if key in config:
            stage[key] = config[key]
    chip_config(stage)['proposal_file'] = None
    imports = []
    for source in (stage, config):
        imports += (source.get('custom_imports') or {}).get('imports', [])
    stage.custom_imports = dict(imports=list(dict.fromkeys(imports)), allow_failed_imports=False)
    evaluator = config.get('val_evaluator')
    coco = isinstance(evaluator, dict) and evaluator.get('type') == 'CocoMetric'
    if coco and stage.val_dataloader:
        stage.val_evaluator = {**evaluator, 'metric': 'proposal'}
        stage.test_evaluator = stage.val_evaluator
    else:  # other metrics are not about proposals
        _without_loop(stage, 'val')
        stage.train_cfg.pop('val_interval', None)
    if not stage.test_dataloader:
        _without_loop(stage, 'test')
    return stage


def _without_loop(stage: Config, split: str) -> None:
    for part in ('cfg', 'dataloader', 'evaluator'):
        stage[f'{split}_{part}'] = None


def detector_stage(config: Config, proposal_file: str) -> Config:
    """The config of the detector's training with negative chips.

    Args:
        config (Config): Of the detector.
        proposal_file (str): What negative chips are chosen for.

    Returns:
        Config: A copy with it.

    Raises:
        InputError: The detector is not trained on chips, or the config does not say how long.
    """
    loop = config.get('train_cfg') or {}
    if not (loop.get('max_epochs') or loop.get('max_iters')):
        raise InputError(
            f'{config.filename} does not say how long to train: give train_cfg max_epochs, or '
            'max_iters'
        )
    stage = copy.deepcopy(config)
    chips = chip_config(stage)
    chips['proposal_file'] = proposal_file
    return stage


def chip_config(config: Config) -> dict:
    """The config of the training's ``ChipDataset``, itself and no copy.

    Raises:
        InputError: There is none.
    """
    found = find_chip_dataset(config, 'train_dataloader')
    if found is None:
        loader = config.get('train_dataloader') or {}
        lack = (
            'its train_dataloader.dataset is and holds no ChipDataset'
            if 'dataset' in loader
            else 'it has no train_dataloader.dataset'
        )
        raise InputError(f'{config.filename} trains on no chips: {lack}; {_SNIPERIZE}')
    return found


def _check_views(config: Config) -> None:
    """Make sure that proposals can be extracted as images are validated, or tested."""
    key = 'val_dataloader' if config.get('val_dataloader') else 'test_dataloader'
    dataset = (config.get(key) or {}).get('dataset')
    if not is_chip_dataset(dataset):
        raise InputError(
            f'{config.filename} tests on no views of a pyramid, which proposals are looked for on: '
            f'its {key}.dataset is no ChipDataset; {_SNIPERIZE}'
        )
