import logging
import textwrap
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import mmdet.registry
import pytest
import yaml
from mmdet.registry import DATASETS, HOOKS
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmsniper import InputError, config_path, zoo_config
from mmsniper.engine import ChipMergeHook
from mmsniper.registry import REGISTRIES

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'


def test_config_path():
    config = min(CONFIGS.glob('sniper/*.py'))
    path = Path(config_path(f'sniper/{config.name}'))
    assert path.is_absolute()
    assert path.samefile(config)
    assert config_path(f'sniper/{config.stem}') == str(path)


def test_config_path_names_what_comes_near():
    name = min(CONFIGS.glob('sniper/*.py')).name
    with pytest.raises(InputError, match=f'did you mean .*sniper/{name}'):
        config_path(f'snipper/{name}')
    with pytest.raises(InputError, match='mmsniper has no config 0000: see the folder'):
        config_path('0000')


def test_zoo_config():
    config = zoo_config('atss/atss_r50_fpn_1x_coco')
    assert config.model.type == 'ATSS'
    assert config.filename == zoo_config('atss/atss_r50_fpn_1x_coco.py').filename
    near = 'MMDetection has no config ats/atss_r50_fpn_1x: did you mean .*atss/atss_r50_fpn_1x_coco'
    with pytest.raises(InputError, match=near):
        zoo_config('ats/atss_r50_fpn_1x')


def test_configs_take_the_models_of_mmdetection_as_they_are():
    ours = Config.fromfile(CONFIGS / '_base_/models/atss_r50_fpn.py')
    assert ours.model == zoo_config('atss/atss_r50_fpn_1x_coco').model


def test_config_names_are_unique():
    """`mim train mmsniper NAME` finds a config by its name alone."""
    names = [path.name for path in CONFIGS.rglob('*.py')]
    assert len(names) == len(set(names))


def test_model_index_lists_all_model_cards():
    listed = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    cards = sorted(str(path.relative_to(ROOT)) for path in CONFIGS.glob('*/metafile.yml'))
    assert listed == cards
    for card in cards:
        for model in yaml.safe_load((ROOT / card).read_text())['Models']:
            assert (ROOT / model['Config']).is_file(), f'{card}: {model["Config"]}'


def test_scope_has_a_child_of_every_registry():
    assert REGISTRIES['HOOKS'].parent is mmdet.registry.HOOKS
    scopes = [getattr(registry, 'scope', None) for registry in vars(mmdet.registry).values()]
    assert len(REGISTRIES) == scopes.count('mmdet') >= 17
    assert REGISTRIES['HOOKS'].get('ChipMergeHook') is ChipMergeHook
    assert HOOKS.get('mmsniper.ChipMergeHook') is ChipMergeHook


def inherit(tmp_path, base):
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {base}\n')
    return Config.fromfile(path)


def test_base_by_path_expression(tmp_path):
    config = inherit(
        tmp_path, "__import__('mmsniper').config_path('_base_/datasets/coco_sniper.py')"
    )
    assert config.custom_imports.imports == ['mmsniper']


class Records(logging.Handler):
    def __init__(self):
        super().__init__(level=logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def test_base_by_package_builds_without_warnings(tmp_path):
    try:
        distribution('mmsniper')
    except PackageNotFoundError:
        pytest.skip('mmsniper is not installed, so mmengine cannot look it up: run make setup')
    config = inherit(tmp_path, "'mmsniper::_base_/datasets/coco_sniper.py'")
    hooks = config.custom_hooks
    assert {hook['_scope_'] for hook in hooks} == {'mmsniper'}
    records = Records()
    logger = MMLogger.get_current_instance()
    logger.addHandler(records)
    try:
        built = [HOOKS.build(hook) for hook in hooks]
    finally:
        logger.removeHandler(records)
    assert ChipMergeHook in [type(hook) for hook in built]
    assert records.messages == []


def test_unknown_name_is_still_an_error():
    with pytest.raises(KeyError, match='NoSuchDataset'):
        DATASETS.build({'type': 'NoSuchDataset', '_scope_': 'mmsniper'})


def test_config_stays_in_mmdetections_scope(tmp_path):
    """A component of MMDetection is found from a config of ours, and the other way round."""
    path = tmp_path / 'config.py'
    path.write_text(
        textwrap.dedent("""
            custom_imports = dict(imports=['mmsniper'])
            default_scope = 'mmdet'
            hook = dict(type='ChipMergeHook')
        """)
    )
    config = Config.fromfile(path)
    assert isinstance(HOOKS.build(config.hook), ChipMergeHook)
    assert REGISTRIES['DATASETS'].get('CocoDataset') is DATASETS.get('CocoDataset')
