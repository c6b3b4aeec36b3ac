"""Python in the documentation compiles, imports what there is, and names what is registered."""

import ast
import importlib
import inspect

import pytest
from documents import ROOT, Block, blocks, pages
from mmdet.registry import DATASETS, HOOKS, MODELS, TASK_UTILS, TRANSFORMS
from mmengine.registry import (
    DATA_SAMPLERS,
    LOOPS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
)
from typed_commands import BadCommandLine, check_name

from mmsniper.merging.settings import check_nms

REGISTRIES = (
    *(MODELS, TASK_UTILS, DATASETS, TRANSFORMS, HOOKS, DATA_SAMPLERS, LOOPS),
    *(OPTIM_WRAPPERS, OPTIMIZERS, PARAM_SCHEDULERS),
)
# Settings of a config, which whoever builds the component takes out before.
ABOUT_BUILDING = {'type', '_delete_', '_scope_', 'convert_to_iter_based'}


@pytest.mark.parametrize('page', pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_python(page):
    faults = []
    for block in blocks(page, 'python'):
        faults += [f'{block.place}: {fault}' for fault in faults_of(block.text)]
    assert not faults, '\n'.join(faults)


def test_there_is_python():
    assert sum(len(blocks(page, 'python')) for page in pages()) > 20


def faults_of(text: str) -> list[str]:
    """What is wrong with a piece of Python."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [f'line {error.lineno}: {error.msg}']
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            faults += import_faults(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            faults += settings_faults(node) if node.func.id == 'dict' else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            faults += name_faults(node.value)
    return faults


def import_faults(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [f for alias in node.names for f in attribute_faults(alias.name, None)]
    return [f for alias in node.names for f in attribute_faults(node.module, alias.name)]


def attribute_faults(module: str, name: str) -> list[str]:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        return [str(error)]
    if name is not None and not hasattr(found, name):
        return [f'{module} has no {name}']
    return []


def settings_faults(node: ast.Call) -> list[str]:
    """Of ``dict(type='Name', ...)``: is it registered, and does it take what it is given?"""
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    kind = getattr(given.get('type'), 'value', None)
    if not isinstance(kind, str):
        return []
    values = {key: value for key, value in given.items() if isinstance(value, ast.Constant)}
    if kind.islower():  # a way to merge
        try:
            check_nms({key: value.value for key, value in values.items()})
        except Exception as error:
            return [str(error)]
        return []
    found = next((f for registry in REGISTRIES if (f := registry.get(kind)) is not None), None)
    if found is None:
        return [f'nothing is registered as {kind}']
    taken = parameters(found)
    unknown = [] if taken is None else sorted(set(given) - taken - ABOUT_BUILDING)
    return [f'{kind} takes no {key}' for key in unknown]


def parameters(kind) -> set:
    """The names that something can be given; None if these are any."""
    if not inspect.isclass(kind):
        return None
    names = set()
    for base in kind.__mro__:
        if '__init__' not in vars(base):
            continue
        found = inspect.signature(base.__init__).parameters.values()
        names |= {p.name for p in found}
        if all(p.kind is not p.VAR_KEYWORD for p in found):
            return names
        if not base.__module__.startswith('mmsniper'):
            return None  # it may hand them on to anything
    return names


def name_faults(text: str) -> list[str]:
    try:
        check_name(text)
    except BadCommandLine as fault:
        return [str(fault)]
    return []


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('a = (1', "'(' was never closed"),
        ('from mmsniper.apis import PyramidInferrer', 'has no PyramidInferrer'),
        ('import mmsniper.api', "No module named 'mmsniper.api'"),
        ("dict(type='ChipMergHook')", 'nothing is registered as ChipMergHook'),
        ("dict(type='ChipMergeHook', nsm=1)", 'ChipMergeHook takes no nsm'),
        ("dict(type='LoadChip', bands=(3, 2, 1), depht_range=(0, 1))", 'no depht_range'),
        ("dict(type='nmm', iou_threshold=0.5, metric='iof')", 'metric'),
        ("_base_ = 'mmsniper::sniper/gone.py'", 'no config sniper/gone.py'),
    ],
)
def test_a_broken_block_is_found(text, told):
    (fault,) = faults_of(Block(ROOT / 'README.md', 1, 'python', text).text)
    assert told in fault
