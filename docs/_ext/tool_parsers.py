"""The parsers of the tools' command lines, asked of the tools themselves.

A tool is run until it parses its command line, and no further. So whatever a tool does to its
arguments before is done, and parsers that MMDetection brings (train.py, test.py) are found as well.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'


class _Reached(BaseException):
    """The tool has come to its command line."""


class BadCommandLine(Exception):
    """A tool refuses its command line; the message is the tool's own."""


def all_tools() -> list[str]:
    """The Python tools below ``tools``, such as ``misc/browse_chips.py``, in order of name."""
    scripts = TOOLS.rglob('*.py')
    return sorted(
        path.relative_to(TOOLS).as_posix() for path in scripts if 'run_script(' in path.read_text()
    )


def tool_named(name: str) -> str:
    """The tool that ``mim run mmsniper NAME`` runs.

    Raises:
        BadCommandLine: There is none, or more than one.
    """
    found = [tool for tool in all_tools() if Path(tool).stem == name]
    if len(found) != 1:
        raise BadCommandLine(f'there are {len(found)} tools named {name}')
    return found[0]


def parser_of(tool: str) -> argparse.ArgumentParser:
    """The parser of a tool, with the name that people call it by."""
    with _stopping_at_the_command_line(parse=False) as reached:
        _run(tool, ())
    (parser,) = reached
    parser.prog = f'python tools/{tool}'
    return parser


def parse(tool: str, arguments: Sequence[str]) -> argparse.Namespace:
    """What a tool makes of its arguments.

    Raises:
        BadCommandLine: It refuses them.
    """
    complaints = io.StringIO()
    with _stopping_at_the_command_line(parse=True) as reached:
        with contextlib.redirect_stderr(complaints), contextlib.redirect_stdout(complaints):
            try:
                _run(tool, arguments)
            except SystemExit as ended:
                raise BadCommandLine(complaints.getvalue().strip()) from ended
    (namespace,) = reached
    return namespace


def _run(tool: str, arguments: Sequence[str]) -> None:
    script = TOOLS / tool
    path = [str(script.parent), *sys.path]  # as of any script that is run
    with mock.patch.multiple(sys, argv=[f'tools/{tool}', *arguments], path=path):
        with mock.patch.dict(os.environ), contextlib.suppress(_Reached):
            runpy.run_path(str(script), run_name='__main__')


@contextlib.contextmanager
def _stopping_at_the_command_line(parse: bool) -> Iterator[list]:
    reached: list = []
    original = argparse.ArgumentParser.parse_args

    def stop(self, args=None, namespace=None):
        reached.append(original(self, args, namespace) if parse else self)
        raise _Reached

    with mock.patch.object(argparse.ArgumentParser, 'parse_args', stop):
        yield reached
