"""What stands in README, site and the READMEs of the configs: blocks, commands, links, headings."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / 'docs'
# Written at each build, from files that are pages themselves.
GENERATED = '_build', '_ext', 'reference/configs/'

FENCE = re.compile(r'^(?P<indent> *)(?P<fence>```+)(?P<language>[^\n`]*)\n', re.MULTILINE)
LINK = re.compile(r'\]\(([^)\s]+)(?:\s+"[^"]*")?\)')


@dataclass(frozen=True)
class Block:
    """Fenced text of a page: its language, what is in it, and where it is."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f'{self.page.relative_to(ROOT)}:{self.line}'

    def commands(self) -> list[list[str]]:
        """The words of each command of a shell block, without comments and continued lines."""
        text = self.text.replace('\\\n', ' ')
        commands = []
        for line in text.splitlines():
            words, lexer = [], shlex.shlex(line, posix=True, punctuation_chars=';&|')
            lexer.whitespace_split = True
            for word in [*lexer, ';']:
                if set(word) <= set(';&|'):
                    commands += [words] if words else []
                    words = []
                else:
                    words.append(word)
        return commands


def pages() -> list[Path]:
    """All pages that a person reads, in order."""
    site = [
        path
        for path in DOCS.rglob('*.md')
        if not path.relative_to(DOCS).as_posix().startswith(GENERATED)
    ]
    own = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md']
    return own + sorted(site) + sorted((ROOT / 'configs').glob('*/README.md'))


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages, or in all."""
    found, position, text = [], 0, page.read_text()
    while opening := FENCE.search(text, position):
        closing = re.compile(rf'^ *{opening["fence"]} *$', re.MULTILINE).search(text, opening.end())
        assert closing, f'{page}: a block that begins with {opening.group()!r} has no end'
        content = text[opening.end() : closing.start()]
        indent = re.compile(rf'^{opening["indent"]}', re.MULTILINE)
        language = opening['language'].strip()
        if not languages or language in languages:
            line = text.count('\n', 0, opening.start()) + 1
            found.append(Block(page, line, language, indent.sub('', content)))
        position = closing.end()
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    text = page.read_text()
    for block in blocks(page):
        text = text.replace(block.text, '')
    return text


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead to, but for other sites."""
    text = re.sub(r'`[^`\n]*`', '', prose(page))
    return [target for target in LINK.findall(text) if '://' not in target]


def anchors(page: Path) -> set[str]:
    """What can follow ``#`` in a link to a page: its headings as GitHub and MyST name them."""
    names = set(re.findall(r'<a name="([^"]+)">', page.read_text()))
    for heading in re.findall(r'^#+ +(.+?) *$', prose(page), re.MULTILINE):
        plain = re.sub(r'[`*]|\[([^]]*)\]\([^)]*\)', r'\1', heading).lower()
        names.add(re.sub(r'[^\w\- ]', '', plain).replace(' ', '-'))
    return names


def tables(page: Path) -> list[tuple[str, list[list[str]]]]:
    """The tables of a page, each with the heading above it, row by row."""
    found, heading, rows = [], '', []
    for line in [*prose(page).splitlines(), '']:
        if line.startswith('#'):
            heading = line.lstrip('# ').strip()
        if line.startswith('|'):
            cells = re.split(r'(?<!\\)\|', line.strip().strip('|'))
            rows.append([cell.strip() for cell in cells])
        elif rows:
            found.append((heading, [rows[0], *rows[2:]]))
            rows = []
    return found
