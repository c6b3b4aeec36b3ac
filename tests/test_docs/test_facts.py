"""Defaults, error sentences and versions in the documentation are those of the code."""

import ast
import configparser
import inspect
import re
from functools import cache

import pytest
import yaml
from documents import DOCS, ROOT, tables
from mmdet.registry import DATASETS, HOOKS, MODELS, TASK_UTILS, TRANSFORMS
from tool_parsers import all_tools

from mmsniper import __version__, apis

PARAMETERS = DOCS / 'reference' / 'parameters.md'


def rows_of_defaults():
    for heading, rows in tables(PARAMETERS):
        if rows[0][:2] == ['parameter', 'default']:
            for name, default, _ in rows[1:]:
                yield heading or 'ChipDataset', name.strip('`'), default.strip('`')


def owner_of(heading):
    registries = DATASETS, TRANSFORMS, HOOKS, MODELS, TASK_UTILS
    found = (registry.get(heading) for registry in registries)
    return next((f for f in found if f is not None), None) or getattr(apis, heading)


@pytest.mark.parametrize(('heading', 'name', 'default'), list(rows_of_defaults()))
def test_default(heading, name, default):
    parameter = inspect.signature(owner_of(heading)).parameters[name]
    needed = inspect.Parameter.empty
    assert parameter.default == (needed if default == 'needed' else ast.literal_eval(default))


def test_there_are_defaults():
    assert len({heading for heading, _, _ in rows_of_defaults()}) >= 9


@pytest.mark.parametrize('name', ['ChipDataset', 'ChipMergeHook', 'OnlineNegativesHook'])
def test_every_parameter_is_there(name):
    known = set(inspect.signature(owner_of(name)).parameters)
    told = {parameter for heading, parameter, _ in rows_of_defaults() if heading == name}
    assert known - told <= {'dataset', 'pipeline', 'lazy_init', 'nms'}


@cache
def sentences():
    """Every text of the code, with … for what is filled in."""
    found = []
    for folder in ('mmsniper', 'tools'):
        for path in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (v.value if isinstance(v, ast.Constant) else '…' for v in node.values)
                    found.append(''.join(parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return found


def is_said(sentence):
    parts = [re.escape(part.strip()) for part in sentence.split('…') if part.strip()]
    return any(re.search('.*'.join(parts), text, re.DOTALL) for text in sentences())


ERRORS = re.findall(r'^`(.+)`\n: ', (DOCS / 'guides' / 'errors.md').read_text(), re.MULTILINE)


@pytest.mark.parametrize('sentence', ERRORS)
def test_error_sentences_are_those_of_the_code(sentence):
    assert is_said(sentence)


def test_there_are_errors():
    assert len(ERRORS) > 30
    assert not is_said('annotation file … is not there')


def test_every_tool_has_its_command_line_on_the_site():
    text = (DOCS / 'reference' / 'command_lines.md').read_text()
    assert sorted(re.findall(r'```\{command-line\} (\S+)', text)) == all_tools()


def test_every_folder_of_the_package_is_explained():
    named = {row[0].strip('`') for _, rows in tables(DOCS / 'how_it_works.md') for row in rows[1:]}
    there = {
        f'mmsniper/{path.parent.name}' for path in (ROOT / 'mmsniper').glob('*/__init__.py')
    } - {'mmsniper/utils'}
    assert there <= named


def test_versions_and_lists_that_are_written_twice():
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == __version__
    (ruff,) = re.findall(r'^ruff==(.+)$', (ROOT / 'requirements-common.txt').read_text(), re.M)
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']
    assert [hook['rev'] for hook in hooks if 'ruff' in hook['repo']] == [f'v{ruff}']
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    listed = (ROOT / 'requirements-docs.txt').read_text().split('\n', 1)[1]
    assert setup['options.extras_require']['docs'].split() == listed.split()
