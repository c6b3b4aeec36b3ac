"""The READMEs of ``configs`` as pages of the site, and links to files beside ``docs``.

On GitHub the READMEs stand where the configs are. Here each becomes ``reference/configs/NAME``,
written anew at every build, and links are turned so that they lead to the same place.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / 'docs' / 'reference' / 'configs'
LINK = re.compile(r'(\]\()([^)\s#]+)(#[^)\s]*)?(\))')
CODE = re.compile(r'(^ *```.*?^ *```|`[^`\n]*`)', re.MULTILINE | re.DOTALL)


def write_pages(app) -> None:
    """Write a page for each README, where it is not as it should be, and drop those of others."""
    PAGES.mkdir(parents=True, exist_ok=True)
    readmes = {path.parent.name: path for path in sorted((ROOT / 'configs').glob('*/README.md'))}
    for name, readme in readmes.items():
        text, page = turn_links(readme.read_text(), readme.parent, PAGES), PAGES / f'{name}.md'
        if not page.is_file() or page.read_text() != text:
            page.write_text(text)
    for page in PAGES.glob('*.md'):
        if page.stem not in readmes:
            page.unlink()


def turn_links_of_page(app, docname: str, source: list[str]) -> None:
    """Links of a page of ``docs`` to what is beside it."""
    path = Path(app.env.doc2path(docname))
    if path.suffix == '.md':
        source[0] = turn_links(source[0], path.parent, path.parent)


def turn_links(text: str, old: Path, new: Path) -> str:
    """The text with each relative link as seen from a new folder, READMEs as their pages."""

    def turn(match: re.Match) -> str:
        before, target, anchor, after = match.groups()
        path = Path(os.path.normpath(old / target))
        if '://' in target or not path.exists():
            return match.group()  # one that leads nowhere is a warning of Sphinx
        if path.is_dir() and (path / 'README.md').is_file():
            path = path / 'README.md'
        if path.name == 'README.md' and path.parent.parent == ROOT / 'configs':
            path = PAGES / f'{path.parent.name}.md'
        elif path == ROOT / 'README.md':
            path = ROOT / 'docs' / 'index.md'
        elif path in (ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md'):
            path = ROOT / 'docs' / f'{path.stem.lower()}.md'
        return f'{before}{os.path.relpath(path, new)}{anchor or ""}{after}'

    parts = CODE.split(text)
    return ''.join(part if i % 2 else LINK.sub(turn, part) for i, part in enumerate(parts))


def setup(app) -> dict:
    app.connect('builder-inited', write_pages)
    app.connect('source-read', turn_links_of_page)
    return dict(parallel_read_safe=True)
