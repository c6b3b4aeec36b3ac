"""Links inside the documentation lead somewhere, and every page can be reached."""

import json
import re

import pytest
from documents import DOCS, ROOT, anchors, links, pages, prose

PATH = re.compile(r'(?<![\w/.])(?:tools|configs|mmsniper|docs|tests)/[\w/.-]+\.(?:py|sh|md|yml)\b')


@pytest.mark.parametrize('page', pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    faults = [fault for target in links(page) if (fault := link_fault(page, target))]
    faults += [
        f'{name} does not exist'
        for name in PATH.findall(prose(page))
        if 'NAME' not in name and not (ROOT / name).exists()
    ]
    assert not faults, f'{page.relative_to(ROOT)}: ' + ', '.join(faults)


def link_fault(page, target):
    name, _, anchor = target.partition('#')
    file = page.parent / name if name else page
    if not file.exists():
        return f'{target} does not exist'
    if anchor and file.suffix == '.md' and anchor not in anchors(file):
        return f'{name or "the page"} has no heading #{anchor}'
    return None


def test_there_are_links():
    assert len(links(ROOT / 'README.md')) > 8


def test_a_broken_link_is_found():
    readme = ROOT / 'README.md'
    assert 'does not exist' in link_fault(readme, 'docs/gone.md')
    assert 'no heading' in link_fault(readme, 'docs/images.md#gone')
    assert link_fault(readme, 'docs/images.md#orientation') is None


def test_every_page_of_the_site_is_in_a_table_of_contents():
    listed = {'index'}
    for page in pages():
        for body in re.findall(r'```\{toctree\}\n(.*?)```', page.read_text(), re.DOTALL):
            names = [line for line in body.splitlines() if line and not line.startswith(':')]
            folder = page.parent.relative_to(DOCS).as_posix()
            listed |= {name if folder == '.' else f'{folder}/{name}' for name in names}
    there = {
        page.relative_to(DOCS).with_suffix('').as_posix()
        for page in [*pages(), *DOCS.glob('tutorials/*.ipynb')]
        if page.is_relative_to(DOCS)
    }
    assert there == {name for name in listed if not name.endswith('*')}


def test_links_of_notebooks():
    for path in DOCS.glob('*/*.ipynb'):
        cells = json.loads(path.read_text())['cells']
        text = ''.join(''.join(c['source']) for c in cells if c['cell_type'] == 'markdown')
        for target in re.findall(r'\]\(([^)\s]+)\)', text):
            assert link_fault(path, target) is None
