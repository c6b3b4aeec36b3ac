"""Which configs of the installed MMDetection are in scope, and of what kind their detectors are."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import mmdet
from mmdet.models.task_modules import AnchorGenerator
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.config.config import ConfigDict

from mmsniper.datasets.nesting import nested_configs
from mmsniper.errors import InputError

# The folders of mmdet.models whose detectors look at more than one image.
_SEQUENCE_PACKAGES = ('mmdet.models.mot', 'mmdet.models.vis', 'mmdet.models.reid')
# What configs use of packages that MMDetection does not install by itself.
_PACKAGE_OF_TYPE = {
    'Albu': 'albumentations',
    'BoxInstDataPreprocessor': 'skimage',
    'InstaBoost': 'instaboostfast',
    'LADHead': 'sklearn',
    'LVISV05Dataset': 'lvis',
    'LVISV1Dataset': 'lvis',
    'PAAHead': 'sklearn',
    'mmpretrain.TIMMBackbone': 'timm',
}


@dataclass(frozen=True)
class ZooConfig:
    """A config of the zoo and what is known of it without running it.

    Args:
        name: Its path below the folder of configs, such as 'atss/atss_r50_fpn_1x_coco.py'.
        kind: How the detector finds objects: 'anchor', 'anchor-free', 'query' or 'mask' (without
            boxes), with '+ mask' where a detector of boxes predicts masks as well; empty where out.
        detector: The class of the detector.
        heads: The classes of its heads.
        backbone: That of its backbone.
        dataset: That of the dataset inside of all wrappers.
        out: Why it is out of scope; empty where it is in.
        needs: The optional package that it needs and that is not installed; empty where none is.
    """

    name: str
    kind: str = ''
    detector: str = ''
    heads: tuple[str, ...] = ()
    backbone: str = ''
    dataset: str = ''
    out: str = ''
    needs: str = ''

    @property
    def family(self) -> str:
        """The folder it lies in."""
        return self.name.split('/')[0]

    @property
    def in_scope(self) -> bool:
        """Whether it is a single-image detector."""
        return not self.out


def zoo_folder() -> Path:
    """Where the installed MMDetection has its configs.

    Raises:
        InputError: It came without them.
    """
    folder = Path(mmdet.__file__).parent / '.mim' / 'configs'
    if not folder.is_dir():
        raise InputError(
            f'the installed mmdet has no configs at {folder}: install it from a wheel or a source '
            'package rather than from a development checkout'
        )
    return folder


def families() -> list[str]:
    """The names of all families, those out of scope included."""
    return sorted(
        path.name for path in zoo_folder().iterdir() if path.is_dir() and path.name != '_base_'
    )


def config_names(only: Iterable[str] = ()) -> list[str]:
    """The configs below the folder of configs, without the fragments in ``_base_``.

    Args:
        only: Families; none means all.

    Raises:
        InputError: There is no such family.
    """
    known = families()
    for family in only:
        if family not in known:
            raise InputError(f'no family {family} in the zoo; there are {", ".join(known)}')
    root = zoo_folder()
    return [
        path.relative_to(root).as_posix()
        for family in (only or known)
        for path in sorted((root / family).rglob('*.py'))
    ]


def read_zoo(only: Iterable[str] = ()) -> Iterator[ZooConfig]:
    """Classify the configs of all families, or of some.

    A family whose own detectors look at videos is out as a whole: what else is in its folder are
    the detectors and datasets of trackers.

    Args:
        only: Families; none means all.
    """
    register_all_modules(init_default_scope=True)
    by_family: dict[str, list[str]] = {}
    for name in config_names(only):
        by_family.setdefault(name.split('/')[0], []).append(name)
    for names in by_family.values():
        found = [_classify(name) for name in names]
        tracks = any(_looks_at_videos(config.detector) for config in found)
        for config in found:
            if tracks and not _looks_at_videos(config.detector):
                yield ZooConfig(config.name, out='part of a tracker')
            else:
                yield config


def _classify(name: str) -> ZooConfig:
    try:
        config = Config.fromfile(zoo_folder() / name)
    except FileNotFoundError:
        return ZooConfig(name, out='its _base_ file is missing in the installed mmdet')
    except ImportError as error:  # of the config's custom_imports or of a base in mmpretrain
        if 'mmpretrain' not in str(error):
            raise
        if '/classification/' in name:
            return ZooConfig(name, out='no detector: it classifies whole images')
        return ZooConfig(name, needs='mmpretrain')
    return describe(name, config)


def describe(name: str, config: Config) -> ZooConfig:
    """Classify a config.

    Args:
        name: Its path below the folder of configs.
        config: Its content.
    """
    model = config.get('model') or {}
    if reason := _out_of_scope(config, model):
        return ZooConfig(name, detector=model.get('type', ''), out=reason)
    heads = tuple(str(model[key].get('type')) for key in sorted(model) if _is_head(key, model))
    backbone = str((model.get('backbone') or {}).get('type', ''))
    packages = (_PACKAGE_OF_TYPE.get(used) for used in _types(config.to_dict()))
    needs = next((package for package in packages if package and not find_spec(package)), '')
    inner = list(nested_configs(config.train_dataloader.dataset))[-1]
    return ZooConfig(
        name, kind_of(model), model['type'], heads, backbone, inner['type'], needs=needs
    )


def _out_of_scope(config: Config, model: ConfigDict) -> str:
    """Why a config is none of a single-image detector, or nothing."""
    kind = MODELS.get(model['type']) if 'type' in model else None
    data = (config.get('train_dataloader') or {}).get('dataset')
    if kind is None:
        return 'no model: settings that other configs are combined with'
    if _looks_at_videos(model['type']):
        return 'it looks at videos or re-identifies objects'
    if model['type'] == 'Detectron2Wrapper':
        return 'a model of Detectron2, trained by Detectron2'
    if 'language_model' in model:
        return 'prompted by text'
    if 'semi_train_cfg' in model:
        return 'semi-supervised: it mixes labelled and unlabelled images'
    if not data:
        return 'no training data'
    used = {str(inner.get('type')) for inner in nested_configs(data)}
    if 'CocoPanopticDataset' in used:
        return 'panoptic'
    if 'DSDLDetDataset' in used:
        return 'data in the format of DSDL, whose reader cannot be installed'
    return ''


def kind_of(model: ConfigDict) -> str:
    """How a detector finds objects, by the classes of its heads.

    Args:
        model: Its config.

    Returns:
        The kind of a :class:`ZooConfig`.
    """
    heads = [model[key] for key in model if key.endswith('_head') and key != 'roi_head']
    names = {base for head in heads for base in _class_names(head.get('type', ''))}
    masks = {'mask_head', 'mask_roi_extractor'} & set(_keys(model))
    masks |= {'RTMDetInsHead'} & names
    if names & {'DETRHead', 'EmbeddingRPNHead', 'MaskFormerHead'}:
        kind = 'query'
        masks |= {'MaskFormerHead'} & names
    elif names & {'SOLOHead', 'SOLOV2Head'}:
        return 'mask'
    elif any(_has_anchors(head) for head in heads) or not heads:
        kind = 'anchor'  # without a dense head: Fast R-CNN, whose proposals an RPN wrote to a file
    else:
        kind = 'anchor-free'
    return f'{kind} + mask' if masks else kind


def _has_anchors(head: ConfigDict) -> bool:
    """Whether a dense head looks for objects around boxes, whatever generates them for it."""
    if head.get('anchor_type') == 'anchor_free' or 'FSAFHead' in _class_names(head['type']):
        return False
    generators = [TASK_UTILS.get(used) for used in _types(head) if used in TASK_UTILS]
    return any(inspect.isclass(kind) and issubclass(kind, AnchorGenerator) for kind in generators)


def _is_head(key: str, model: ConfigDict) -> bool:
    return key.endswith('_head') and isinstance(model[key], dict)


def _class_names(name: str) -> list[str]:
    found = MODELS.get(name) if name else None
    return [base.__name__ for base in inspect.getmro(found)] if inspect.isclass(found) else []


def _looks_at_videos(name: str) -> bool:
    found = MODELS.get(name) if name else None
    return found is not None and found.__module__.startswith(_SEQUENCE_PACKAGES)


def _keys(config) -> Iterator[str]:
    for part in config.values() if isinstance(config, dict) else config:
        if isinstance(part, (dict, list, tuple)):
            yield from _keys(part)
    if isinstance(config, dict):
        yield from config


def _types(config) -> Iterator[str]:
    if isinstance(config, dict) and 'type' in config:
        yield str(config['type'])
    for part in config.values() if isinstance(config, dict) else config:
        if isinstance(part, (dict, list, tuple)):
            yield from _types(part)
