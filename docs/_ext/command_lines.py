"""Directive ``command-line``: what a tool is for and which options it has, by its own parser."""

from __future__ import annotations

import argparse

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from tool_parsers import TOOLS, parser_of


class CommandLine(SphinxDirective):
    """``{command-line} infer.py`` shows usage, description and a table of options."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        tool = self.arguments[0]
        self.env.note_dependency(str(TOOLS / tool))
        lines = StringList(page(parser_of(tool)), source=tool)
        node = nodes.container()
        self.state.nested_parse(lines, self.content_offset, node)
        return node.children


def page(parser: argparse.ArgumentParser) -> list[str]:
    """The description, the usage and the options of a parser, as lines of MyST."""
    width = 88
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=width)
    usage = parser.format_usage().removeprefix('usage: ')
    lines = []
    for paragraph in (parser.description or '').strip().split('\n\n'):
        is_command = paragraph.startswith(('python ', 'torchrun ', '--'))
        lines += ['```text', *paragraph.splitlines(), '```'] if is_command else [_plain(paragraph)]
        lines.append('')
    lines += ['```text', *usage.splitlines(), '```', '']
    rows = [row for action in parser._actions for row in _row(action, parser)]
    if rows:
        lines += ['| argument | meaning |', '| --- | --- |', *rows]
    return lines


def _row(action: argparse.Action, parser: argparse.ArgumentParser) -> list[str]:
    if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
        return []
    formatter = argparse.HelpFormatter(parser.prog)
    if action.option_strings:
        value = formatter._format_args(action, action.dest.upper()) if action.nargs != 0 else ''
        name = ', '.join(action.option_strings) + (f' {value}' if value else '')
    else:
        name = formatter._format_args(action, action.metavar or action.dest)
    text = formatter._expand_help(action) if action.help else ''
    return [f'| `{name}` | {_plain(text)} |']


def _plain(text: str) -> str:
    """Text on one line, in which nothing is markup."""
    for character in '\\|*_`<>[]{}$#':
        text = text.replace(character, f'\\{character}')
    return ' '.join(text.split())


def setup(app) -> dict:
    app.add_directive('command-line', CommandLine)
    return dict(parallel_read_safe=False)
