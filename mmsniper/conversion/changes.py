"""The list of what a conversion changed and of what it could not change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Changes:
    """What happened to a config.

    Attributes:
        changed (list[str]): What was changed, a short line each.
        notes (list[str]): What was left as it is, or cannot be known, and what to do about it.
    """

    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def change(self, line: str) -> None:
        """Add a change, once."""
        if line not in self.changed:
            self.changed.append(line)

    def note(self, line: str) -> None:
        """Add a note, once."""
        if line not in self.notes:
            self.notes.append(line)

    def lines(self) -> Iterator[str]:
        """The list for a person."""
        if not self.changed:
            yield 'nothing to do: the config trains on chips already'
        yield from (f'changed: {line}' for line in self.changed)
        yield from (f'note: {line}' for line in self.notes)

    def __str__(self) -> str:
        return '\n'.join(self.lines())


def listed(names: Sequence[str]) -> str:
    """Names in their order, each once, with how often where it is more."""
    counts = {name: list(names).count(name) for name in names}
    return ', '.join(f'{name} (x{count})' if count > 1 else name for name, count in counts.items())
