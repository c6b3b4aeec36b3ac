"""The tools by their names, wherever the package is: ``python -m mmsniper infer -h``.

``python -m mmsniper`` lists them. It does what ``mim run mmsniper TOOL`` does, and hands everything
behind the name of the tool on to it, ``-h`` too, and its exit status back.
"""

from __future__ import annotations

import ast
import difflib
import runpy
import sys
from pathlib import Path

from mmsniper.errors import InputError
from mmsniper.utils.script import run_script

TOOLS = Path(__file__).resolve().parent / '.mim' / 'tools'


def main() -> None:
    """Run the tool that the command line names, or list all tools."""
    tools = find_tools()
    name = sys.argv[1] if len(sys.argv) > 1 else '-h'
    if name in ('-h', '--help'):
        print('usage: python -m mmsniper TOOL [arguments]; TOOL -h shows those of a tool\n')
        for tool, path in tools.items():
            print(f'  {tool:<20} {purpose(path)}')
        return
    if name not in tools:
        near = difflib.get_close_matches(name, tools, n=3) or tools
        raise InputError(f'there is no tool {name}: did you mean {" or ".join(near)}')
    script = str(tools[name])
    sys.argv[:2] = [script]
    sys.path[0] = str(tools[name].parent)  # as if it had been run by its path
    runpy.run_path(script, run_name='__main__')


def find_tools() -> dict[str, Path]:
    """The tools by name, in the order of their paths.

    Raises:
        InputError: They are not where an installation has them.
    """
    tools = {
        path.stem: path
        for path in sorted(TOOLS.rglob('*.py'))
        if 'run_script(main)' in path.read_text(encoding='utf-8')
    }
    if not tools:
        raise InputError(
            f'the tools of mmsniper are missing at {TOOLS}: '
            "reinstall with 'pip install .' or 'make setup'"
        )
    return tools


def purpose(script: Path) -> str:
    """The first sentence of what a tool says of itself."""
    text = ast.get_docstring(ast.parse(script.read_text(encoding='utf-8'))) or ''
    return ' '.join(text.split('\n\n')[0].split()).split('. ')[0].rstrip('.')


if __name__ == '__main__':
    run_script(main)
